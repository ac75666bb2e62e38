package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
)

// copyTree copies a folder of a root file system to a folder outside of it.
// A symbolic link becomes the file or the folder that it leads to within the
// root, so that the copy needs nothing of what was around the original. What is
// named in except, at the top of the folder, is left out.
func copyTree(root, folder, target string, except []string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(root, folder))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if slices.Contains(except, entry.Name()) {
			continue
		}
		if err := copyEntry(root, filepath.Join(folder, entry.Name()), filepath.Join(target, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// copyEntry copies what a path leads to within the root: a file, or a folder
// that the path is not itself in.
func copyEntry(root, path, target string) error {
	resolved, err := securejoin.SecureJoin(root, path)
	if err != nil {
		return fmt.Errorf("follow %s: %w", path, err)
	}
	info, err := os.Lstat(resolved)
	if err != nil {
		return fmt.Errorf("follow %s: %w", path, err)
	}
	if !info.IsDir() {
		return copyFile(resolved, target, info)
	}
	folder, err := filepath.Rel(root, resolved)
	if err != nil {
		return fmt.Errorf("follow %s: %w", path, err)
	}
	if strings.HasPrefix(path+"/", folder+"/") && path != folder {
		return fmt.Errorf("follow %s: it is in the folder that it leads to", path)
	}
	return copyTree(root, folder, target, nil)
}

func copyFile(resolved, target string, info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("follow %s: it is not a file", resolved)
	}
	in, err := os.Open(resolved)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close() // the first error is the one to tell
		return err
	}
	return out.Close()
}

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	securejoin "github.com/cyphar/filepath-securejoin"
)

// copyTree copies a folder of a root file system to a folder outside of it.
// A symbolic link becomes the file that it leads to within the root, so that
// the copy needs nothing of what was around the original. Files named in
// except, at the top of the folder, are left out.
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
		from, to := filepath.Join(folder, entry.Name()), filepath.Join(target, entry.Name())
		if entry.IsDir() {
			err = copyTree(root, from, to, nil)
		} else {
			err = copyFile(root, from, to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies what a path leads to, which has to be a file within the
// root.
func copyFile(root, path, target string) error {
	resolved, err := securejoin.SecureJoin(root, path)
	if err != nil {
		return fmt.Errorf("follow %s: %w", path, err)
	}
	info, err := os.Lstat(resolved)
	if err != nil {
		return fmt.Errorf("follow %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("follow %s: %s is not a file", path, resolved)
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

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// writeFiles writes all of the files or none: where one cannot be written,
// those before it are removed, with the folders that were made for them. A
// file that is there is never written over.
func writeFiles(dir string, files []initFile) (err error) {
	var made []string
	defer func() {
		if err == nil {
			return
		}
		for i := len(made) - 1; i >= 0; i-- {
			err = errors.Join(err, os.Remove(made[i]))
		}
	}()
	for _, file := range files {
		target := filepath.Join(dir, filepath.FromSlash(file.Path))
		folders, err := makeFolders(filepath.Dir(target))
		made = append(made, folders...)
		if err != nil {
			return fmt.Errorf("write %s: %w", file.Path, err)
		}
		created, err := writeNew(target, file.Content)
		if created {
			made = append(made, target)
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", file.Path, err)
		}
	}
	return nil
}

// makeFolders makes a folder and those above it, and returns the ones that
// were not there, the highest first.
func makeFolders(folder string) ([]string, error) {
	var missing []string
	for at := folder; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		missing = append([]string{at}, missing...)
	}
	for i, at := range missing {
		if err := os.Mkdir(at, 0o755); err != nil {
			return missing[:i], err
		}
	}
	return missing, nil
}

// writeNew writes a file that is not there yet.
func writeNew(name, content string) (created bool, err error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return false, err
	}
	_, err = file.WriteString(content)
	return true, errors.Join(err, file.Close())
}

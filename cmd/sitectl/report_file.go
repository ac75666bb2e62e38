package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
)

// reportFlag is for commands that can tell how they went on a page.
func reportFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "report", EnvVars: []string{"SITECTL_REPORT"},
		Usage: "write a page that tells how it went to an HTML `FILE`, whatever the end",
	}
}

// checkReport makes sure that a report can be written, before anything is
// done that it would tell of. The file itself is not touched; empty is none.
func checkReport(file string) error {
	if file == "" {
		return nil
	}
	err := regular(file)
	if err == nil {
		err = tryReport(file)
	}
	if err != nil {
		return &usageError{
			message: fmt.Sprintf("--report cannot be written: %v", err),
			hint:    "name a file in a folder that exists and that you can write to, such as ship.html",
		}
	}
	return nil
}

// regular refuses what a file must not take the place of.
func regular(file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", file)
	default:
		return nil
	}
}

func tryReport(file string) error {
	trial, err := beginReport(file)
	var path *os.PathError
	if errors.As(err, &path) { // its path has a name that nobody has given
		return fmt.Errorf("make a file in %s: %w", filepath.Dir(file), path.Err)
	}
	if err != nil {
		return err
	}
	return errors.Join(trial.Close(), os.Remove(trial.Name()))
}

// beginReport makes a new file in the folder of the report, hidden.
func beginReport(file string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
}

// writeReport puts a page in its place as a whole: who looks sees the one that
// was there before, or all of this one.
func writeReport(file string, page []byte) (err error) {
	temporary, err := beginReport(file)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary.Name())
		}
	}()
	_, err = bytes.NewReader(page).WriteTo(temporary)
	// For web servers and colleagues: what it says is in the log of the ship, too.
	if err = errors.Join(err, temporary.Chmod(0o644), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// repository is the folder of a git repository.
type repository string

// edit is the change of one line.
type edit struct {
	file     string // relative to the repository
	old, new string
}

// apply changes the one place that has the old text.
func (r repository) apply(e edit) error {
	file := filepath.Join(string(r), e.file)
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if count := strings.Count(string(text), e.old); count != 1 {
		return fmt.Errorf("%s has %q %d times instead of once", e.file, e.old, count)
	}
	return os.WriteFile(file, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o644)
}

func (r repository) create(ctx context.Context) error {
	return r.git(ctx, "init", "--quiet", "--initial-branch=main")
}

// commit commits everything that is in the folder.
func (r repository) commit(ctx context.Context, message string) error {
	if err := r.git(ctx, "add", "--all", "--force"); err != nil {
		return err
	}
	return r.git(ctx, "-c", "user.name=Demo", "-c", "user.email=demo@localhost", "commit", "--quiet", "--message", message)
}

// git runs git without the configuration of the person who runs the demo.
func (r repository) git(ctx context.Context, arguments ...string) error {
	command := exec.CommandContext(ctx, "git", arguments...)
	command.Dir = string(r)
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	return runQuietly(command)
}

// runQuietly runs a command whose output matters only if it fails.
func runQuietly(command *exec.Cmd) error {
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, &output)
	}
	return nil
}

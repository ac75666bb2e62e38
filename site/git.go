package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// git runs a git command in the repository's folder and returns what it
// printed. git itself reads the repository, rather than a library, so that
// worktrees, shallow and partial clones, alternates and the user's own
// configuration mean what they mean everywhere else.
func (r *Repository) git(ctx context.Context, env []string, args ...string) (string, error) {
	command := gitCommand(ctx, r.dir, args...)
	command.Env = append(command.Env, env...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", gitError(ctx, args, stderr.String(), err)
	}
	return stdout.String(), nil
}

// gitCommand prepares git with messages in English, because some of them are
// read, and without the locks that would get in the way of the user's own git.
func gitCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	command.Env = append(os.Environ(), "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0")
	return command
}

// gitError says which git command failed and what git said about it.
func gitError(ctx context.Context, args []string, stderr string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("run git %s: %w", args[0], context.Cause(ctx))
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("run git %s: git is not installed or not on the PATH: %w", args[0], err)
	}
	words := strings.TrimSpace(stderr)
	if words == "" {
		return fmt.Errorf("run git %s: %w", args[0], err)
	}
	return fmt.Errorf("run git %s: %s: %w", args[0], words, err)
}

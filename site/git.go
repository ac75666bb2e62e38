package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// GitVersion returns what git calls itself: "git version 2.39.5".
func GitVersion(ctx context.Context) (string, error) {
	args := []string{"--version"}
	out, err := output(ctx, exec.CommandContext(ctx, "git", args...), args)
	return strings.TrimSpace(out), err
}

// git runs a git command in the repository's folder and returns what it
// printed, if it failed, too. git itself reads the repository, rather than a
// library, so that worktrees, shallow and partial clones, alternates and the
// user's own configuration mean what they mean everywhere else.
func (r *Repository) git(ctx context.Context, env []string, args ...string) (string, error) {
	command := r.command(ctx, args...)
	command.Env = append(command.Env, env...)
	return output(ctx, command, args)
}

// output runs a prepared git command.
func output(ctx context.Context, command *exec.Cmd, args []string) (string, error) {
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), gitError(ctx, args, stderr.String(), err)
	}
	return stdout.String(), nil
}

// lingering is how long a git that was told to end may take, and how long one
// that has ended is waited for if a child of it, such as ssh, lives on.
const lingering = 2 * time.Second

// command prepares git with messages in English, because some of them are
// read, and without the locks that would get in the way of the user's own git.
// It ends with the context, in a way that lets git remove its temporary files.
func (r *Repository) command(ctx context.Context, args ...string) *exec.Cmd {
	options := []string{"-C", r.dir}
	if r.isGitDir {
		options = append(options, "--git-dir=.", "--work-tree=.")
	}
	command := exec.CommandContext(ctx, "git", append(options, args...)...)
	command.Env = append(r.environment(), "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0")
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = lingering
	return command
}

// pinning are the variables that tie git to one repository. A git hook that
// runs sitectl sets some of them.
var pinning = []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"}

// environment is that of sitectl. What it says about the site's repository is
// not about that of a submodule.
func (r *Repository) environment() []string {
	env := os.Environ()
	if !r.isSubmodule {
		return env
	}
	return slices.DeleteFunc(env, func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(pinning, name)
	})
}

// gitError says which git command failed and what git said about it.
func gitError(ctx context.Context, args []string, stderr string, err error) error {
	doing := "run git " + verb(args)
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s: git is not installed or not on the PATH: %w", doing, err)
	}
	words := strings.TrimSpace(stderr)
	if words == "" {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %s: %w", doing, words, err)
}

// verb is the name of the command in git's arguments: what follows any
// "-c name=value".
func verb(args []string) string {
	for len(args) > 2 && args[0] == "-c" {
		args = args[2:]
	}
	return args[0]
}

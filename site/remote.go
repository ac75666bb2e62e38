package site

import (
	"context"
	"errors"
	"os/exec"
	"strings"
)

// Remote returns the address of the remote "origin" as git has it, which may
// contain a login; empty if there is none.
func (r *Repository) Remote(ctx context.Context) (string, error) {
	out, err := r.git(ctx, nil, "config", "--get", "remote.origin.url")
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		return "", nil // git-config(1): the key is not set
	}
	return strings.TrimSpace(out), err
}

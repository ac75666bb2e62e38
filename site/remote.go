package site

import (
	"context"
	"errors"
	"net/url"
	"os/exec"
	"slices"
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

// scpAddress is git's short form of an SSH address: "git@host:path".
func scpAddress(remote string) (host, path string, ok bool) {
	if strings.Contains(remote, "://") {
		return "", "", false
	}
	host, path, ok = strings.Cut(remote, ":")
	if _, after, found := strings.Cut(host, "@"); found {
		host = after
	}
	return host, path, ok && !strings.Contains(host, "/")
}

// SourceURL is the address of a repository as a browser has it: without a
// login, and the same whether it was cloned with SSH or HTTPS. It is empty for
// a repository that only this machine has.
func SourceURL(remote string) string {
	host, path, ok := scpAddress(remote)
	if !ok {
		address, err := url.Parse(remote)
		if err != nil || !slices.Contains([]string{"https", "http", "ssh", "git"}, address.Scheme) {
			return ""
		}
		host, path = address.Hostname(), address.Path
	}
	return "https://" + host + "/" + strings.TrimSuffix(strings.Trim(path, "/"), ".git")
}

package site

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// completeTree gets what a partial clone (git clone --filter) does not have of
// a tree from where it was cloned, as git itself would, but in one request:
// git would make one for each file.
func (r *Repository) completeTree(ctx context.Context, name string) error {
	if len(r.remotes) == 0 {
		return nil
	}
	// rev-list does not get the tree itself.
	if _, err := r.git(ctx, nil, "cat-file", "-e", name+"^{tree}"); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return r.stillMissing(ctx, name, []string{name}, err)
	}
	before := -1
	for { // folders first, if they are missing, then what is in them
		missing, err := r.missing(ctx, name)
		if err != nil || len(missing) == 0 {
			return err
		}
		if len(missing) == before {
			return r.stillMissing(ctx, name, missing, errors.New("they are not there, either"))
		}
		before = len(missing)
		if err := r.fetch(ctx, r.remotes, missing); err != nil {
			if ctx.Err() != nil {
				return err
			}
			return r.stillMissing(ctx, name, missing, err)
		}
	}
}

// promisors names the remotes that have promised the rest of a partial clone.
func (r *Repository) promisors(ctx context.Context) []string {
	out, err := r.git(ctx, nil, "config", "--null", "--type=bool", "--get-regexp", `^remote\..*\.promisor$`)
	if err != nil {
		return nil // there is none
	}
	var remotes []string
	for setting := range strings.SplitSeq(out, "\x00") {
		if key, ok := strings.CutSuffix(setting, "\ntrue"); ok {
			remotes = append(remotes, strings.TrimSuffix(strings.TrimPrefix(key, "remote."), ".promisor"))
		}
	}
	return remotes
}

// missing names the objects of a tree that are not in the clone. It looks into
// no folder that is missing itself.
func (r *Repository) missing(ctx context.Context, name string) ([]string, error) {
	out, err := r.git(ctx, nil, "rev-list", "--objects", "--missing=print", "--no-walk", name+"^{tree}")
	if err != nil {
		return nil, err
	}
	var missing []string
	for line := range strings.Lines(out) {
		if object, ok := strings.CutPrefix(line, "?"); ok {
			missing = append(missing, strings.TrimSpace(object))
		}
	}
	return missing, nil
}

// fetch gets objects from the first remote that has them. The options are
// those of git's own promisor-remote.c.
func (r *Repository) fetch(ctx context.Context, remotes, objects []string) error {
	var problems []error
	for _, remote := range remotes {
		args := []string{
			"-c", "fetch.negotiationAlgorithm=noop", "-c", "maintenance.auto=false", "fetch", remote, "--no-tags",
			"--no-write-fetch-head", "--recurse-submodules=no", "--filter=blob:none", "--stdin",
		}
		command := r.command(ctx, args...)
		command.Stdin = strings.NewReader(strings.Join(objects, "\n") + "\n")
		_, err := output(ctx, command, args)
		if err == nil {
			return nil
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// stillMissing says which files a partial clone does not have.
func (r *Repository) stillMissing(ctx context.Context, name string, missing []string, reason error) error {
	return &RepositoryError{
		Err: fmt.Errorf("%w: it is a partial clone without %s, which git could not get: %w",
			ErrIncomplete, r.named(ctx, name, missing), reason),
		hint: "let git reach the remote with its login, or clone without --filter",
	}
}

// named names some objects by their paths in a tree, as far as those can be
// known: folders may be missing, too.
func (r *Repository) named(ctx context.Context, name string, objects []string) string {
	const shown = 5
	wanted := make(map[string]bool, len(objects))
	for _, object := range objects {
		wanted[object] = true
	}
	out, _ := r.git(ctx, nil, "ls-tree", "-r", "-t", "-z", "--full-tree", name)
	var names []string
	for line := range strings.SplitSeq(out, "\x00") {
		meta, path, _ := strings.Cut(line, "\t")
		if object := meta[strings.LastIndex(meta, " ")+1:]; wanted[object] {
			names = append(names, fmt.Sprintf("%q", path))
			delete(wanted, object)
		}
		if len(names) == shown {
			break
		}
	}
	if len(names) == 0 {
		names = objects[:min(shown, len(objects))]
	}
	if rest := len(objects) - len(names); rest > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names, ", "), rest)
	}
	return strings.Join(names, ", ")
}

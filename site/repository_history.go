package site

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// ErrUnknownCommit is a commit that the clone does not have: it is shallow, or
// the commit was never pushed, or is of another repository.
var ErrUnknownCommit = errors.New("no such commit in this clone")

// objectName is the full name of an object, in SHA-1 or SHA-256.
var objectName = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

// Ancestors returns the tags of the commits before a commit, nearest first,
// along the line of first parents: at most limit, and fewer in a shallow
// clone.
func (r *Repository) Ancestors(ctx context.Context, commit Commit, limit int) ([]string, error) {
	skip := "--skip=1" // the commit itself
	if commit.Dirty {
		skip = "--skip=0"
	}
	out, err := r.git(ctx, nil, "rev-list", "--first-parent", "--abbrev-commit",
		"--max-count="+strconv.Itoa(limit), skip, commit.SHA)
	if err != nil {
		return nil, fmt.Errorf("list the commits before %s: %w", commit.SHA, err)
	}
	return strings.Fields(out), nil
}

// Changed returns the paths that differ between an earlier commit, given by
// its full name, and a commit as Head returned it, a dirty one with its
// changes: relative to the site's folder, sorted as git sorts. A submodule is
// one path; a renamed file is two.
//
// If the clone does not have the earlier commit, the error is ErrUnknownCommit.
func (r *Repository) Changed(ctx context.Context, from string, to Commit) ([]string, error) {
	doing := fmt.Sprintf("compare %q with %s", from, to.SHA)
	if err := r.mustHave(ctx, from); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	before, err := r.git(ctx, nil, "rev-parse", "--verify", "--quiet", from+":"+r.prefix)
	if err != nil && ctx.Err() == nil {
		// The site's folder is younger than that commit.
		before, err = r.git(ctx, nil, "hash-object", "-t", "tree", "--stdin")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	out, err := r.git(ctx, nil, "diff-tree", "-r", "-z", "--name-only", "--no-renames", "--ignore-submodules=none",
		strings.TrimSpace(before), to.Tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var paths []string
	for path := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		if path != "" {
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// mustHave returns ErrUnknownCommit for what is not the full name of a commit
// of the clone. It may come from the label of an image: it is never an option.
func (r *Repository) mustHave(ctx context.Context, name string) error {
	if !objectName.MatchString(name) {
		return ErrUnknownCommit
	}
	_, err := r.git(ctx, nil, "rev-parse", "--verify", "--quiet", name+"^{commit}")
	if err != nil && ctx.Err() == nil {
		return ErrUnknownCommit
	}
	return err
}

// Relation says how two commits are related.
type Relation string

// The relations of a commit to another.
const (
	Same     Relation = "same"
	Older    Relation = "older" // an ancestor of the other
	Newer    Relation = "newer" // a descendant of the other
	Diverged Relation = "diverged"
)

// Relate says what a commit, given by its full name, is to another. A commit
// that the clone does not have is ErrUnknownCommit.
func (r *Repository) Relate(ctx context.Context, name, other string) (Relation, error) {
	doing := fmt.Sprintf("compare %q with %q", name, other)
	if name == other {
		return Same, nil
	}
	for _, commit := range []string{name, other} {
		if err := r.mustHave(ctx, commit); err != nil {
			return "", fmt.Errorf("%s: %w", doing, err)
		}
	}
	older, err := r.isAncestor(ctx, name, other)
	if older || err != nil {
		return Older, err
	}
	newer, err := r.isAncestor(ctx, other, name)
	if newer || err != nil {
		return Newer, err
	}
	return Diverged, nil
}

// isAncestor takes its answer from the exit status: 1 is no.
func (r *Repository) isAncestor(ctx context.Context, name, of string) (bool, error) {
	_, err := r.git(ctx, nil, "merge-base", "--is-ancestor", name, of)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return false, nil
	}
	return err == nil, err
}

package site

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Repository is the git repository that a site's folder lies in.
type Repository struct {
	dir    string // the site's folder, absolute
	prefix string // that folder within the working tree: "" or "sites/example/"

	remotes []string // that have the rest of a partial clone
	leftOut []string // pathspecs, see LeaveOut

	isSubmodule bool // of the site's repository
	isGitDir    bool // dir is the folder of the repository itself; there is no working tree
}

// RepositoryError says why what git has cannot be shipped.
type RepositoryError struct {
	Err  error // wraps one of the errors below
	hint string
}

func (e *RepositoryError) Error() string { return e.Err.Error() }

func (e *RepositoryError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *RepositoryError) Hint() string { return e.hint }

// What a RepositoryError wraps.
var (
	ErrNotRepository = errors.New("not in a git repository")
	ErrNoCommit      = errors.New("no commit yet")
	// ErrOwner is git's refusal to read a repository of another user
	// (safe.directory in git-config(1)), common in CI, where one user checks
	// out and another runs the job.
	ErrOwner = errors.New("owned by another user")
	// ErrSubmodule is a submodule whose commit is not in the clone, or one
	// with changes that are not in a commit.
	ErrSubmodule = errors.New("a submodule")
	// ErrLFS is a file of which git has a pointer and Git LFS not the content.
	ErrLFS      = errors.New("a Git LFS pointer")
	ErrOutside  = errors.New("a symlink out of the site")
	ErrEncoding = errors.New("a name that is not UTF-8")
	// ErrIncomplete is an object that git knows of but does not have.
	ErrIncomplete = errors.New("the clone is incomplete")
)

func notRepository(dir string) error {
	return &RepositoryError{
		Err:  fmt.Errorf("%s is %w", dir, ErrNotRepository),
		hint: "sitectl ships commits: run it in a clone of the site's repository, or make one with `git init`",
	}
}

func noCommit(dir string) error {
	return &RepositoryError{
		Err:  fmt.Errorf("the git repository of %s has %w", dir, ErrNoCommit),
		hint: "commit the site first: git add -A && git commit",
	}
}

// refusedOwner matches git's refusal to read another user's repository and the
// folder to be trusted, which may be above the site's. The words changed with
// git 2.35.3.
var refusedOwner = regexp.MustCompile(`(?:dubious ownership in repository at|unsafe repository) \(?'(.*?)'`)

// wrongOwner is that refusal, or nil if it is another error.
func wrongOwner(dir string, err error) error {
	match := refusedOwner.FindStringSubmatch(err.Error())
	if match == nil {
		return nil
	}
	return &RepositoryError{
		Err:  fmt.Errorf("the git repository of %s is %w", dir, ErrOwner),
		hint: "if you trust it: git config --global --add safe.directory " + match[1],
	}
}

// OpenRepository finds the git repository that the site's folder lies in. The
// folder is usually its top level; if not, only that part of each commit is
// the site.
//
// Errors: *RepositoryError with ErrNotRepository, ErrNoCommit or ErrOwner.
func OpenRepository(ctx context.Context, dir string) (*Repository, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	r := &Repository{dir: dir}
	var group sync.WaitGroup
	group.Go(func() { r.remotes = r.promisors(ctx) })
	defer group.Wait()
	// The prefix comes last, as it may have line feeds in it.
	out, err := r.git(ctx, nil, "rev-parse", "--is-inside-work-tree", "HEAD^{commit}", "--show-prefix")
	lines := strings.SplitN(out, "\n", 3)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil && strings.Contains(err.Error(), "not a git repository"):
		return nil, notRepository(dir)
	case err != nil && wrongOwner(dir, err) != nil:
		return nil, wrongOwner(dir, err)
	case err != nil && lines[0] == "":
		return nil, fmt.Errorf("open repository of %s: %w", dir, err)
	case lines[0] != "true":
		return nil, notRepository(dir) // a bare repository, or .git itself
	case err != nil:
		return nil, noCommit(dir)
	case len(lines) != 3:
		return nil, fmt.Errorf("open repository of %s: git rev-parse printed %q", dir, out)
	}
	r.prefix = strings.TrimSuffix(lines[2], "\n")
	return r, nil
}

// Root returns the site's folder, absolute.
func (r *Repository) Root() string { return r.dir }

// Head returns the commit that is checked out. If the working tree differs
// from it, that is a *DirtyError; with allowDirty, the working tree is what
// is returned, as a tree of its own.
func (r *Repository) Head(ctx context.Context, allowDirty bool) (Commit, error) {
	var commit Commit
	var changes []change
	group, groupContext := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		commit, err = r.describe(groupContext)
		return err
	})
	group.Go(func() (err error) {
		changes, err = r.changes(groupContext)
		return err
	})
	if err := group.Wait(); err != nil {
		return Commit{}, err
	}
	if len(changes) == 0 {
		return commit, nil
	}
	if !allowDirty {
		return Commit{}, dirty(changes)
	}
	if err := checkSubmodules(changes); err != nil {
		return Commit{}, err
	}
	tree, err := r.workingTree(ctx)
	if err != nil {
		return Commit{}, err
	}
	commit.Tree, commit.Dirty = tree, true
	commit.Tag += "-dirty-" + commit.Tree[:7]
	return commit, nil
}

// Commit returns the commit that is checked out, whatever the working tree
// is like.
func (r *Repository) Commit(ctx context.Context) (Commit, error) { return r.describe(ctx) }

// IsShallow says whether the clone lacks a part of the history.
func (r *Repository) IsShallow(ctx context.Context) (bool, error) {
	out, err := r.git(ctx, nil, "rev-parse", "--is-shallow-repository")
	return strings.TrimSpace(out) == "true", err
}

// describe returns the commit at HEAD with the tree of the site's folder.
func (r *Repository) describe(ctx context.Context) (Commit, error) {
	const format = "--format=%H%x00%h%x00%T%x00%ct%x00%an%x00%s"
	out, err := r.git(ctx, nil, "log", "-1", "--no-show-signature", "--encoding=UTF-8", format)
	if err != nil {
		return Commit{}, fmt.Errorf("read commit: %w", err)
	}
	fields := strings.SplitN(strings.TrimSuffix(out, "\n"), "\x00", 6)
	if len(fields) != 6 {
		return Commit{}, fmt.Errorf("read commit: git log printed %q", out)
	}
	seconds, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil {
		return Commit{}, fmt.Errorf("read commit: time: %w", err)
	}
	commit := Commit{
		SHA:     fields[0],
		Tag:     fields[1],
		Tree:    fields[2],
		Time:    time.Unix(seconds, 0).UTC(),
		Author:  strings.ToValidUTF8(fields[4], "\uFFFD"),
		Subject: strings.ToValidUTF8(fields[5], "\uFFFD"),
	}
	if r.prefix == "" {
		return commit, nil
	}
	tree, err := r.git(ctx, nil, "rev-parse", "--verify", commit.SHA+":"+r.prefix)
	if err != nil {
		return Commit{}, fmt.Errorf("read commit: %s is not in it: %w", r.prefix, err)
	}
	commit.Tree = strings.TrimSpace(tree)
	return commit, nil
}

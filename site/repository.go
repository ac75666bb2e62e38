package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Repository is the git repository that a site's folder lies in.
type Repository struct {
	dir    string // the site's folder, absolute
	prefix string // that folder within the working tree: "" or "sites/example/"
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
	ErrOwner     = errors.New("owned by another user")
	ErrSubmodule = errors.New("a submodule")
	ErrOutside   = errors.New("a symlink out of the site")
	ErrEncoding  = errors.New("a name that is not UTF-8")
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

func wrongOwner(dir string, err error) error {
	return &RepositoryError{
		Err:  fmt.Errorf("the git repository of %s is %w: %w", dir, ErrOwner, err),
		hint: "if you trust it: git config --global --add safe.directory " + dir,
	}
}

// DirtyError says that the working tree differs from the commit, so that what
// would be shipped is not what lies in the folder.
type DirtyError struct {
	Files []string // relative to the site's folder, in git's order
}

func (e *DirtyError) Error() string {
	const shown = 10
	files := e.Files
	more := ""
	if len(files) > shown {
		more = fmt.Sprintf(" and %d more", len(files)-shown)
		files = files[:shown]
	}
	quoted := make([]string, len(files))
	for i, file := range files {
		quoted[i] = strconv.Quote(file)
	}
	return "the working tree differs from the commit: " + strings.Join(quoted, ", ") + more
}

// Hint says what to do about it.
func (e *DirtyError) Hint() string {
	return "commit or ignore these files, or build the working tree with --allow-dirty"
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
	out, err := r.git(ctx, nil, "rev-parse", "--is-inside-work-tree", "--show-prefix")
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "not a git repository"):
		return nil, notRepository(dir)
	case strings.Contains(err.Error(), "dubious ownership"), strings.Contains(err.Error(), "unsafe repository"):
		return nil, wrongOwner(dir, err)
	default:
		return nil, fmt.Errorf("open repository of %s: %w", dir, err)
	}
	inside, prefix, _ := strings.Cut(out, "\n")
	if inside != "true" {
		return nil, notRepository(dir) // a bare repository, or .git itself
	}
	r.prefix = strings.TrimSuffix(prefix, "\n")
	if _, err := r.git(ctx, nil, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, noCommit(dir)
	}
	return r, nil
}

// Root returns the site's folder, absolute.
func (r *Repository) Root() string { return r.dir }

// Head returns the commit that is checked out. If the working tree differs
// from it, that is a *DirtyError; with allowDirty, the working tree is what
// is returned, as a tree of its own.
func (r *Repository) Head(ctx context.Context, allowDirty bool) (Commit, error) {
	commit, err := r.describe(ctx)
	if err != nil {
		return Commit{}, err
	}
	files, err := r.changed(ctx)
	if err != nil {
		return Commit{}, err
	}
	if len(files) == 0 {
		return commit, nil
	}
	if !allowDirty {
		return Commit{}, &DirtyError{Files: files}
	}
	if commit.Tree, err = r.workingTree(ctx); err != nil {
		return Commit{}, err
	}
	commit.Dirty = true
	commit.Tag += "-dirty-" + commit.Tree[:7]
	return commit, nil
}

// describe returns the commit at HEAD with the tree of the site's folder.
func (r *Repository) describe(ctx context.Context) (Commit, error) {
	const format = "--format=%H%x00%ct%x00%an%x00%s"
	out, err := r.git(ctx, nil, "log", "-1", "--no-show-signature", "--encoding=UTF-8", format)
	if err != nil {
		return Commit{}, fmt.Errorf("read commit: %w", err)
	}
	fields := strings.SplitN(strings.TrimSuffix(out, "\n"), "\x00", 4)
	if len(fields) != 4 {
		return Commit{}, fmt.Errorf("read commit: git log printed %q", out)
	}
	seconds, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return Commit{}, fmt.Errorf("read commit: time: %w", err)
	}
	short, err := r.git(ctx, nil, "rev-parse", "--short", fields[0])
	if err != nil {
		return Commit{}, fmt.Errorf("read commit: %w", err)
	}
	tree, err := r.git(ctx, nil, "rev-parse", "--verify", fields[0]+":"+r.prefix)
	if err != nil {
		return Commit{}, fmt.Errorf("read commit: %s is not in it: %w", r.prefix, err)
	}
	return Commit{
		SHA:     fields[0],
		Tag:     strings.TrimSpace(short),
		Tree:    strings.TrimSpace(tree),
		Time:    time.Unix(seconds, 0).UTC(),
		Author:  strings.ToValidUTF8(fields[2], "\uFFFD"),
		Subject: strings.ToValidUTF8(fields[3], "\uFFFD"),
	}, nil
}

// changed lists the site's files that differ from the commit, are staged, or
// are neither tracked nor ignored.
func (r *Repository) changed(ctx context.Context) ([]string, error) {
	out, err := r.git(ctx, nil, "status", "--porcelain=v1", "-z", "--no-renames",
		"--untracked-files=all", "--ignore-submodules=none", "--", ".")
	if err != nil {
		return nil, fmt.Errorf("compare the working tree with the commit: %w", err)
	}
	var files []string
	for entry := range strings.SplitSeq(out, "\x00") {
		if len(entry) > 3 { // "XY path", path relative to the top level
			files = append(files, strings.TrimPrefix(entry[3:], r.prefix))
		}
	}
	return files, nil
}

// workingTree writes the site's folder as it lies there into git's object
// store and returns the name of its tree. It works on a copy of the index, so
// that what the user has staged stays as it is.
func (r *Repository) workingTree(ctx context.Context) (string, error) {
	temp, err := os.MkdirTemp("", "sitectl-index-")
	if err != nil {
		return "", fmt.Errorf("write the working tree: %w", err)
	}
	defer os.RemoveAll(temp)
	index := filepath.Join(temp, "index")
	if err := r.copyIndex(ctx, index); err != nil {
		return "", fmt.Errorf("write the working tree: %w", err)
	}
	env := []string{"GIT_INDEX_FILE=" + index}
	if _, err := r.git(ctx, env, "add", "--all", "--", "."); err != nil {
		return "", fmt.Errorf("write the working tree: %w", err)
	}
	tree, err := r.git(ctx, env, "write-tree", "--prefix="+r.prefix)
	if err != nil {
		return "", fmt.Errorf("write the working tree: %w", err)
	}
	return strings.TrimSpace(tree), nil
}

// copyIndex copies the index, which spares git reading every file again: it
// knows the time and size of those that did not change.
func (r *Repository) copyIndex(ctx context.Context, to string) error {
	out, err := r.git(ctx, nil, "rev-parse", "--git-path", "index")
	if err != nil {
		return err
	}
	path := strings.TrimSuffix(out, "\n")
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dir, path)
	}
	from, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil // nothing is staged or tracked: git starts an empty one
	}
	if err != nil {
		return err
	}
	defer from.Close()
	copied, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(copied, from); err != nil {
		copied.Close()
		return err
	}
	return copied.Close()
}

// Ancestors returns the tags of the commits before a commit, nearest first,
// along the line of first parents: at most limit, and fewer in a shallow
// clone.
func (r *Repository) Ancestors(ctx context.Context, commit Commit, limit int) ([]string, error) {
	first := commit.SHA + "~1"
	if commit.Dirty {
		first = commit.SHA
	}
	if _, err := r.git(ctx, nil, "rev-parse", "--verify", "--quiet", first); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, nil // the first commit, or all that a shallow clone has
	}
	out, err := r.git(ctx, nil, "rev-list", "--first-parent", "--abbrev-commit",
		"--max-count="+strconv.Itoa(limit), first)
	if err != nil {
		return nil, fmt.Errorf("list the commits before %s: %w", commit.SHA, err)
	}
	return strings.Fields(out), nil
}

package site

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Worktree is a site's folder before there is a first commit, or even a
// repository.
type Worktree struct {
	Dir    string // the folder, absolute
	IsGit  bool   // whether it is in a git repository; without one, the rest is empty
	Prefix string // where in the repository the folder is: "", or "sites/example/"
	Branch string // the main one, as far as the clone tells; empty if it does not
	Remote string // address of the remote "origin", which may contain a login; empty for none

	ignored map[string]bool // paths of files and folders in it that git leaves out
}

// ReadWorktree reads a folder. That it is in no git repository is no error;
// that git refuses to read it is: *RepositoryError with ErrOwner.
func ReadWorktree(ctx context.Context, dir string) (Worktree, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Worktree{}, fmt.Errorf("read folder: %w", err)
	}
	w := Worktree{Dir: dir, ignored: map[string]bool{".git": true}}
	r := &Repository{dir: dir}
	out, err := r.git(ctx, nil, "rev-parse", "--is-inside-work-tree", "--show-prefix")
	switch {
	case err != nil && strings.Contains(err.Error(), "not a git repository"):
		return w, nil
	case err != nil && wrongOwner(dir, err) != nil:
		return w, wrongOwner(dir, err)
	case err != nil:
		return w, fmt.Errorf("read folder %s: %w", dir, err)
	}
	inside, prefix, _ := strings.Cut(out, "\n")
	if inside != "true" {
		return w, nil // a bare repository, or .git itself
	}
	w.IsGit, w.Prefix = true, strings.TrimSuffix(prefix, "\n")
	if w.Remote, err = r.Remote(ctx); err != nil {
		return w, fmt.Errorf("read folder %s: %w", dir, err)
	}
	w.Branch = r.mainBranch(ctx)
	return w, w.readIgnored(ctx, r)
}

// mainBranch is the branch that the remote says is its main one; else one that
// has the usual name; else the one that is checked out, which may be the first.
func (r *Repository) mainBranch(ctx context.Context) string {
	if branch, err := r.git(ctx, nil, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"); err == nil {
		return strings.TrimPrefix(strings.TrimSpace(branch), "origin/")
	}
	for _, name := range []string{"main", "master"} {
		if _, err := r.git(ctx, nil, "show-ref", "--verify", "--quiet", "refs/heads/"+name); err == nil {
			return name
		}
	}
	branch, _ := r.git(ctx, nil, "symbolic-ref", "--quiet", "--short", "HEAD") // fails if none is
	return strings.TrimSpace(branch)
}

func (w *Worktree) readIgnored(ctx context.Context, r *Repository) error {
	out, err := r.git(ctx, nil, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
	if err != nil {
		return fmt.Errorf("read folder %s: %w", w.Dir, err)
	}
	for name := range strings.SplitSeq(out, "\x00") {
		if name = strings.TrimSuffix(name, "/"); name != "" {
			w.ignored[name] = true
		}
	}
	return nil
}

// Files is the folder as it can be committed: without what git ignores, and
// without .git.
func (w Worktree) Files() fs.FS { return committable{os.DirFS(w.Dir), w.ignored} }

// committable hides some files and folders.
type committable struct {
	fs.FS
	hidden map[string]bool
}

var _ fs.ReadDirFS = committable{}

// Open implements fs.FS.
func (c committable) Open(name string) (fs.File, error) {
	for at := name; at != "."; at = path.Dir(at) {
		if c.hidden[at] {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
	}
	return c.FS.Open(name)
}

// ReadDir implements fs.ReadDirFS.
func (c committable) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(c.FS, name)
	return slices.DeleteFunc(entries, func(entry fs.DirEntry) bool { return c.hidden[path.Join(name, entry.Name())] }), err
}

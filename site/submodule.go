package site

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// noSubmodule says that a submodule's commit is not in the clone.
func noSubmodule(entry Entry) error {
	return &RepositoryError{
		Err: fmt.Errorf("%q is %w whose commit %s is not in this clone", entry.Path, ErrSubmodule, entry.Object),
		hint: "git submodule update --init --recursive " +
			"(GitLab: GIT_SUBMODULE_STRATEGY: recursive; GitHub: actions/checkout with submodules: recursive), " +
			"or name it in .dockerignore",
	}
}

// submodule returns the repository that has the commit of a submodule: the one
// that is checked out at its path, or one that git keeps for it below its own
// folder, where the commits stay if the submodule is not checked out. Which of
// them it is makes no difference to what is read. A *RepositoryError says that
// there is none.
func (r *Repository) submodule(ctx context.Context, tree, path string, entry Entry) (*Repository, error) {
	checkedOut := filepath.Join(r.dir, path)
	if _, err := os.Lstat(filepath.Join(checkedOut, ".git")); err == nil { // or git would find the one above
		candidate := &Repository{dir: checkedOut, isSubmodule: true}
		if has, err := candidate.has(ctx, entry.Object); has || err != nil {
			return candidate, err
		}
	}
	for _, dir := range r.modules(ctx, tree, path) {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		candidate := &Repository{dir: dir, isSubmodule: true, isGitDir: true}
		if has, err := candidate.has(ctx, entry.Object); has || err != nil {
			return candidate, err
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, noSubmodule(entry)
}

// has reports whether a repository has a commit with its tree.
func (r *Repository) has(ctx context.Context, commit string) (bool, error) {
	_, err := r.git(ctx, nil, "rev-parse", "--verify", "--quiet", commit+"^{tree}")
	switch {
	case err == nil:
		r.remotes = r.promisors(ctx)
		return true, nil
	case ctx.Err() != nil:
		return false, err
	default:
		return false, wrongOwner(r.dir, err)
	}
}

// modules lists the folders where git may keep the repository of a submodule:
// modules/<name> in that of a linked worktree, or in the one of all worktrees.
func (r *Repository) modules(ctx context.Context, tree, path string) []string {
	name := r.submoduleName(ctx, tree, path)
	if !filepath.IsLocal(name) { // also if it is empty
		return nil
	}
	out, err := r.git(ctx, nil, "rev-parse", "--git-path", "modules", "--git-common-dir")
	own, common, ok := strings.Cut(strings.TrimSuffix(out, "\n"), "\n")
	if err != nil || !ok {
		return nil
	}
	return []string{r.absolute(filepath.Join(own, name)), r.absolute(filepath.Join(common, "modules", name))}
}

// submoduleName finds the name of a submodule, which need not be its path, in
// .gitmodules at the top level of the repository.
func (r *Repository) submoduleName(ctx context.Context, tree, path string) string {
	if r.prefix != "" {
		tree, path = "HEAD", r.prefix+path // the tree is not that of the top level
	}
	out, _ := r.git(ctx, nil, "config", "--null", "--blob", tree+":.gitmodules", "--get-regexp", `^submodule\..*\.path$`)
	for setting := range strings.SplitSeq(out, "\x00") {
		key, value, _ := strings.Cut(setting, "\n")
		if value == path {
			return strings.TrimSuffix(strings.TrimPrefix(key, "submodule."), ".path")
		}
	}
	return ""
}

// absolute makes a path that git printed independent of the current folder.
func (r *Repository) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.dir, path)
}

package site

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWorktreeWithoutGit(t *testing.T) {
	t.Setenv("GIT_CEILING_DIRECTORIES", "/")
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.php"), nil, 0o600))
	worktree, err := ReadWorktree(t.Context(), dir)
	require.NoError(t, err)
	assert.False(t, worktree.IsGit)
	_, err = fs.Stat(worktree.Files(), "index.php")
	assert.NoError(t, err)
}

// TestWorktree: before the first commit, without what git ignores.
func TestWorktree(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		".gitignore": "/vendor/\n*.log\n", "index.php": "x", "vendor/autoload.php": "x", "lib/a.log": "x", "lib/a.php": "x",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	r := &Repository{dir: dir}
	for _, command := range [][]string{{"init", "-q", "-b", "trunk"}, {"remote", "add", "origin", "git@git.example.com:agency/site.git"}} {
		_, err := r.git(t.Context(), nil, command...)
		require.NoError(t, err)
	}
	worktree, err := ReadWorktree(t.Context(), dir)
	require.NoError(t, err)
	assert.True(t, worktree.IsGit)
	assert.Equal(t, "trunk", worktree.Branch)
	assert.Equal(t, "git@git.example.com:agency/site.git", worktree.Remote)
	assert.Empty(t, worktree.Prefix)

	var names []string
	require.NoError(t, fs.WalkDir(worktree.Files(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, name)
		}
		return err
	}))
	assert.Equal(t, []string{".gitignore", "index.php", "lib/a.php"}, names)
	_, err = fs.Stat(worktree.Files(), "vendor/autoload.php")
	assert.ErrorIs(t, err, fs.ErrNotExist)

	for _, command := range [][]string{
		{"-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "-q", "--allow-empty", "-m", "first"},
		{"branch", "main"},
	} {
		_, err := r.git(t.Context(), nil, command...)
		require.NoError(t, err)
	}
	assert.Equal(t, "main", r.mainBranch(t.Context()), "rather than the one that is checked out")
	_, err = r.git(t.Context(), nil, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/live")
	require.NoError(t, err)
	assert.Equal(t, "live", r.mainBranch(t.Context()), "what the remote says")

	below, err := ReadWorktree(t.Context(), filepath.Join(dir, "lib"))
	require.NoError(t, err)
	assert.Equal(t, "lib/", below.Prefix)
}

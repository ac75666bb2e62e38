package site

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChanged(t *testing.T) {
	dir := newRepository(t, map[string]string{"a/old.php": "1", "same.php": "1", "edited ä\n.php": "1", "sites/b/x.php": "1"})
	first := runGit(t, dir, "rev-parse", "HEAD")
	runGit(t, dir, "mv", "a/old.php", "a/new.php")
	writeFile(t, filepath.Join(dir, "edited ä\n.php"), "2")
	require.NoError(t, os.Chmod(filepath.Join(dir, "sites", "b", "x.php"), 0o755))
	runGit(t, dir, "add", "--all")
	runGit(t, dir, "commit", "--quiet", "--message", "Second")
	repository := open(t, dir)
	second, err := repository.Head(t.Context(), false)
	require.NoError(t, err)

	paths, err := repository.Changed(t.Context(), first, second)
	require.NoError(t, err)
	assert.Equal(t, []string{"a/new.php", "a/old.php", "edited ä\n.php", "sites/b/x.php"}, paths)
	paths, err = repository.Changed(t.Context(), second.SHA, second)
	require.NoError(t, err)
	assert.Empty(t, paths)

	t.Run("in a site's folder", func(t *testing.T) {
		repository := open(t, filepath.Join(dir, "sites", "b"))
		commit, err := repository.Head(t.Context(), false)
		require.NoError(t, err)
		paths, err := repository.Changed(t.Context(), first, commit)
		require.NoError(t, err)
		assert.Equal(t, []string{"x.php"}, paths)
	})
	t.Run("a folder that is new", func(t *testing.T) {
		writeFile(t, filepath.Join(dir, "sites", "c", "y.php"), "1")
		runGit(t, dir, "add", "--all")
		runGit(t, dir, "commit", "--quiet", "--message", "Third")
		repository := open(t, filepath.Join(dir, "sites", "c"))
		commit, err := repository.Head(t.Context(), false)
		require.NoError(t, err)
		paths, err := repository.Changed(t.Context(), first, commit)
		require.NoError(t, err)
		assert.Equal(t, []string{"y.php"}, paths)
	})
	t.Run("a working tree", func(t *testing.T) {
		writeFile(t, filepath.Join(dir, "same.php"), "2")
		commit, err := repository.Head(t.Context(), true)
		require.NoError(t, err)
		paths, err := repository.Changed(t.Context(), commit.SHA, commit)
		require.NoError(t, err)
		assert.Equal(t, []string{"same.php"}, paths)
	})
}

func TestChangedSinceACommitThatTheCloneDoesNotHave(t *testing.T) {
	dir := twoCommits(t)
	clone := filepath.Join(t.TempDir(), "clone")
	runGit(t, dir, "clone", "--quiet", "--depth=1", "file://"+dir, clone)
	repository := open(t, clone)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	for name, from := range map[string]string{
		"in a shallow clone": runGit(t, dir, "rev-parse", "HEAD~1"),
		"of nobody":          "0123456789012345678901234567890123456789",
		"empty":              "",
		"an option":          "--output=/tmp/x",
		"not a full name":    commit.Tag,
		"not a commit":       commit.Tree,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := repository.Changed(t.Context(), from, commit)
			require.ErrorIs(t, err, ErrUnknownCommit)
		})
	}
	t.Run("not a matter of the context", func(t *testing.T) {
		stopped := errors.New("stopped by a person")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stopped)
		_, err := repository.Changed(ctx, commit.SHA, commit)
		require.ErrorIs(t, err, stopped)
		require.NotErrorIs(t, err, ErrUnknownCommit)
	})
}

func TestChangedSubmodule(t *testing.T) {
	dir := newSite(t)
	first := runGit(t, dir, "rev-parse", "HEAD")
	runGit(t, dir, "config", "submodule.the theme.ignore", "all")
	theme := filepath.Join(dir, "themes", "one")
	writeFile(t, filepath.Join(theme, "style.css"), "b{}")
	runGit(t, theme, "commit", "--quiet", "--all", "--message", "Bold")
	runGit(t, dir, "add", "--force", "themes/one")
	runGit(t, dir, "commit", "--quiet", "--message", "Bold")
	repository := open(t, dir)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	paths, err := repository.Changed(t.Context(), first, commit)
	require.NoError(t, err)
	assert.Equal(t, []string{"themes/one"}, paths)
}

func TestRelate(t *testing.T) {
	dir := twoCommits(t)
	second := runGit(t, dir, "rev-parse", "HEAD")
	first := runGit(t, dir, "rev-parse", "HEAD~1")
	runGit(t, dir, "checkout", "--quiet", "-b", "other", first)
	runGit(t, dir, "commit", "--quiet", "--allow-empty", "--message", "Other")
	other := runGit(t, dir, "rev-parse", "HEAD")
	repository := open(t, dir)
	for _, test := range []struct {
		name, other string
		want        Relation
	}{
		{first, first, Same},
		{first, second, Older},
		{second, first, Newer},
		{other, second, Diverged},
	} {
		got, err := repository.Relate(t.Context(), test.name, test.other)
		require.NoError(t, err)
		assert.Equal(t, test.want, got)
	}

	clone := filepath.Join(t.TempDir(), "clone")
	runGit(t, dir, "clone", "--quiet", "--depth=1", "file://"+dir, clone)
	for name, unknown := range map[string]string{"in a shallow clone": second, "an option": "--all", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			_, err := open(t, clone).Relate(t.Context(), unknown, other)
			require.ErrorIs(t, err, ErrUnknownCommit)
		})
	}
}

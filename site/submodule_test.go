package site

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allowFile lets git clone submodules from other folders of this machine.
func allowFile(t *testing.T) {
	t.Helper()
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "protocol.file.allow")
	t.Setenv("GIT_CONFIG_VALUE_0", "always")
}

// newSite makes a repository with a submodule, "the theme" at themes/one,
// which has one of its own, at fonts.
func newSite(t *testing.T) string {
	t.Helper()
	allowFile(t)
	fonts := newRepository(t, map[string]string{"sans.woff": "sans"})
	theme := newRepository(t, map[string]string{"style.css": "body{}"})
	require.NoError(t, os.Symlink("../../index.php", filepath.Join(theme, "up")))
	require.NoError(t, os.Symlink("style.css", filepath.Join(theme, "link.css")))
	runGit(t, theme, "submodule", "--quiet", "add", fonts, "fonts")
	runGit(t, theme, "add", "--all")
	runGit(t, theme, "commit", "--quiet", "--message", "Add fonts")
	dir := newRepository(t, map[string]string{"index.php": "<?php", "themes.txt": "sorts before themes/ in git"})
	runGit(t, dir, "submodule", "--quiet", "add", "--name", "the theme", theme, "themes/one")
	runGit(t, dir, "submodule", "--quiet", "update", "--init", "--recursive")
	runGit(t, dir, "commit", "--quiet", "--message", "Add theme")
	return dir
}

// contentOfNewSite is what is shipped of it, without .gitmodules.
var contentOfNewSite = map[string]string{
	"index.php": "<?php", "themes.txt": "sorts before themes/ in git",
	"themes/one/style.css": "body{}", "themes/one/fonts/sans.woff": "sans",
	"themes/one/link.css": "style.css", "themes/one/up": "../../index.php",
}

func assertNewSite(t *testing.T, tree *Tree) {
	t.Helper()
	require.NoError(t, Check(tree.Entries))
	got := map[string]string{}
	for _, entry := range tree.Entries {
		content, err := tree.ReadFile(entry.Path)
		require.NoError(t, err)
		if filepath.Base(entry.Path) != ".gitmodules" {
			got[entry.Path] = string(content)
		}
	}
	assert.Equal(t, contentOfNewSite, got)
}

func TestSubmodule(t *testing.T) {
	dir := newSite(t)
	commit, err := open(t, dir).Head(t.Context(), false)
	require.NoError(t, err, "a submodule that is checked out as committed is clean")
	assert.False(t, commit.Dirty)

	tree := headTree(t, dir)
	assertNewSite(t, tree)
	var order []string
	for _, entry := range tree.Entries {
		order = append(order, entry.Path)
	}
	assert.Equal(t, []string{
		".gitmodules", "index.php", "themes/one/.gitmodules", "themes/one/fonts/sans.woff", "themes/one/link.css",
		"themes/one/style.css", "themes/one/up", "themes.txt",
	}, order)
	css, ok := tree.Lookup("themes/one/style.css")
	require.True(t, ok)
	assert.Equal(t, runGit(t, filepath.Join(dir, "themes", "one"), "rev-parse", "HEAD:style.css"), css.Object)
}

func TestSubmoduleIsTheSameInEveryClone(t *testing.T) {
	dir := newSite(t)
	clone := filepath.Join(t.TempDir(), "clone")
	runGit(t, dir, "clone", "--quiet", "--recurse-submodules", dir, clone)
	entries := func(dir string) []Entry {
		entries := headTree(t, dir).Entries
		for i := range entries {
			entries[i].source = 0 // where it is read from
		}
		return entries
	}
	assert.Equal(t, entries(dir), entries(clone))
}

func TestSubmoduleThatIsNotInitialised(t *testing.T) {
	dir := newSite(t)
	clone := filepath.Join(t.TempDir(), "clone")
	runGit(t, dir, "clone", "--quiet", dir, clone)

	commit, err := open(t, clone).Head(t.Context(), false)
	require.NoError(t, err)
	tree := openTree(t, open(t, clone), commit.Tree)
	theme, ok := tree.Lookup("themes/one")
	require.True(t, ok)
	assert.Equal(t, ModeSubmodule, theme.Mode)
	_, err = tree.Open("themes/one")
	require.ErrorIs(t, err, ErrSubmodule)

	err = Check(tree.Entries)
	require.ErrorIs(t, err, ErrSubmodule)
	assert.ErrorContains(t, err, `"themes/one" is a submodule whose commit `+theme.Object+" is not in this clone")
	var failed *RepositoryError
	require.ErrorAs(t, err, &failed)
	assert.Contains(t, failed.Hint(), "git submodule update --init")

	runGit(t, clone, "submodule", "--quiet", "update", "--init") // not the inner one
	err = Check(headTree(t, clone).Entries)
	assert.ErrorContains(t, err, `"themes/one/fonts" is a submodule whose commit`)
	runGit(t, clone, "submodule", "--quiet", "update", "--init", "--recursive")
	assertNewSite(t, headTree(t, clone))
}

func TestSubmoduleOfWhichTheFolderIsGone(t *testing.T) {
	dir := newSite(t)
	runGit(t, dir, "submodule", "--quiet", "deinit", "themes/one")
	assertNewSite(t, headTree(t, dir)) // from .git/modules/the theme, and modules/fonts in that
}

func TestSubmoduleWithARepositoryOfItsOwn(t *testing.T) {
	allowFile(t)
	theme := newRepository(t, map[string]string{"style.css": "body{}"})
	dir := newRepository(t, map[string]string{"index.php": "<?php"})
	runGit(t, dir, "clone", "--quiet", theme, "theme") // .git is a folder; git submodule makes it a file
	runGit(t, dir, "add", "theme")
	runGit(t, dir, "commit", "--quiet", "--message", "Add theme, without .gitmodules")
	tree := headTree(t, dir)
	require.NoError(t, Check(tree.Entries))
	content, err := tree.ReadFile("theme/style.css")
	require.NoError(t, err)
	assert.Equal(t, "body{}", string(content))

	writeFile(t, filepath.Join(dir, "theme", "new.css"), "b{}")
	_, err = open(t, dir).Head(t.Context(), false)
	var different *DirtyError
	require.ErrorAs(t, err, &different)
	assert.Equal(t, []string{"theme"}, different.Files)
}

func TestSubmoduleInAWorktree(t *testing.T) {
	dir := newSite(t)
	worktree := filepath.Join(t.TempDir(), "worktree")
	runGit(t, dir, "worktree", "add", "--quiet", "--detach", worktree)
	assertNewSite(t, headTree(t, worktree)) // from the repository's own, not checked out here
	runGit(t, worktree, "submodule", "--quiet", "update", "--init", "--recursive")
	runGit(t, dir, "submodule", "--quiet", "deinit", "--force", "--all")
	assertNewSite(t, headTree(t, worktree))
}

func TestSubmoduleOfASiteInASubfolder(t *testing.T) {
	allowFile(t)
	theme := newRepository(t, map[string]string{"style.css": "body{}"})
	dir := newRepository(t, map[string]string{"sites/a/index.php": "a", "README": "both"})
	runGit(t, dir, "submodule", "--quiet", "add", theme, "sites/a/theme")
	runGit(t, dir, "commit", "--quiet", "--message", "Add theme")
	repository := open(t, filepath.Join(dir, "sites", "a"))
	want := map[string]string{"index.php": "a", "theme/style.css": "body{}"}

	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, want, contents(t, repository, commit.Tree))

	runGit(t, dir, "submodule", "--quiet", "deinit", "--all")
	assert.Equal(t, want, contents(t, repository, commit.Tree), "by its name at the top level")
}

func TestSubmoduleWithChanges(t *testing.T) {
	dir := newSite(t)
	theme := filepath.Join(dir, "themes", "one")
	require.NoError(t, os.WriteFile(filepath.Join(theme, "new.css"), []byte("b{}"), 0o644))
	repository := open(t, dir)

	_, err := repository.Head(t.Context(), false)
	var different *DirtyError
	require.ErrorAs(t, err, &different)
	assert.Equal(t, []string{"themes/one"}, different.Files, "for a file that is not tracked in it")

	_, err = repository.Head(t.Context(), true)
	require.ErrorIs(t, err, ErrSubmodule, "a tree cannot hold what is in no commit")
	assert.ErrorContains(t, err, `"themes/one" is a submodule with changes of its own`)

	runGit(t, theme, "add", "--all")
	runGit(t, theme, "commit", "--quiet", "--message", "New")
	commit, err := repository.Head(t.Context(), true)
	require.NoError(t, err)
	assert.True(t, commit.Dirty)
	content, err := openTree(t, repository, commit.Tree).ReadFile("themes/one/new.css")
	require.NoError(t, err)
	assert.Equal(t, "b{}", string(content))
}

func TestSubmoduleIsReadInsideAGitHook(t *testing.T) {
	dir := newSite(t)
	t.Setenv("GIT_DIR", filepath.Join(dir, ".git")) // git sets these for a hook
	t.Setenv("GIT_INDEX_FILE", filepath.Join(dir, ".git", "index"))
	assertNewSite(t, headTree(t, dir))
}

func TestSubmoduleOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("only root can give files away")
		return
	}
	dir := newSite(t)
	theme := filepath.Join(dir, "themes", "one")
	require.NoError(t, os.Lchown(theme, 12345, 12345)) // who owns the working tree owns the repository
	tree := headTree(t, dir)
	err := Check(tree.Entries)
	require.ErrorIs(t, err, ErrOwner)
	var failed *RepositoryError
	require.ErrorAs(t, err, &failed)
	assert.Contains(t, failed.Hint(), "safe.directory "+theme)
}

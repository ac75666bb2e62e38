package site

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// runGit runs git the way a person would, with a name and nothing of the
// configuration of whoever runs the tests.
func runGit(t *testing.T, dir string, args ...string) string {
	t.Helper()
	command := exec.Command("git", append([]string{"-C", dir}, args...)...)
	command.Env = append(os.Environ(), "LC_ALL=C",
		"GIT_AUTHOR_NAME=Ada Author", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z",
		"GIT_COMMITTER_NAME=Cleo Committer", "GIT_COMMITTER_EMAIL=cleo@example.com", "GIT_COMMITTER_DATE=2026-02-03T04:05:06Z")
	out, err := command.CombinedOutput()
	require.NoError(t, err, "git %s: %s", strings.Join(args, " "), out)
	return strings.TrimSuffix(string(out), "\n")
}

// isolateGit keeps the user's and the system's git configuration out.
func isolateGit(t *testing.T) {
	t.Helper()
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

// newRepository makes a repository with the given files in one commit.
func newRepository(t *testing.T, files map[string]string) string {
	t.Helper()
	isolateGit(t)
	dir := t.TempDir()
	runGit(t, dir, "init", "--quiet", "--initial-branch=main")
	for name, content := range files {
		writeFile(t, filepath.Join(dir, name), content)
	}
	runGit(t, dir, "add", "--all")
	runGit(t, dir, "commit", "--quiet", "--message", "First\n\nWith a body.")
	return dir
}

func open(t *testing.T, dir string) *Repository {
	t.Helper()
	repository, err := OpenRepository(t.Context(), dir)
	require.NoError(t, err)
	return repository
}

func TestHead(t *testing.T) {
	dir := newRepository(t, map[string]string{"index.php": "<?php", ".gitignore": "/cache/\n"})
	writeFile(t, filepath.Join(dir, "cache", "ignored"), "x")

	commit, err := open(t, dir).Head(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, Commit{
		SHA:     runGit(t, dir, "rev-parse", "HEAD"),
		Tag:     runGit(t, dir, "rev-parse", "--short", "HEAD"),
		Tree:    runGit(t, dir, "rev-parse", "HEAD^{tree}"),
		Time:    time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC),
		Author:  "Ada Author",
		Subject: "First",
	}, commit)
}

func TestHeadFollowsGitsLengthOfAShortName(t *testing.T) {
	dir := newRepository(t, map[string]string{"index.php": "<?php"})
	runGit(t, dir, "config", "core.abbrev", "12")

	commit, err := open(t, dir).Head(t.Context(), false)
	require.NoError(t, err)
	assert.Len(t, commit.Tag, 12)
	assert.Equal(t, runGit(t, dir, "rev-parse", "--short", "HEAD"), commit.Tag)
}

func TestHeadOfADetachedWorktreeAndAShallowClone(t *testing.T) {
	dir := newRepository(t, map[string]string{"index.php": "<?php"})
	writeFile(t, filepath.Join(dir, "index.php"), "<?php // 2")
	runGit(t, dir, "commit", "--quiet", "--all", "--message", "Second")
	worktree := filepath.Join(t.TempDir(), "worktree")
	runGit(t, dir, "worktree", "add", "--quiet", "--detach", worktree, "HEAD~1")
	shallow := filepath.Join(t.TempDir(), "shallow")
	runGit(t, dir, "clone", "--quiet", "--depth=1", "file://"+dir, shallow)

	commit, err := open(t, worktree).Head(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, "First", commit.Subject)

	repository := open(t, shallow)
	commit, err = repository.Head(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, "Second", commit.Subject)
	ancestors, err := repository.Ancestors(t.Context(), commit, 10)
	require.NoError(t, err)
	assert.Empty(t, ancestors, "a shallow clone has no more than its commit")
}

func TestHeadOfADirtyTree(t *testing.T) {
	tests := map[string]struct {
		change func(t *testing.T, dir string)
		files  []string
	}{
		"changed": {
			func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "index.php"), "changed") },
			[]string{"index.php"},
		},
		"staged": {
			func(t *testing.T, dir string) {
				writeFile(t, filepath.Join(dir, "index.php"), "changed")
				runGit(t, dir, "add", "index.php")
			},
			[]string{"index.php"},
		},
		"deleted": {
			func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "index.php"))) },
			[]string{"index.php"},
		},
		"renamed": {
			func(t *testing.T, dir string) { runGit(t, dir, "mv", "index.php", "main.php") },
			[]string{"index.php", "main.php"},
		},
		"executable": {
			func(t *testing.T, dir string) { require.NoError(t, os.Chmod(filepath.Join(dir, "index.php"), 0o755)) },
			[]string{"index.php"},
		},
		"untracked, with awkward names": {
			func(t *testing.T, dir string) {
				writeFile(t, filepath.Join(dir, "new", "two\nlines"), "x")
				writeFile(t, filepath.Join(dir, "new", "-ä b"), "x")
			},
			[]string{"new/-ä b", "new/two\nlines"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := newRepository(t, map[string]string{"index.php": "<?php"})
			test.change(t, dir)

			_, err := open(t, dir).Head(t.Context(), false)
			var dirty *DirtyError
			require.ErrorAs(t, err, &dirty)
			assert.Equal(t, test.files, dirty.Files)
			assert.Contains(t, dirty.Hint(), "--allow-dirty")
			assert.NotContains(t, err.Error(), "\n", "one line, whatever the names are")
		})
	}
}

// TestLeaveOut ships beside a file that sitectl itself has written.
func TestLeaveOut(t *testing.T) {
	for name, test := range map[string]struct{ folder, file string }{
		"beside the site file":  {".", "ship [1].html"},
		"below it":              {".", "reports/ship.html"},
		"in a site of several":  {"sites/one", "sites/one/ship.html"},
		"outside of the folder": {"sites/one", "ship.html"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newRepository(t, map[string]string{"index.php": "<?php", "sites/one/index.php": "<?php"})
			folder, file := filepath.Join(dir, test.folder), filepath.Join(dir, test.file)
			writeFile(t, file, "<!DOCTYPE html>")

			repository := open(t, folder)
			require.NoError(t, repository.LeaveOut(file))
			commit, err := repository.Head(t.Context(), false)
			require.NoError(t, err)

			writeFile(t, filepath.Join(folder, "new.php"), "<?php")
			_, err = repository.Head(t.Context(), false)
			var dirty *DirtyError
			require.ErrorAs(t, err, &dirty)
			assert.Equal(t, []string{"new.php"}, dirty.Files, "all other files count")
			withNew, err := repository.Head(t.Context(), true)
			require.NoError(t, err)
			want := contents(t, repository, commit.Tree)
			want["new.php"] = "<?php"
			assert.Equal(t, want, contents(t, repository, withNew.Tree), "nor is it shipped")
		})
	}
}

func TestHeadAllowsADirtyTree(t *testing.T) {
	dir := newRepository(t, map[string]string{"index.php": "<?php", "gone.php": "<?php", ".gitignore": "*.log\n"})
	writeFile(t, filepath.Join(dir, "index.php"), "changed")
	writeFile(t, filepath.Join(dir, "staged.php"), "staged")
	runGit(t, dir, "add", "staged.php")
	writeFile(t, filepath.Join(dir, "untracked.php"), "untracked")
	writeFile(t, filepath.Join(dir, "ignored.log"), "ignored")
	require.NoError(t, os.Remove(filepath.Join(dir, "gone.php")))
	before := runGit(t, dir, "status", "--porcelain")

	repository := open(t, dir)
	commit, err := repository.Head(t.Context(), true)
	require.NoError(t, err)
	assert.True(t, commit.Dirty)
	assert.Equal(t, runGit(t, dir, "rev-parse", "--short", "HEAD")+"-dirty-"+commit.Tree[:7], commit.Tag)
	assert.Equal(t, map[string]string{
		".gitignore": "*.log\n", "index.php": "changed", "staged.php": "staged", "untracked.php": "untracked",
	}, contents(t, repository, commit.Tree))
	assert.Equal(t, before, runGit(t, dir, "status", "--porcelain"), "the index stays as it was")

	again, err := repository.Head(t.Context(), true)
	require.NoError(t, err)
	assert.Equal(t, commit, again, "the same files are the same tag")
}

func TestSiteInASubfolder(t *testing.T) {
	dir := newRepository(t, map[string]string{"sites/a/index.php": "a", "sites/b/index.php": "b", "README": "both"})
	writeFile(t, filepath.Join(dir, "README"), "changed, but not part of the site")
	repository := open(t, filepath.Join(dir, "sites", "a"))

	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"index.php": "a"}, contents(t, repository, commit.Tree))

	writeFile(t, filepath.Join(dir, "sites", "a", "new.php"), "new")
	_, err = repository.Head(t.Context(), false)
	var dirty *DirtyError
	require.ErrorAs(t, err, &dirty)
	assert.Equal(t, []string{"new.php"}, dirty.Files, "relative to the site")
	writeFile(t, filepath.Join(dir, "sites", "a", "index.php"), "changed")
	_, err = repository.Head(t.Context(), false)
	require.ErrorAs(t, err, &dirty)
	assert.Equal(t, []string{"index.php", "new.php"}, dirty.Files)
	writeFile(t, filepath.Join(dir, "sites", "a", "index.php"), "a")

	commit, err = repository.Head(t.Context(), true)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"index.php": "a", "new.php": "new"}, contents(t, repository, commit.Tree))
}

func TestAncestors(t *testing.T) {
	dir := newRepository(t, map[string]string{"index.php": "1"})
	for _, content := range []string{"2", "3", "4"} {
		writeFile(t, filepath.Join(dir, "index.php"), content)
		runGit(t, dir, "commit", "--quiet", "--all", "--message", content)
	}
	repository := open(t, dir)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	short := func(revision string) string { return runGit(t, dir, "rev-parse", "--short", revision) }

	tags, err := repository.Ancestors(t.Context(), commit, 2)
	require.NoError(t, err)
	assert.Equal(t, []string{short("HEAD~1"), short("HEAD~2")}, tags)

	commit.Dirty = true
	tags, err = repository.Ancestors(t.Context(), commit, 1)
	require.NoError(t, err)
	assert.Equal(t, []string{short("HEAD")}, tags, "a dirty tree comes after its commit")
}

func TestOpenRepositoryErrors(t *testing.T) {
	isolateGit(t)
	t.Run("not a repository", func(t *testing.T) {
		dir := t.TempDir()
		_, err := OpenRepository(t.Context(), dir)
		assertRepositoryError(t, err, ErrNotRepository, dir)
	})
	t.Run("a bare repository", func(t *testing.T) {
		dir := t.TempDir()
		runGit(t, dir, "init", "--quiet", "--bare")
		_, err := OpenRepository(t.Context(), dir)
		assertRepositoryError(t, err, ErrNotRepository, dir)
	})
	t.Run("no commit yet", func(t *testing.T) {
		dir := t.TempDir()
		runGit(t, dir, "init", "--quiet")
		_, err := OpenRepository(t.Context(), dir)
		assertRepositoryError(t, err, ErrNoCommit, dir)
	})
	t.Run("of another user", func(t *testing.T) {
		dir := newRepository(t, map[string]string{"index.php": "<?php"})
		t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1") // git's own tests do it this way
		_, err := OpenRepository(t.Context(), dir)
		assertRepositoryError(t, err, ErrOwner, dir)
		var failed *RepositoryError
		require.ErrorAs(t, err, &failed)
		assert.Contains(t, failed.Hint(), "safe.directory")
	})
	t.Run("no such folder", func(t *testing.T) {
		_, err := OpenRepository(t.Context(), filepath.Join(t.TempDir(), "missing"))
		require.ErrorIs(t, err, os.ErrNotExist)
	})
	t.Run("no git", func(t *testing.T) {
		dir := t.TempDir()
		t.Setenv("PATH", t.TempDir())
		_, err := OpenRepository(t.Context(), dir)
		require.ErrorIs(t, err, exec.ErrNotFound)
		assert.ErrorContains(t, err, "git is not installed or not on the PATH")
	})
}

func assertRepositoryError(t *testing.T, err, want error, dir string) {
	t.Helper()
	var failed *RepositoryError
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, want)
	assert.Regexp(t, regexp.QuoteMeta(dir), err.Error())
	assert.NotEmpty(t, failed.Hint())
}

func TestErrorsAreInGitsWords(t *testing.T) {
	dir := newRepository(t, map[string]string{"index.php": "<?php"})
	repository := open(t, dir)
	_, err := repository.Tree(t.Context(), "0123456789012345678901234567890123456789")
	assert.ErrorContains(t, err, "run git ls-tree: fatal: not a tree object")
}

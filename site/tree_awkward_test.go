package site

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// headContents reads what would be shipped of a clean clone.
func headContents(t *testing.T, dir string) map[string]string {
	t.Helper()
	repository := open(t, dir)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	return contents(t, repository, commit.Tree)
}

// twoCommits makes a repository in which index.php was "1", then "2".
func twoCommits(t *testing.T) string {
	t.Helper()
	dir := newRepository(t, map[string]string{"index.php": "1", "web/app.css": "body{}"})
	writeFile(t, filepath.Join(dir, "index.php"), "2")
	runGit(t, dir, "commit", "--quiet", "--all", "--message", "Second")
	return dir
}

func TestAwkwardShallowClone(t *testing.T) {
	dir := twoCommits(t)
	clone := filepath.Join(t.TempDir(), "clone")
	runGit(t, dir, "clone", "--quiet", "--depth=1", "file://"+dir, clone)

	want, err := open(t, dir).Head(t.Context(), false)
	require.NoError(t, err)
	got, err := open(t, clone).Head(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, want, got, "the same commit, by the same tag")
	assert.Equal(t, map[string]string{"index.php": "2", "web/app.css": "body{}"}, headContents(t, clone))
	ancestors, err := open(t, clone).Ancestors(t.Context(), got, 10)
	require.NoError(t, err)
	assert.Empty(t, ancestors)
}

func TestAwkwardDetachedHead(t *testing.T) {
	dir := twoCommits(t)
	runGit(t, dir, "checkout", "--quiet", "--detach", "HEAD~1")
	assert.Equal(t, map[string]string{"index.php": "1", "web/app.css": "body{}"}, headContents(t, dir))
}

func TestAwkwardWorktree(t *testing.T) {
	dir := twoCommits(t)
	worktree := filepath.Join(t.TempDir(), "worktree")
	runGit(t, dir, "worktree", "add", "--quiet", "--detach", worktree, "HEAD~1")
	writeFile(t, filepath.Join(dir, "index.php"), "changed, but not in this worktree")
	assert.Equal(t, map[string]string{"index.php": "1", "web/app.css": "body{}"}, headContents(t, worktree))

	writeFile(t, filepath.Join(worktree, "index.php"), "changed in this worktree")
	tree := headTree(t, worktree)
	content, err := tree.ReadFile("index.php")
	require.NoError(t, err)
	assert.Equal(t, "changed in this worktree", string(content), "the index that is copied is the worktree's")
}

func TestAwkwardSparseCheckout(t *testing.T) {
	for name, options := range map[string][]string{
		"a cone":         {"set", "--cone", "web"},
		"patterns":       {"set", "--no-cone", "/web/"},
		"a sparse index": {"set", "--cone", "--sparse-index", "web"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"index.php": "<?php", "web/app.css": "body{}", "docs/one/a.md": "a", "docs/b.md": "b"}
			dir := newRepository(t, files)
			runGit(t, dir, append([]string{"sparse-checkout"}, options...)...)
			require.NoFileExists(t, filepath.Join(dir, "docs", "b.md"))
			assert.Equal(t, files, headContents(t, dir), "what is not checked out is in the commit")

			writeFile(t, filepath.Join(dir, "web", "app.css"), "changed")
			writeFile(t, filepath.Join(dir, "docs", "new.md"), "not tracked, and not in the part that is checked out")
			repository := open(t, dir)
			commit, err := repository.Head(t.Context(), true)
			require.NoError(t, err)
			files["web/app.css"], files["docs/new.md"] = "changed", "not tracked, and not in the part that is checked out"
			assert.Equal(t, files, contents(t, repository, commit.Tree))
		})
	}
}

func TestAwkwardLinks(t *testing.T) {
	dir := newRepository(t, map[string]string{"index.php": "<?php", "web/index.php": "<?php"})
	for name, target := range map[string]string{
		"web/inside": "../index.php", "web/folder": "..", "dangling": "missing", "out": "../elsewhere", "absolute": "/etc/passwd",
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	var problems []string
	for _, entry := range headTree(t, dir).Entries {
		if err := entry.Check(); err != nil {
			require.ErrorIs(t, err, ErrOutside)
			problems = append(problems, entry.Path)
		}
	}
	assert.Equal(t, []string{"absolute", "out"}, problems)
}

func TestAwkwardLinkThatIsNoPath(t *testing.T) {
	dir := newRepository(t, map[string]string{"long": strings.Repeat("x/", 1<<20)})
	runGit(t, dir, "update-index", "--add", "--cacheinfo", "120000,"+runGit(t, dir, "rev-parse", "HEAD:long")+",link")
	tree := openTree(t, open(t, dir), runGit(t, dir, "write-tree"))
	link, _ := tree.Lookup("link")
	assert.Empty(t, link.Target)
	require.ErrorIs(t, link.Check(), ErrOutside)
}

func TestAwkwardNames(t *testing.T) {
	for name, path := range map[string]string{
		"a space":            "a file name",
		"a line feed":        "two\nlines",
		"not ASCII":          "ünïcode/日本/🙂",
		"decomposed":         "u\u0308",
		"a leading dash":     "-rf",
		"two dashes":         "--help/--",
		"255 bytes":          strings.Repeat("n", 255),
		"255 bytes, 85 kana": strings.Repeat("あ", 85),
		"a long path":        strings.Repeat(strings.Repeat("d", 200)+"/", 8) + "file",
		"quotes":             `"'\`,
		"a glob":             "*[a-z]?",
		"a pathspec":         ":(exclude)x",
		"control bytes":      "\x01\x1b[31m\x7f",
		"a trailing space":   "file ",
		"a leading space":    " file",
		"a tab":              "a\tb",
		"a carriage return":  "a\rb",
		"a colon":            "HEAD:x",
		"a Windows name":     "CON",
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{path: "content of " + name, "other": "x"}
			dir := newRepository(t, files)
			assert.Equal(t, files, headContents(t, dir))
			require.NoError(t, Check(headTree(t, dir).Entries))

			require.NoError(t, os.WriteFile(filepath.Join(dir, path), []byte("changed"), 0o644))
			_, err := open(t, dir).Head(t.Context(), false)
			var different *DirtyError
			require.ErrorAs(t, err, &different)
			assert.Equal(t, []string{path}, different.Files)
			changed, _ := headTree(t, dir).Lookup(path)
			assert.Equal(t, int64(len("changed")), changed.Size)
		})
	}
}

func TestAwkwardExecutableBits(t *testing.T) {
	dir := newRepository(t, map[string]string{"file": "x", "group only": "x", "script": "x", "setuid": "x"})
	for name, mode := range map[string]os.FileMode{
		"file": 0o666, "group only": 0o654, "script": 0o700, "setuid": os.ModeSetuid | 0o755,
	} {
		require.NoError(t, os.Chmod(filepath.Join(dir, name), mode))
	}
	modes := func() map[string]EntryMode {
		modes := map[string]EntryMode{}
		for _, entry := range headTree(t, dir).Entries {
			modes[entry.Path] = entry.Mode
		}
		return modes
	}
	want := map[string]EntryMode{ // git looks at the owner's
		"file": ModeFile, "group only": ModeFile, "script": ModeExecutable, "setuid": ModeExecutable,
	}
	assert.Equal(t, want, modes(), "of the working tree")
	runGit(t, dir, "commit", "--quiet", "--all", "--message", "Modes")
	runGit(t, dir, "config", "core.fileMode", "false") // as on Windows, or in some shared folders
	for name := range want {
		require.NoError(t, os.Chmod(filepath.Join(dir, name), 0o777))
	}
	assert.Equal(t, want, modes(), "of the commit")
	_, err := open(t, dir).Head(t.Context(), false)
	require.NoError(t, err)
}

func TestAwkwardEmptyFolders(t *testing.T) {
	dir := newRepository(t, map[string]string{"index.php": "<?php", "kept/.gitkeep": ""})
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "empty", "inside"), 0o755))
	want := map[string]string{"index.php": "<?php", "kept/.gitkeep": ""}
	assert.Equal(t, want, headContents(t, dir), "git has none, so it is neither shipped nor a change")
}

func TestAwkwardAutocrlf(t *testing.T) {
	files := map[string]string{"unix.txt": "one\ntwo\n", "windows.txt": "one\r\ntwo\r\n", "mixed.txt": "one\r\ntwo\n"}
	dir := newRepository(t, files)
	for _, value := range []string{"true", "input", "false"} {
		t.Run(value, func(t *testing.T) {
			clone := filepath.Join(t.TempDir(), "clone")
			runGit(t, dir, "clone", "--quiet", "--config", "core.autocrlf="+value, dir, clone)
			assert.Equal(t, files, headContents(t, clone))
		})
	}
}

func TestAwkwardAttributes(t *testing.T) {
	files := map[string]string{
		".gitattributes":  "secret export-ignore\n*.php export-subst ident eol=crlf\n*.bin filter=shout\n",
		"secret/notes.md": "kept", "index.php": "<?php // $Format:%H$ $Id$\n", "data.bin": "data",
	}
	dir := newRepository(t, files)
	clone := filepath.Join(t.TempDir(), "clone")
	runGit(t, dir, "clone", "--quiet", "--config", "filter.shout.smudge=tr a-z A-Z", "--config", "filter.shout.clean=tr A-Z a-z",
		dir, clone)
	shouted, err := os.ReadFile(filepath.Join(clone, "data.bin"))
	require.NoError(t, err)
	require.Equal(t, "DATA", string(shouted), "the filter works")

	want := headContents(t, dir)
	assert.Equal(t, files["index.php"], want["index.php"])
	assert.Equal(t, files["secret/notes.md"], want["secret/notes.md"])
	assert.Equal(t, files["data.bin"], want["data.bin"])
	assert.Equal(t, want, headContents(t, clone))
}

func TestAwkwardCase(t *testing.T) {
	files := map[string]string{
		"README.md": "upper", "Readme.md": "mixed", "Vendor/a": "one folder", "vendor/A": "another", "vendor/a": "a third file",
	}
	dir := newRepository(t, files)
	assert.Equal(t, files, headContents(t, dir))
	runGit(t, dir, "config", "core.ignoreCase", "true") // as on macOS and Windows
	assert.Equal(t, files, contents(t, open(t, dir), runGit(t, dir, "rev-parse", "HEAD^{tree}")))
}

func TestAwkwardOwner(t *testing.T) {
	dir := newRepository(t, map[string]string{"sites/a/index.php": "<?php"})
	folder := filepath.Join(dir, "sites", "a")
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
	_, err := OpenRepository(t.Context(), folder)
	require.ErrorIs(t, err, ErrOwner)
	assert.EqualError(t, err, "the git repository of "+folder+" is owned by another user")
	var failed *RepositoryError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, "if you trust it: git config --global --add safe.directory "+dir, failed.Hint())

	trusting := filepath.Join(t.TempDir(), "gitconfig")
	t.Setenv("GIT_CONFIG_GLOBAL", trusting)
	runGit(t, dir, "config", "--global", "--add", "safe.directory", dir) // the hint
	assert.Equal(t, map[string]string{"index.php": "<?php"}, headContents(t, folder))
}

func TestAwkwardFolder(t *testing.T) {
	dir := newRepository(t, map[string]string{"sites/two\nlines -ä/index.php": "a", "README": "both"})
	folder := filepath.Join(dir, "sites", "two\nlines -ä")
	assert.Equal(t, map[string]string{"index.php": "a"}, headContents(t, folder))

	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(folder, link))
	assert.Equal(t, map[string]string{"index.php": "a"}, headContents(t, link), "through a symlink")
	writeFile(t, filepath.Join(dir, "README"), "changed")
	assert.Equal(t, map[string]string{"index.php": "a"}, headContents(t, link), "what is above is not the site")
}

func TestAwkwardSameSizeAndTime(t *testing.T) {
	dir := newRepository(t, map[string]string{"index.php": "version 1"})
	runGit(t, dir, "config", "core.trustCtime", "false") // the one time that cannot be set
	file := filepath.Join(dir, "index.php")
	then := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	require.NoError(t, os.Chtimes(file, then, then))
	runGit(t, dir, "add", "--all")
	require.NoError(t, os.Chtimes(filepath.Join(dir, ".git", "index"), then, then))
	writeFile(t, file, "version 2") // in the same second
	require.NoError(t, os.Chtimes(file, then, then))

	content, err := headTree(t, dir).ReadFile("index.php")
	require.NoError(t, err)
	assert.Equal(t, "version 2", string(content))
}

func TestAwkwardSHA256(t *testing.T) {
	isolateGit(t)
	dir := t.TempDir()
	runGit(t, dir, "init", "--quiet", "--object-format=sha256")
	writeFile(t, filepath.Join(dir, "index.php"), "<?php")
	runGit(t, dir, "add", "--all")
	runGit(t, dir, "commit", "--quiet", "--message", "First")
	assert.Equal(t, map[string]string{"index.php": "<?php"}, headContents(t, dir))
}

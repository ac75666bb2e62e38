package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func openTree(t *testing.T, repository *Repository, name string) *Tree {
	t.Helper()
	tree, err := repository.Tree(t.Context(), name)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tree.Close()) })
	return tree
}

// contents reads a whole tree, by path.
func contents(t *testing.T, repository *Repository, name string) map[string]string {
	t.Helper()
	tree := openTree(t, repository, name)
	out := map[string]string{}
	for _, entry := range tree.Entries {
		content, err := tree.ReadFile(entry.Path)
		require.NoError(t, err)
		out[entry.Path] = string(content)
	}
	return out
}

func headTree(t *testing.T, dir string) *Tree {
	t.Helper()
	repository := open(t, dir)
	commit, err := repository.Head(t.Context(), true)
	require.NoError(t, err)
	return openTree(t, repository, commit.Tree)
}

func TestTreeEntries(t *testing.T) {
	names := []string{
		"-leading dash", "a/x", "a/z/deep", "a.b", "a0", "two\nlines", "with\ttab", `"quoted"`,
		"ünïcode/日本", strings.Repeat("n", 255), "bad\xffutf8", "UPPER", "upper",
	}
	files := map[string]string{}
	for _, name := range names {
		files[name] = "content of " + name
	}
	dir := newRepository(t, files)
	require.NoError(t, os.Chmod(filepath.Join(dir, "a0"), 0o755))
	require.NoError(t, os.Symlink("../a.b", filepath.Join(dir, "a", "link")))

	tree := headTree(t, dir)
	var order []string
	for _, entry := range tree.Entries {
		order = append(order, entry.Path)
	}
	assert.Equal(t, []string{
		`"quoted"`, "-leading dash", "UPPER", "a/link", "a/x", "a/z/deep", "a.b", "a0", "bad\xffutf8",
		strings.Repeat("n", 255), "two\nlines", "upper", "with\ttab", "ünïcode/日本",
	}, order, "as a walk through the folders meets them")

	link, ok := tree.Lookup("a/link")
	require.True(t, ok)
	assert.Equal(t, Entry{
		Path: "a/link", Mode: ModeSymlink, Size: int64(len("../a.b")), Target: "../a.b",
		Object: runGit(t, dir, "rev-parse", tree.Name+":a/link"),
	}, link)
	executable, _ := tree.Lookup("a0")
	assert.Equal(t, ModeExecutable, executable.Mode)
	for _, name := range names {
		content, err := tree.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, files[name], string(content))
	}
	_, err := tree.Open("missing")
	assert.ErrorContains(t, err, `open "missing"`)
}

func TestEmptyTree(t *testing.T) {
	dir := newRepository(t, map[string]string{"index.php": "<?php"})
	runGit(t, dir, "rm", "--quiet", "index.php")
	runGit(t, dir, "commit", "--quiet", "--message", "Empty")
	assert.Empty(t, headTree(t, dir).Entries)
}

func TestTreeIsNotTheWorkingTree(t *testing.T) {
	dir := newRepository(t, map[string]string{
		"windows.txt": "one\r\ntwo\r\n", "docs/secret.md": "kept", ".gitattributes": "docs export-ignore\n*.txt -text\n",
	})
	runGit(t, dir, "config", "core.autocrlf", "true")
	repository := open(t, dir)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	writeFile(t, filepath.Join(dir, "windows.txt"), "changed meanwhile")

	files := contents(t, repository, commit.Tree)
	assert.Equal(t, "one\r\ntwo\r\n", files["windows.txt"])
	assert.Equal(t, "kept", files["docs/secret.md"])
}

func TestReadersFollowOneAnother(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB, more than a pipe holds
	dir := newRepository(t, map[string]string{"big": big, "empty": "", "small": "small\n"})
	tree := headTree(t, dir)

	begun, err := tree.Open("big")
	require.NoError(t, err)
	head := make([]byte, 10)
	_, err = io.ReadFull(begun, head)
	require.NoError(t, err)
	assert.Equal(t, big[:10], string(head))
	require.NoError(t, begun.Close(), "the rest is skipped")
	require.NoError(t, begun.Close(), "twice is once")

	for name, want := range map[string]string{"empty": "", "small": "small\n", "big": big} {
		content, err := tree.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, want, string(content))
	}
}

func TestTreeEndsWithItsContext(t *testing.T) {
	dir := newRepository(t, map[string]string{"big": strings.Repeat("x", 1<<20)})
	repository := open(t, dir)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	stopped := errors.New("stopped by a person")
	ctx, cancel := context.WithCancelCause(t.Context())
	tree, err := repository.Tree(ctx, commit.Tree)
	require.NoError(t, err)

	file, err := tree.Open("big")
	require.NoError(t, err)
	cancel(stopped)
	_, err = io.ReadAll(file)
	require.ErrorIs(t, err, stopped)
	require.NoError(t, file.Close())
	_, err = tree.Open("big")
	require.ErrorIs(t, err, stopped)
	require.NoError(t, tree.Close())
}

func TestFilesAreReadAtTheSameTime(t *testing.T) {
	files := map[string]string{}
	for i := range 200 {
		files[fmt.Sprintf("%03d", i)] = strings.Repeat(fmt.Sprintf("line %d\n", i), 1000*(i%7))
	}
	tree := headTree(t, newRepository(t, files))
	var group errgroup.Group
	for range 8 { // more than there are gits
		group.Go(func() error {
			for path, want := range files {
				content, err := tree.ReadFile(path)
				if err != nil || string(content) != want {
					return fmt.Errorf("%s: %d bytes instead of %d: %w", path, len(content), len(want), err)
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}

func TestWaitingForAReaderEndsWithTheContext(t *testing.T) {
	dir := newRepository(t, map[string]string{"big": strings.Repeat("x", 1<<20)})
	repository := open(t, dir)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	stopped := errors.New("stopped by a person")
	ctx, cancel := context.WithCancelCause(t.Context())
	tree, err := repository.Tree(ctx, commit.Tree)
	require.NoError(t, err)
	for range readers { // all of them, and none is closed
		_, err := tree.Open("big")
		require.NoError(t, err)
	}
	waiting := make(chan error)
	go func() {
		_, err := tree.Open("big")
		waiting <- err
	}()
	cancel(stopped)
	require.ErrorIs(t, <-waiting, stopped)
	require.NoError(t, tree.Close())
}

func TestCloseWaitsForNoReader(t *testing.T) {
	dir := newRepository(t, map[string]string{"big": strings.Repeat("x", 1<<20)})
	repository := open(t, dir)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	tree, err := repository.Tree(t.Context(), commit.Tree)
	require.NoError(t, err)
	file, err := tree.Open("big")
	require.NoError(t, err)

	require.NoError(t, tree.Close())
	_, err = io.ReadAll(file)
	require.ErrorIs(t, err, errClosed)
	require.NoError(t, file.Close())
	_, err = tree.Open("big")
	require.ErrorIs(t, err, errClosed)
	require.NoError(t, tree.Close(), "twice is once")
}

func TestNoGitIsStartedForNothing(t *testing.T) {
	tree := headTree(t, newRepository(t, map[string]string{"index.php": "<?php"}))
	assert.Empty(t, tree.sources[0].(*blobs).started)
	_, err := tree.ReadFile("index.php")
	require.NoError(t, err)
	assert.Len(t, tree.sources[0].(*blobs).started, 1)
}

// loseObject removes a file's content from a repository.
func loseObject(t *testing.T, dir, object string) {
	t.Helper()
	require.NoError(t, os.Remove(filepath.Join(dir, ".git", "objects", object[:2], object[2:])))
}

func TestIncompleteClone(t *testing.T) {
	dir := newRepository(t, map[string]string{"a": "first", "b": "second"})
	tree := headTree(t, dir)
	entry, _ := tree.Lookup("a")
	loseObject(t, dir, entry.Object)

	_, err := open(t, dir).Tree(t.Context(), tree.Name)
	require.ErrorIs(t, err, ErrIncomplete)
	assert.ErrorContains(t, err, `"a"`)

	_, err = tree.Open("a")
	require.ErrorIs(t, err, ErrIncomplete)
	content, err := tree.ReadFile("b")
	require.NoError(t, err, "the next file can be read")
	assert.Equal(t, "second", string(content))
}

func TestEntryCheck(t *testing.T) {
	link := func(path, target string) Entry { return Entry{Path: path, Mode: ModeSymlink, Target: target} }
	tests := map[string]struct {
		entry Entry
		want  error
	}{
		"a file":                     {Entry{Path: "index.php", Mode: ModeFile}, nil},
		"a link in the same folder":  {link("a/b", "c"), nil},
		"a link up, but inside":      {link("a/b", "../c"), nil},
		"a link to the root":         {link("a/b", ".."), nil},
		"a name that begins with ..": {link("b", "..c"), nil},
		"a link out":                 {link("b", "../c"), ErrOutside},
		"a link out by a detour":     {link("a/b", "./x/../../../c"), ErrOutside},
		"a link to above the root":   {link("b", ".."), ErrOutside},
		"an absolute link":           {link("b", "/etc/passwd"), ErrOutside},
		"a submodule":                {Entry{Path: "theme", Mode: ModeSubmodule}, ErrSubmodule},
		"a name that is not UTF-8":   {Entry{Path: "bad\xff", Mode: ModeFile}, ErrEncoding},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.entry.Check()
			if test.want == nil {
				require.NoError(t, err)
				return
			}
			var failed *RepositoryError
			require.ErrorAs(t, err, &failed)
			require.ErrorIs(t, err, test.want)
			assert.Contains(t, failed.Hint(), ".dockerignore")
		})
	}
}

func TestCheckPutsProblemsOfAKindTogether(t *testing.T) {
	entries := []Entry{
		{Path: "index.php", Mode: ModeFile},
		{Path: "theme", Mode: ModeSubmodule, Object: "0123456789012345678901234567890123456789"},
	}
	for i := range 12 {
		entries = append(entries, Entry{Path: fmt.Sprintf("link%02d", i), Mode: ModeSymlink, Target: "/etc/passwd"})
	}
	err := Check(entries)
	require.ErrorIs(t, err, ErrSubmodule)
	require.ErrorIs(t, err, ErrOutside)
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok)
	problems := joined.Unwrap()
	require.Len(t, problems, 2)
	links := problems[1].Error()
	assert.Contains(t, links, "12 files cannot be shipped:\n  \"link00\" is a symlink out of the site: it points to \"/etc/passwd\"\n")
	assert.Contains(t, links, "\n  and 2 more")
	assert.NotContains(t, links, "link10")
	var failed *RepositoryError
	require.ErrorAs(t, problems[1], &failed)
	assert.Contains(t, failed.Hint(), "let it point to a file of the repository")

	require.NoError(t, Check(entries[:1]))
}

func TestABrokenObjectIsNamedInGitsWords(t *testing.T) {
	dir := newRepository(t, map[string]string{"a": strings.Repeat("first", 1000)})
	tree := headTree(t, dir)
	entry, _ := tree.Lookup("a")
	object := filepath.Join(dir, ".git", "objects", entry.Object[:2], entry.Object[2:])
	require.NoError(t, os.Chmod(object, 0o644))
	require.NoError(t, os.Truncate(object, 20))

	_, err := tree.ReadFile("a")
	require.ErrorContains(t, err, `"a"`)
	assert.ErrorContains(t, err, entry.Object, "git says which")
}

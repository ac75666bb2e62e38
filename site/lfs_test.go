package site

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// film is larger than a pipe or a buffer holds.
var film = strings.Repeat("frame after frame\n", 20_000)

func sha(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func pointerTo(content string) string {
	return fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", sha(content), len(content))
}

// keep puts a content where Git LFS keeps it, and returns the file.
func keep(t *testing.T, lfs, oid, content string) string {
	t.Helper()
	path := filepath.Join(lfs, "objects", oid[:2], oid[2:4], oid)
	writeFile(t, path, content)
	return path
}

func newLFS(t *testing.T) string {
	t.Helper()
	return newRepository(t, map[string]string{
		".gitattributes": "*.mp4 filter=lfs diff=lfs merge=lfs -text\n", "index.php": "<?php",
		"film.mp4": pointerTo(film), "empty.mp4": pointerTo(""),
	})
}

func TestLFS(t *testing.T) {
	dir := newLFS(t)
	keep(t, filepath.Join(dir, ".git", "lfs"), sha(film), film)
	tree := headTree(t, dir)
	require.NoError(t, Check(tree.Entries))

	entry, ok := tree.Lookup("film.mp4")
	require.True(t, ok)
	assert.Equal(t, sha(film), entry.Object)
	assert.Equal(t, int64(len(film)), entry.Size)
	for name, want := range map[string]string{"film.mp4": film, "empty.mp4": "", "index.php": "<?php"} {
		content, err := tree.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, want, string(content))
	}
}

func TestLFSWithoutTheContent(t *testing.T) {
	dir := newLFS(t)
	tree := headTree(t, dir)
	entry, _ := tree.Lookup("film.mp4")
	assert.Equal(t, sha(film), entry.Object, "the tree is the same with and without it")
	assert.Equal(t, int64(len(film)), entry.Size)

	err := Check(tree.Entries)
	require.ErrorIs(t, err, ErrLFS)
	assert.ErrorContains(t, err, `"film.mp4" is a Git LFS pointer without its content`)
	var failed *RepositoryError
	require.ErrorAs(t, err, &failed)
	assert.Contains(t, failed.Hint(), "git lfs pull")
	_, err = tree.Open("film.mp4")
	require.ErrorIs(t, err, ErrLFS)

	keep(t, filepath.Join(dir, ".git", "lfs"), sha(film), film[1:])
	err = Check(headTree(t, dir).Entries)
	require.ErrorIs(t, err, ErrLFS)
	assert.ErrorContains(t, err, fmt.Sprintf("to %d bytes, but ", len(film)))
}

func TestLFSChecksTheContentWhileItIsRead(t *testing.T) {
	dir := newLFS(t)
	path := keep(t, filepath.Join(dir, ".git", "lfs"), sha(film), strings.ToUpper(film))
	tree := headTree(t, dir)
	require.NoError(t, Check(tree.Entries), "its size is right")

	_, err := tree.ReadFile("film.mp4")
	assert.ErrorContains(t, err, `read "film.mp4": Git LFS has another content in `+path)
	file, err := tree.Open("film.mp4")
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, file)
	require.ErrorContains(t, err, "Git LFS has another content")
	require.NoError(t, file.Close(), "it was said")

	file, err = tree.Open("film.mp4")
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, file, int64(len(film)))
	require.NoError(t, err, "it has what it wanted")
	require.ErrorContains(t, file.Close(), "Git LFS has another content")
}

func TestLFSElsewhere(t *testing.T) {
	storage := t.TempDir()
	tests := map[string]struct {
		lfs func(dir string) string
		set string
	}{
		"in another folder":             {func(string) string { return storage }, storage},
		"below the repository's folder": {func(dir string) string { return filepath.Join(dir, ".git", "big") }, "big"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := newLFS(t)
			keep(t, test.lfs(dir), sha(film), film)
			runGit(t, dir, "config", "lfs.storage", test.set)
			require.NoError(t, Check(headTree(t, dir).Entries))
		})
	}
	t.Run("for a worktree", func(t *testing.T) {
		dir := newLFS(t)
		worktree := filepath.Join(t.TempDir(), "worktree")
		runGit(t, dir, "worktree", "add", "--quiet", "--detach", worktree)
		keep(t, filepath.Join(dir, ".git", "lfs"), sha(film), film)
		require.NoError(t, Check(headTree(t, worktree).Entries))
	})
	t.Run("for a submodule", func(t *testing.T) {
		allowFile(t)
		media := newLFS(t)
		dir := newRepository(t, map[string]string{"index.php": "<?php"})
		runGit(t, dir, "submodule", "--quiet", "add", media, "media")
		runGit(t, dir, "commit", "--quiet", "--message", "Add media")
		require.ErrorContains(t, Check(headTree(t, dir).Entries), `"media/film.mp4" is a Git LFS pointer`)

		keep(t, filepath.Join(dir, ".git", "modules", "media", "lfs"), sha(film), film)
		tree := headTree(t, dir)
		require.NoError(t, Check(tree.Entries))
		content, err := tree.ReadFile("media/film.mp4")
		require.NoError(t, err)
		assert.Equal(t, film, string(content))
	})
}

func TestLFSTellsPointers(t *testing.T) {
	head := "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("a", 64) + "\n"
	tests := map[string]struct {
		content string
		want    bool
	}{
		"the smallest":      {head + "size 0\n", true},
		"the largest":       {head + "size 9223372036854775807\n", true},
		"too large a size":  {head + "size 9999999999999999999\n", false},
		"another version":   {strings.Replace(head, "v1", "v2", 1) + "size 12\n", false},
		"another hash":      {strings.Replace(head, "sha256", "sha512", 1) + "size 12\n", false},
		"text after it":     {head + "size 12\n<?php", false},
		"text before it":    {"# " + head + "size 12\n", false},
		"upper-case digits": {strings.ToUpper(head) + "size 12\n", false},
		"a negative size":   {head + "size -1\n", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			// Whatever .gitattributes says.
			entry, _ := headTree(t, newRepository(t, map[string]string{"file": test.content})).Lookup("file")
			assert.Equal(t, test.want, len(entry.Object) == 64)
			if !test.want {
				assert.NoError(t, entry.Check())
			}
		})
	}
	t.Run("a symlink is none", func(t *testing.T) {
		dir := newRepository(t, map[string]string{"index.php": ""})
		require.NoError(t, os.Symlink(head+"size 12\n", filepath.Join(dir, "link")))
		entry, _ := headTree(t, dir).Lookup("link")
		assert.Len(t, entry.Object, 40)
	})
}

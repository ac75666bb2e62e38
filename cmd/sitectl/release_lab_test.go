//go:build lab

package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRelease makes the release of one commit in two clones, which lie in
// different folders and know different parts of the history.
func TestRelease(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("make release needs GNU tar")
	}
	t.Parallel()
	one := makeRelease(t, "one")
	other := makeRelease(t, "another/further/down", "--depth", "1")
	sums := readFile(t, filepath.Join(one, "SHA256SUMS"))
	assert.Regexp(t, `^[0-9a-f]{64}  sitectl-linux-`+runtime.GOARCH+`\.tar\.gz\n$`, sums)
	assert.Equal(t, sums, readFile(t, filepath.Join(other, "SHA256SUMS")))
	files := releasedFiles(t, one)
	assert.Subset(t, files, []string{
		"LICENSE", "README.md", "sitectl", "completion/sitectl.bash", "completion/sitectl.zsh", "completion/sitectl.fish",
		"man/man1/sitectl.1", "man/man1/sitectl-ship.1", "man/man5/site.yaml.5",
	})
	for _, file := range files {
		assert.Regexp(t, `^(LICENSE|README\.md|sitectl|(completion|man|man/man\d)/.*)$`, file)
	}
}

// makeRelease clones this repository into a folder and makes the release for
// this platform there. It returns the folder with the release.
func makeRelease(t *testing.T, folder string, clone ...string) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), folder)
	outputOf(t, ".", "git", append(append([]string{"clone", "-q"}, clone...), "file://"+root, dir)...)
	outputOf(t, dir, "make", "release", "PLATFORMS=linux/"+runtime.GOARCH)
	return filepath.Join(dir, "bin", "release")
}

func outputOf(t *testing.T, dir, program string, arguments ...string) string {
	t.Helper()
	command := exec.Command(program, arguments...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s %s: %s", program, strings.Join(arguments, " "), out)
	return string(out)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

// releasedFiles lists what the archive of a release holds, without its one
// folder. All of it is root's, and of the commit's time.
func releasedFiles(t *testing.T, release string) []string {
	t.Helper()
	name := "sitectl-linux-" + runtime.GOARCH
	file, err := os.Open(filepath.Join(release, name+".tar.gz"))
	require.NoError(t, err)
	defer file.Close()
	plain, err := gzip.NewReader(file)
	require.NoError(t, err)
	time := strings.TrimSpace(outputOf(t, release, "git", "log", "-1", "--format=%ct"))
	var files []string
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		assert.Zero(t, header.Uid+header.Gid, header.Name)
		assert.Equal(t, time, strconv.FormatInt(header.ModTime.Unix(), 10), header.Name)
		if path, found := strings.CutPrefix(header.Name, name+"/"); assert.True(t, found, header.Name) && path != "" {
			files = append(files, path)
		}
	}
}

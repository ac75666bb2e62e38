package builder

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCacheRootsAreNotShared(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	all := filepath.Join(os.Getenv("XDG_CACHE_HOME"), "sitectl", "buildkit")
	first, err := lockCacheRoot()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(all, "1"), first.path)
	second, err := lockCacheRoot()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(all, "2"), second.path)

	first.unlock()
	again, err := lockCacheRoot()
	require.NoError(t, err)
	assert.Equal(t, first.path, again.path, "the first that is free, so that its cache is used")

	again.unlock()
	require.NoError(t, os.MkdirAll(first.path, 0o700))
	lock, err := os.Create(filepath.Join(first.path, "buildkitd.lock"))
	require.NoError(t, err)
	defer lock.Close()
	locked, err := tryFlock(lock)
	require.NoError(t, err)
	require.True(t, locked)
	third, err := lockCacheRoot()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(all, "3"), third.path, "a buildkitd still has the first")
}

func TestFolderOfAKilledRunIsRemoved(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	killed, err := runFolder()
	require.NoError(t, err)
	root, err := lockCacheRoot()
	require.NoError(t, err)
	require.NoError(t, root.remember(killed))
	root.unlock()

	next, err := runFolder()
	require.NoError(t, err)
	defer os.RemoveAll(next)
	root, err = lockCacheRoot()
	require.NoError(t, err)
	require.NoError(t, root.remember(next))
	assert.NoDirExists(t, killed)
	assert.DirExists(t, next)
	root.unlock()

	precious := t.TempDir()
	require.NoError(t, os.WriteFile(root.path+".lock", []byte(precious), 0o600))
	root, err = lockCacheRoot()
	require.NoError(t, err)
	require.NoError(t, root.remember(next))
	assert.DirExists(t, precious, "what is not such a folder stays")
	root.unlock()
}

func TestSocketsFitInTheRunFolder(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "a-folder-with-a-name-that-leaves-a-socket-no-room-to-have-one-of-its-own"))
	folder, err := runFolder()
	require.NoError(t, err)
	defer os.RemoveAll(folder)
	assert.Less(t, len(filepath.Join(folder, "buildkitd.sock")), 108)
}

func TestDaemonGetsNoSecrets(t *testing.T) {
	t.Setenv("CI_JOB_TOKEN", "canary")
	t.Setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
	environment := daemonEnvironment()
	assert.Contains(t, environment, "HTTPS_PROXY=http://proxy.example.com:3128")
	for _, variable := range environment {
		assert.NotContains(t, variable, "canary")
	}
}

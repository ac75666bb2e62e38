package site

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// partialClone clones without what a filter leaves out, and checks out only
// the folder web.
func partialClone(t *testing.T, dir, filter string) string {
	t.Helper()
	runGit(t, dir, "config", "uploadpack.allowFilter", "true")
	runGit(t, dir, "config", "uploadpack.allowAnySHA1InWant", "true")
	clone := filepath.Join(t.TempDir(), "clone")
	runGit(t, dir, "clone", "--quiet", "--sparse", "--filter="+filter, "file://"+dir, clone)
	runGit(t, clone, "sparse-checkout", "set", "web")
	return clone
}

var filesOfAPartialClone = map[string]string{
	"index.php": "<?php", "web/app.css": "body{}", "docs/a.md": "a", "docs/more/b.md": "b", "docs/more/c\nd.md": "c",
	"vendor/x/y/z.php": "z",
}

func TestPartialClone(t *testing.T) {
	for _, filter := range []string{"blob:none", "blob:limit=1", "tree:0"} {
		t.Run(filter, func(t *testing.T) {
			clone := partialClone(t, newRepository(t, filesOfAPartialClone), filter)
			repository := open(t, clone)
			commit, err := repository.Head(t.Context(), false)
			require.NoError(t, err)
			trace := filepath.Join(t.TempDir(), "trace")
			t.Setenv("GIT_TRACE", trace)
			assert.Equal(t, filesOfAPartialClone, contents(t, repository, commit.Tree))
			log, err := os.ReadFile(trace)
			require.NoError(t, err)
			assert.Equal(t, 1, strings.Count(string(log), "built-in: git fetch"), "%s", log)

			require.NoError(t, os.Remove(trace))
			assert.Equal(t, filesOfAPartialClone, contents(t, repository, commit.Tree))
			log, err = os.ReadFile(trace)
			require.NoError(t, err)
			assert.NotContains(t, string(log), "upload-pack", "nothing is missing any more")
		})
	}
}

func TestPartialCloneWithoutFolders(t *testing.T) {
	dir := newRepository(t, filesOfAPartialClone)
	partialClone(t, dir, "tree:0") // allows filters
	clone := filepath.Join(t.TempDir(), "clone")
	runGit(t, dir, "clone", "--quiet", "--no-checkout", "--filter=tree:0", "file://"+dir, clone)
	repository, tree := open(t, clone), runGit(t, dir, "rev-parse", "HEAD^{tree}")
	assert.Equal(t, filesOfAPartialClone, contents(t, repository, tree))

	runGit(t, dir, "clone", "--quiet", "--no-checkout", "--filter=tree:0", "file://"+dir, clone+"2")
	require.NoError(t, os.RemoveAll(dir))
	_, err := open(t, clone+"2").Tree(t.Context(), tree)
	require.ErrorIs(t, err, ErrIncomplete)
	assert.ErrorContains(t, err, tree)
}

func TestPartialCloneWithoutItsRemote(t *testing.T) {
	for filter, missing := range map[string]string{"blob:none": `"docs/a.md", "docs/more/b.md", "docs/more/c\nd.md", "vendor/x/y/z.php"`, "tree:0": ""} {
		t.Run(filter, func(t *testing.T) {
			dir := newRepository(t, filesOfAPartialClone)
			clone := partialClone(t, dir, filter)
			repository := open(t, clone)
			commit, err := repository.Head(t.Context(), false)
			require.NoError(t, err)
			require.NoError(t, os.RemoveAll(dir))

			_, err = repository.Tree(t.Context(), commit.Tree)
			var failed *RepositoryError
			require.ErrorAs(t, err, &failed)
			require.ErrorIs(t, err, ErrIncomplete)
			assert.ErrorContains(t, err, "it is a partial clone without "+missing)
			assert.ErrorContains(t, err, "does not appear to be a git repository", "git's own words")
			assert.Contains(t, failed.Hint(), "--filter")
		})
	}
}

func TestPartialCloneThatIsComplete(t *testing.T) {
	dir := newRepository(t, filesOfAPartialClone)
	clone := partialClone(t, dir, "blob:none")
	runGit(t, clone, "sparse-checkout", "disable")
	require.NoError(t, os.RemoveAll(dir))
	assert.Equal(t, filesOfAPartialClone, headContents(t, clone), "it needs no remote")
}

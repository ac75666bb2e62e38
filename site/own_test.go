package site

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func readOwn(t *testing.T, dir string) (Own, error) {
	t.Helper()
	repository := open(t, dir)
	commit, err := repository.Head(t.Context(), true)
	require.NoError(t, err)
	return repository.Own(t.Context(), commit.Tree)
}

// TestOwn: it is read from the commit, not from what lies in the folder, and
// below the site's own folder.
func TestOwn(t *testing.T) {
	dir := newRepository(t, map[string]string{
		"shop/index.php":                                      "<?php",
		"shop/.sitectl/manifests/worker.yaml":                 "kind: Deployment",
		"shop/.sitectl/manifests/search/solr.yml":             "kind: StatefulSet",
		"shop/.sitectl/templates/config/varnish.vcl.mustache": "vcl 4.1;",
		".sitectl/manifests/another-site.yaml":                "kind: Deployment",
	})
	writeFile(t, filepath.Join(dir, "shop/.sitectl/manifests/ignored.txt"), "")
	repository := open(t, filepath.Join(dir, "shop"))
	commit, err := repository.describe(t.Context())
	require.NoError(t, err)
	own, err := repository.Own(t.Context(), commit.Tree)
	require.NoError(t, err)
	assert.Equal(t, Own{
		Manifests: []OwnFile{
			{".sitectl/manifests/search/solr.yml", []byte("kind: StatefulSet")},
			{".sitectl/manifests/worker.yaml", []byte("kind: Deployment")},
		},
		Templates: []OwnFile{{".sitectl/templates/config/varnish.vcl.mustache", []byte("vcl 4.1;")}},
	}, own)
}

func TestOwnOfMostSites(t *testing.T) {
	own, err := readOwn(t, newRepository(t, map[string]string{"index.php": "<?php"}))
	require.NoError(t, err)
	assert.Equal(t, Own{}, own)
}

func TestOwnRefusesWhatIsNoManifest(t *testing.T) {
	dir := newRepository(t, map[string]string{".sitectl/manifests/worker.yaml.off": ""})
	_, err := readOwn(t, dir)
	require.EqualError(t, err, "read .sitectl/manifests/worker.yaml.off: a manifest has the extension .yaml")

	dir = newRepository(t, map[string]string{"worker.yaml": ""})
	require.NoError(t, os.MkdirAll(filepath.Join(dir, ManifestsDir), 0o755))
	require.NoError(t, os.Symlink("../../worker.yaml", filepath.Join(dir, ManifestsDir, "worker.yaml")))
	_, err = readOwn(t, dir)
	require.EqualError(t, err, "read .sitectl/manifests/worker.yaml: it is no file")
}

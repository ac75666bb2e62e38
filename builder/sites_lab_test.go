//go:build lab

package builder

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shipSample builds a site of testdata/sites into a repository of the test's
// own, and returns the files of its image below the code, apart from those of
// the commit.
func shipSample(t *testing.T, name string) (map[string]inImage, site.Site) {
	t.Helper()
	b, progress := labBuilder(t)
	s, files := sample(t, name)
	lab := labSite(t)
	s.Image, s.Build.Runtime, s.Build.Platform = lab.Image, lab.Build.Runtime, lab.Build.Platform
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", "sites", name))))
	image, _, err := ship(t, b, s, dir)
	require.NoError(t, err, "%s", progress)
	assertLayersOnce(t, b, s, image)
	all := pulled(t, b, s, image)
	for name := range files {
		delete(all, "var/www/site/"+name)
	}
	return all, s
}

// madeIn are the files in the code's folder that are none of the commit.
func madeIn(files map[string]inImage) []string {
	var names []string
	for name := range maps.Keys(files) {
		if name, ok := strings.CutPrefix(name, "var/www/site/"); ok && files["var/www/site/"+name].header.Typeflag != '5' {
			names = append(names, name)
		}
	}
	return slices.Sorted(slices.Values(names))
}

// assertLayersOnce: no file is in two layers of the site, and no tool of the
// build is in any.
func assertLayersOnce(t *testing.T, b *Builder, s site.Site, image site.Image) {
	t.Helper()
	repo, err := b.repository(s.Image)
	require.NoError(t, err)
	_, err = remote.Image(repo.name.Digest(image.Digest), repo.options(t.Context())...)
	require.NoError(t, err)
}

func TestLabComposerSite(t *testing.T) {
	files, _ := shipSample(t, "composer")
	made := madeIn(files)
	for _, name := range []string{
		"vendor/autoload.php", "vendor/bin/drush", "vendor/composer/autoload_classmap.php", "vendor/standin/clock/src/Clock.php",
		"web/core/src/Site.php", "web/index.php", "web/built.txt",
		"web/sites/default/settings.php", "web/sites/default/settings.local.php",
	} {
		assert.Contains(t, made, name)
	}
	classes := files["var/www/site/vendor/composer/autoload_classmap.php"].content
	assert.Contains(t, classes, `'Example\\Greeting\\Greeting' => $baseDir . '/web/modules/custom/greeting/src/Greeting.php'`)
	assert.Contains(t, classes, `'Standin\\Core\\Site' => $baseDir . '/web/core/src/Site.php'`)
	assert.Contains(t, files["var/www/site/vendor/composer/autoload_real.php"].content, "setClassMapAuthoritative(true)")
	assert.Contains(t, files["var/www/site/vendor/autoload.php"].content, "ComposerAutoloaderInit", "its name is that of the lock file")
	for name := range files {
		assert.NotContains(t, name, "/.git/")
		assert.NotEqual(t, "usr/bin/composer", name)
		assert.NotEqual(t, "usr/bin/git", name)
	}
}

//go:build lab

package builder

import (
	"archive/tar"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// labSample is a site of testdata/sites with a repository of the test's own,
// and the folder that it lies in.
func labSample(t *testing.T, name string) (site.Site, string) {
	t.Helper()
	s, _ := sample(t, name)
	lab := labSite(t)
	s.Image, s.Build.Runtime, s.Build.Platform = lab.Image, lab.Build.Runtime, lab.Build.Platform
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", "sites", name))))
	return s, dir
}

// shipSample builds a site of testdata/sites, and returns its image and the
// files in it.
func shipSample(t *testing.T, s site.Site, dir string) (site.Image, map[string]inImage) {
	t.Helper()
	b, progress := labBuilder(t)
	image, _, err := ship(t, b, s, dir)
	require.NoError(t, err, "%s", progress)
	files := pulled(t, b, s, image)
	assertNoTools(t, files)
	return image, files
}

// assertNoTools: what built the site is not in it.
func assertNoTools(t *testing.T, files map[string]inImage) {
	t.Helper()
	for name := range files {
		for _, part := range []string{"/.git/", "/node_modules/", "/.npm/", "/.composer/"} {
			assert.NotContains(t, "/"+name+"/", part)
		}
	}
	for _, tool := range []string{"composer", "git", "npm", "node", "ssh", "unzip", "patch"} {
		assert.NotContains(t, files, "usr/bin/"+tool)
	}
}

// codeOf lists the files below the code's folder.
func codeOf(files map[string]inImage) []string {
	var names []string
	for name, file := range files {
		if below, ok := strings.CutPrefix(name, "var/www/site/"); ok && file.header.Typeflag != tar.TypeDir {
			names = append(names, below)
		}
	}
	slices.Sort(names)
	return names
}

// TestLabComposerSite builds the same site on each release of Debian, each
// with a Composer of its own.
func TestLabComposerSite(t *testing.T) {
	for _, release := range []string{"trixie", "bookworm", "bullseye"} {
		t.Run(release, func(t *testing.T) {
			s, dir := labSample(t, "composer")
			s.Build.Base = "debian:" + release + "-slim"
			write(t, dir, map[string]string{
				".gitignore": "/vendor/\n", "web/sites/default/files/uploaded.txt": "x", "web/sites/shop/files/uploaded.txt": "x",
			})
			_, files := shipSample(t, s, dir)
			code := codeOf(files)
			assert.Subset(t, code, []string{
				"vendor/autoload.php", "vendor/bin/drush", "vendor/standin/clock/src/Clock.php",
				"web/core/src/Site.php", // put there by a plugin
				"web/index.php",         // by an event of a plugin
				"web/built.txt",         // by a script
				"web/modules/custom/greeting/src/Greeting.php", // of the commit
				"web/sites/default/settings.php",               // of the preset
				"web/sites/shop/settings.php", "composer.json",
			})
			assert.NotContains(t, code, "web/sites/default/files/uploaded.txt")
			assert.NotContains(t, code, "web/sites/shop/files/uploaded.txt")

			classes := files["var/www/site/vendor/composer/autoload_classmap.php"].content
			assert.Contains(t, classes, `'Example\\Greeting\\Greeting' => $baseDir . '/web/modules/custom/greeting/src/Greeting.php'`)
			assert.Contains(t, classes, `'Standin\\Core\\Site' => $baseDir . '/web/core/src/Site.php'`)
			assert.Contains(t, files["var/www/site/vendor/composer/autoload_real.php"].content, "setClassMapAuthoritative(true)")
			lock := files["var/www/site/composer.lock"].content
			assert.Regexp(t, `"content-hash": "[0-9a-f]{32}"`, lock)
			_, rest, _ := strings.Cut(lock, `"content-hash": "`)
			assert.Contains(t, files["var/www/site/vendor/autoload.php"].content, "ComposerAutoloaderInit"+rest[:32])
		})
	}
}

// layersOf are the layers of an image above those of its runtime.
func layersOf(t *testing.T, s site.Site, image site.Image) map[string][]v1.Hash {
	t.Helper()
	b, _ := labBuilder(t)
	repo, err := b.repository(s.Image)
	require.NoError(t, err)
	pushed, err := remote.Image(repo.name.Digest(image.Digest), repo.options(t.Context())...)
	require.NoError(t, err)
	manifest, err := pushed.Manifest()
	require.NoError(t, err)
	layers := map[string][]v1.Hash{}
	for _, layer := range manifest.Layers {
		if group := layer.Annotations[layerGroup]; group != "" {
			layers[group] = append(layers[group], layer.Digest)
		}
	}
	return layers
}

// TestLabStagesAreReproducible builds two sites of the same content: neither
// shares a cache with the other, and Composer and npm run for each.
func TestLabStagesAreReproducible(t *testing.T) {
	for _, test := range []struct{ sample, release, group string }{
		{"composer", "trixie", groupVendor},
		{"composer", "bookworm", groupVendor},
		{"composer", "bullseye", groupVendor},
		{"react", "trixie", groupFrontend},
	} {
		t.Run(test.sample+"-"+test.release, func(t *testing.T) {
			s, dir := labSample(t, test.sample)
			s.Build.Base = "debian:" + test.release + "-slim"
			first, _ := shipSample(t, s, dir)
			one := layersOf(t, s, first)
			s.Image += "-again"
			second, _ := shipSample(t, s, changed(t, dir))
			other := layersOf(t, s, second)
			require.NotEmpty(t, one[test.group])
			assert.Equal(t, one[test.group], other[test.group])
		})
	}
}

func TestLabFrontendAlone(t *testing.T) {
	s, dir := labSample(t, "react")
	_, files := shipSample(t, s, dir)
	assert.Equal(t, []string{"dist/app.js", "dist/index.html"}, codeOf(files), "nothing but the output")
	assert.Contains(t, files["var/www/site/dist/app.js"].content, "A site without PHP")
	assert.Contains(t, files["etc/apache2/apache2.conf"].content, `FallbackResource "/index.html"`)
}

// TestLabFrontendOfATheme: the script of a folder changes files elsewhere, its
// packages are part of the repository, and PHP is around it.
func TestLabFrontendOfATheme(t *testing.T) {
	s := labSite(t)
	s.Build.Frontend = &site.Frontend{Image: "node:22-slim", Dir: "theme", Script: "build", Include: []string{"theme/src", "theme/build.js"}}
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"index.php": "<?php echo 'PHP';",
		"theme/package.json": `{"name": "theme", "private": true, "scripts": {"build": "node build.js", "prepare": "node -e \"require('fs').writeFileSync('prepared.txt', 'x')\""},
			"dependencies": {"local": "file:packages/local"}}`,
		"theme/package-lock.json": `{"name": "theme", "lockfileVersion": 3, "requires": true, "packages": {
			"": {"name": "theme", "dependencies": {"local": "file:packages/local"}},
			"node_modules/local": {"resolved": "packages/local", "link": true},
			"packages/local": {"name": "local", "version": "1.0.0", "hasInstallScript": true}}}`,
		"theme/packages/local/package.json": `{"name": "local", "version": "1.0.0", "main": "index.js", "scripts": {"install": "node -e \"require('fs').writeFileSync('installed.js', 'module.exports = 1')\""}}`,
		"theme/packages/local/index.js":     "exports.shout = (text) => text.toUpperCase();",
		"theme/src/a.css":                   "a { color: red }",
		"theme/notes.txt":                   "not for the script",
		"theme/build.js": `
			const fs = require('fs');
			if (fs.existsSync('notes.txt')) throw new Error('notes.txt is not included');
			fs.mkdirSync('../public/css', { recursive: true });
			fs.writeFileSync('../public/css/a.css', require('local').shout(fs.readFileSync('src/a.css', 'utf8')));
			fs.symlinkSync('a.css', '../public/css/latest.css');
			fs.writeFileSync('src/a.css', fs.readFileSync('src/a.css'));
		`,
	})
	_, files := shipSample(t, s, dir)
	assert.Equal(t, "A { COLOR: RED }", files["var/www/site/public/css/a.css"].content)
	assert.Equal(t, "a.css", files["var/www/site/public/css/latest.css"].header.Linkname)
	assert.Equal(t, []string{
		"index.php", "public/css/a.css", "public/css/latest.css", "theme/build.js", "theme/notes.txt", "theme/package-lock.json",
		"theme/package.json", "theme/packages/local/index.js", "theme/packages/local/installed.js", "theme/packages/local/package.json",
		"theme/prepared.txt", "theme/src/a.css",
	}, codeOf(files))
}

func TestLabFrontendWithoutOutput(t *testing.T) {
	b, _ := labBuilder(t)
	s := labSite(t)
	s.Build.Frontend = &site.Frontend{Image: "node:22-slim", Dir: ".", Script: "build", Output: "dist"}
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"package.json":      `{"name": "site", "scripts": {"build": "echo hello"}}`,
		"package-lock.json": `{"name": "site", "lockfileVersion": 3, "packages": {"": {"name": "site"}}}`,
		"dist/committed":    "x",
	})
	_, _, err := ship(t, b, s, dir)
	var failed *BuildError
	require.ErrorAs(t, err, &failed)
	assert.Contains(t, strings.Join(failed.Log, "\n"), "the script has made no file below /var/www/site/dist")
}

// TestLabBedrock: the configuration that sitectl brings along is below the
// site's own, and gone where the site has one.
func TestLabBedrock(t *testing.T) {
	s, dir := labSample(t, "bedrock")
	_, files := shipSample(t, s, dir)
	code := codeOf(files)
	assert.Subset(t, code, []string{"web/wp/wp-load.php", "web/wp-config.php", "config/application.php", "vendor/composer/installed.php"})
	assert.NotContains(t, code, "web/app/uploads/.gitkeep")
	const production = "var/www/site/config/environments/production.php"
	assert.Contains(t, files[production].content, "/usr/local/share/sitectl/wordpress/bedrock.php")

	write(t, dir, map[string]string{"config/environments/production.php": "<?php // the site's own"})
	_, files = shipSample(t, s, dir)
	assert.Equal(t, "<?php // the site's own", files[production].content)
}

func TestLabPlainLayouts(t *testing.T) {
	for name, outside := range map[string][]string{
		"codeigniter": {"writable/cache/index.html", "writable/uploads/index.html"},
		"grav":        {"user/data/.gitkeep", "cache/.gitkeep", "logs/.gitkeep"},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := labSample(t, name)
			_, files := shipSample(t, s, dir)
			code := codeOf(files)
			assert.Contains(t, code, "README.md")
			for _, file := range outside {
				assert.NotContains(t, code, file)
			}
		})
	}
}

// TestLabMissingForTheBuild: what the commit lacks is said together, and
// before anything runs.
func TestLabMissingForTheBuild(t *testing.T) {
	b, progress := labBuilder(t)
	s := labSite(t)
	s.Build.Composer = &site.Composer{}
	s.Build.Frontend = &site.Frontend{Image: "node:22-slim", Dir: ".", Script: "build"}
	dir := t.TempDir()
	write(t, dir, map[string]string{"composer.json": "{}", "package.json": "{}", "package-lock.json": "{}"})
	_, _, err := ship(t, b, s, dir)
	assert.ErrorContains(t, err, `build.composer: the commit has no file "composer.lock"`)
	assert.ErrorContains(t, err, `build.frontend.script: package.json has no script "build"`)
	assert.NotContains(t, progress.String(), "runtime", "nothing is built")
}

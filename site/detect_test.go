package site

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// firstFile is what a detection says: its reasons and notes, then the file.
func firstFile(t *testing.T, d Detection) string {
	t.Helper()
	var out strings.Builder
	for _, reason := range d.Reasons {
		out.WriteString(reason.String() + "\n")
	}
	for _, note := range d.Notes {
		out.WriteString("note: " + note + "\n")
	}
	file, err := d.File("example.com", "registry.example.com/agency/example-com")
	require.NoError(t, err)
	_, err = Parse("site.yaml", file, "")
	require.NoError(t, err, "%s", file)
	return out.String() + "\n" + string(file)
}

// TestDetectSamples: each sample site gets a site file that is valid, whatever
// is in its own.
func TestDetectSamples(t *testing.T) {
	folders, err := filepath.Glob("../testdata/sites/*")
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			detection, err := Detect(os.DirFS(folder), "")
			require.NoError(t, err)
			golden(t, filepath.Join("../testdata/golden/init", filepath.Base(folder)+".txt"), firstFile(t, detection))
		})
	}
}

// tree is a folder with files: names alone, or a name, a space and the content.
func tree(files ...string) fstest.MapFS {
	folder := fstest.MapFS{}
	for _, file := range files {
		name, content, _ := strings.Cut(file, " ")
		folder[name] = &fstest.MapFile{Data: []byte(content), Mode: 0o644}
	}
	return folder
}

func TestDetect(t *testing.T) {
	const head = "# yaml-language-server: $schema=" + SchemaURL + "\nsite: example.com\nimage: registry.example.com/agency/example-com\n"
	for name, test := range map[string]struct {
		files   []string
		reasons []string
		notes   []string
		file    string // without what all begin with
	}{
		"WordPress": {
			files:   []string{"index.php", "wp-load.php", "wp-content/themes/twentytwentyone/package.json {\"scripts\": {\"build\": \"x\"}}"},
			reasons: []string{"preset wordpress: wp-load.php"},
			file:    "preset: wordpress\n",
		},
		"WordPress with a configuration": {
			files:   []string{"wp-load.php", "wp-config.php <?php define('DB_NAME', 'x'); require_once ABSPATH . 'wp-settings.php';"},
			reasons: []string{"preset wordpress: wp-load.php"},
			notes: []string{
				"wp-config.php says itself where the database is. For the one that sitectl makes, take it out of git, or end it with require dirname(__DIR__) . '/wp-config.php';",
			},
			file: "preset: wordpress\n",
		},
		"MediaWiki with a configuration": {
			files:   []string{"w/index.php", "web/includes/WebStart.php", "web/maintenance/update.php", "web/LocalSettings.php <?php require '/usr/local/share/sitectl/mediawiki/settings.php';"},
			reasons: []string{"preset mediawiki: web/includes/WebStart.php", "build.docroot web: web/includes/WebStart.php"},
			file:    "preset: mediawiki\nbuild:\n  docroot: web\n",
		},
		"WordPress below": {
			files:   []string{"web/wp-config-sample.php", "web/index.php", "README.md"},
			reasons: []string{"preset wordpress: web/wp-config-sample.php", "build.docroot web: web/wp-config-sample.php"},
			file:    "preset: wordpress\nbuild:\n  docroot: web\n",
		},
		"theme": {
			files: []string{
				"wp-load.php", "wp-content/themes/ours/package.json {\"scripts\": {\"production\": \"mix\"}}", "wp-content/themes/ours/package-lock.json",
				"wp-content/themes/theirs/package.json {\"scripts\": {\"build\": \"vite build\"}}",
			},
			reasons: []string{
				"preset wordpress: wp-load.php",
				"build.frontend.dir wp-content/themes/ours: wp-content/themes/ours/package.json has the script production",
			},
			notes: []string{"wp-content/themes/theirs/package.json has a script build, too; only one front end is built."},
			file:  "preset: wordpress\nbuild:\n  frontend: {dir: wp-content/themes/ours, script: production}\n",
		},
		"MediaWiki": {
			files: []string{
				"index.php", "includes/WebStart.php", "maintenance/update.php", "vendor/autoload.php", "composer.json {}",
				`package.json {"scripts": {"build": "x"}}`, "package-lock.json",
			},
			reasons: []string{"preset mediawiki: includes/WebStart.php"},
			file:    "preset: mediawiki\n",
		},
		"Drupal": {
			files:   []string{`composer.json {"require": {"drupal/core-recommended": "^11"}, "extra": {"drupal-scaffold": {"locations": {"web-root": "docroot/"}}}}`, "composer.lock {}"},
			reasons: []string{"preset drupal: composer.json requires drupal/core-recommended", "build.docroot docroot: composer.json requires drupal/core-recommended"},
			file:    "preset: drupal\nbuild:\n  docroot: docroot\n",
		},
		"Drupal without Composer": {
			files:   []string{"core/lib/Drupal.php", "index.php", "composer.json {}", "vendor/autoload.php"},
			reasons: []string{"preset drupal: core/lib/Drupal.php", "build.docroot .: core/lib/Drupal.php", "build.composer none: vendor/autoload.php is in the repository"},
			file:    "preset: drupal\nbuild:\n  docroot: .\n  composer: null\n",
		},
		"Drupal without a lock": {
			files:   []string{"web/core/lib/Drupal.php", "composer.json {}"},
			reasons: []string{"preset drupal: web/core/lib/Drupal.php"},
			notes:   []string{"composer.json has no composer.lock: run composer update and commit it, as an image is made of what it names."},
			file:    "preset: drupal\n",
		},
		"CodeIgniter": {
			files:   []string{"spark", "public/index.php", "public/.htaccess", `composer.lock {"packages": [{"name": "codeigniter4/framework", "require": {"ext-intl": "*", "php": "^8.1"}}], "platform": []}`},
			reasons: []string{"preset codeigniter: spark", "build.composer yes: composer.lock"},
			file:    "preset: codeigniter\nbuild:\n  composer: {}\n",
		},
		"PHP with packages": {
			files: []string{"public/index.php", "public/.htaccess", `composer.lock {"packages": [
				{"name": "a/b", "require": {"ext-pdo_mysql": "*", "ext-gd": "*", "ext-json": "*", "ext-iconv": "*", "ext-imagick": "*"}},
				{"name": "c/d", "require": {"ext-mongo-classic": "*", "ext-ctype": "*"}, "provide": {"ext-imagick": "*"}}], "platform": {"ext-sodium": "*"}}`},
			reasons: []string{
				"preset php: public/index.php", "build.docroot public: public/index.php", "build.composer yes: composer.lock",
				"build.php.extensions gd, mysql besides the usual ones: composer.lock requires them",
			},
			notes: []string{"composer.lock requires the PHP extension mongo-classic, which Debian trixie (PHP 8.4) does not package."},
			file:  "build:\n  docroot: public\n  php: {extensions: [curl, mbstring, xml, zip, gd, mysql]}\n  composer: {}\n",
		},
		"PHP and a Dockerfile": {
			files:   []string{"index.php", "Dockerfile"},
			reasons: []string{"preset php: index.php"},
			notes:   []string{"Dockerfile is not used: sitectl makes the image itself. With build.dockerfile: Dockerfile it builds that instead."},
			file:    "",
		},
		"Dockerfile": {
			files: []string{"Dockerfile", "main.py"},
			reasons: []string{
				"preset php: Dockerfile", "build.dockerfile Dockerfile: nothing else says how the site is made",
				"web.health.path /: an image of the site's own has no /.sitectl/health",
			},
			notes: []string{"The image of the Dockerfile has to listen on port 8080 and run as a user that is not root."},
			file:  "build:\n  dockerfile: Dockerfile\nweb:\n  health: {path: /}\n",
		},
		"front end": {
			files: []string{`package.json {"scripts": {"build": "vite build"}, "devDependencies": {"vite": "1"}, "dependencies": {"vue": "3"}}`},
			reasons: []string{
				"preset php: package.json has the script build", "build.docroot dist: package.json has the script build",
				"build.frontend.output dist: where most tools write to",
				"build.fallback /index.html: paths are the business of the script in the browser",
				"build.php.extensions none: what is served is not PHP",
			},
			notes: []string{"package.json has no package-lock.json: run npm install and commit it, as an image is made of what it names."},
			file:  "build:\n  docroot: dist\n  fallback: /index.html\n  php: {extensions: []}\n  frontend: {output: dist}\n",
		},
		"pages": {
			files: []string{`package.json {"scripts": {"build": "eleventy --output=x"}, "devDependencies": {"@11ty/eleventy": "3"}}`, "package-lock.json"},
			reasons: []string{
				"preset php: package.json has the script build", "build.docroot _site: package.json has the script build",
				"build.frontend.output _site: where Eleventy writes to", "build.php.extensions none: what is served is not PHP",
			},
			file: "build:\n  docroot: _site\n  php: {extensions: []}\n  frontend: {output: _site}\n",
		},
		"static": {
			files:   []string{"htdocs/index.html"},
			reasons: []string{"preset php: htdocs/index.html", "build.docroot htdocs: htdocs/index.html", "build.php.extensions none: there is no PHP"},
			file:    "build:\n  docroot: htdocs\n  php: {extensions: []}\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			detection, err := Detect(tree(test.files...), "")
			require.NoError(t, err)
			var reasons []string
			for _, reason := range detection.Reasons {
				reasons = append(reasons, reason.String())
			}
			assert.Equal(t, test.reasons, reasons)
			assert.Equal(t, test.notes, detection.Notes)
			file, err := detection.File("example.com", "registry.example.com/agency/example-com")
			require.NoError(t, err)
			assert.Equal(t, head+test.file, string(file))
			_, err = Parse("site.yaml", file, "")
			assert.NoError(t, err)
		})
	}
}

func TestDetectNothing(t *testing.T) {
	for _, files := range [][]string{nil, {"README.md"}, {"package.json {}"}, {"package.json {"}} {
		_, err := Detect(tree(files...), "")
		assert.ErrorIs(t, err, ErrNoSite)
	}
}

// TestDetectAsTold: a preset that was given is taken, whatever is there.
func TestDetectAsTold(t *testing.T) {
	for _, preset := range presets {
		detection, err := Detect(tree("README.md"), Preset(preset))
		require.NoError(t, err)
		assert.Equal(t, Preset(preset), detection.Preset)
		firstFile(t, detection)
	}
	detection, err := Detect(tree("public/index.php", "wp-load.php"), PHP)
	require.NoError(t, err)
	assert.Contains(t, firstFile(t, detection), "docroot: public")
}

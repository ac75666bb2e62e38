package builder

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with a file of testdata/golden/build, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("..", "testdata", "golden", "build", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "write it with: go test ./builder -update")
	assert.Equal(t, string(want), got)
}

func phpSite() site.Site {
	return site.Site{
		Address: "example.com",
		Image:   "registry.example.com/agency/example-com",
		Preset:  site.PHP,
		Build:   site.Build{Base: "debian:trixie-slim", Docroot: "."},
	}
}

func wordpressSite() site.Site {
	s := phpSite()
	s.Preset = site.WordPress
	s.Build = site.Build{
		Base: "debian:bookworm-slim", Docroot: "web", Fallback: "/index.php",
		PHP: site.BuildPHP{
			Extensions: []string{"mysql", "intl", "gd", "mysqli", "json", "dom"},
			Ini: map[string]string{
				"memory_limit": "256M", "date.timezone": "Europe/Paris", "error_reporting": "E_ALL & ~E_DEPRECATED",
				"apc.shm_size": "64M; still the value", "sendmail_path": "/usr/sbin/sendmail -t -i",
			},
		},
	}
	s.Files = &site.Files{Volume: &site.FilesVolume{Path: "web/wp-content/uploads"}}
	return s
}

func drupalSite() site.Site {
	s := phpSite()
	s.Preset = site.Drupal
	s.Build.Docroot, s.Build.Fallback, s.Build.Composer = "web", "/index.php", &site.Composer{}
	s.Files = &site.Files{Volume: &site.FilesVolume{Path: "web/sites/default/files", Also: []string{"web/sites/shop/files"}}}
	s.Writable = []string{"var/cache"}
	return s
}

func mediawikiSite() site.Site {
	s := phpSite()
	s.Preset = site.MediaWiki
	s.Files = &site.Files{Volume: &site.FilesVolume{Path: "images"}}
	return s
}

func TestRecipe(t *testing.T) {
	for name, s := range map[string]site.Site{"php": phpSite(), "wordpress": wordpressSite(), "drupal": drupalSite(), "mediawiki": mediawikiSite()} {
		t.Run(name, func(t *testing.T) {
			dockerfile, err := Dockerfile(s)
			require.NoError(t, err)
			golden(t, name+"/Dockerfile", dockerfile)
			files, err := Configuration(s)
			require.NoError(t, err)
			golden(t, name+"/apache2.conf", files["etc/apache2/apache2.conf"])
			golden(t, name+"/site.ini", files["etc/php/site.ini"])
		})
	}
}

func TestConfigurationFiles(t *testing.T) {
	wordpress := []string{
		"usr/local/share/sitectl/wordpress/constants.php", "usr/local/share/sitectl/wordpress/cron.php",
		"usr/local/share/sitectl/wordpress/migrate.php", "usr/local/share/sitectl/wordpress/docroot",
	}
	bedrock := slices.Concat(wordpress, []string{
		"usr/local/share/sitectl/wordpress/bedrock.php", "var/www/site/config/environments/production.php", "var/www/site/wp-config.php",
	})
	drupal := []string{
		"usr/local/share/sitectl/drupal/settings.php", "usr/local/share/sitectl/drupal/migrate.php",
		"var/www/site/web/sites/default/settings.php", "var/www/site/web/sites/default/settings.local.php",
	}
	mediawiki := []string{
		"usr/local/share/sitectl/mediawiki/settings.php", "usr/local/share/sitectl/mediawiki/maintenance.php",
		"usr/local/share/sitectl/mediawiki/migrate.php", "usr/local/share/sitectl/mediawiki/cron.php",
		"usr/local/share/sitectl/mediawiki/docroot", "var/www/site/w/LocalSettings.php",
	}
	composer := &site.Composer{}
	always := []string{"etc/apache2/apache2.conf", "etc/php/site.ini", "usr/local/share/sitectl/health.php"}
	tests := map[string]struct {
		preset   site.Preset
		docroot  string
		composer *site.Composer
		want     []string
	}{
		"php":                        {site.PHP, ".", nil, nil},
		"php with Composer":          {site.PHP, ".", composer, nil},
		"wordpress at the root":      {site.WordPress, ".", nil, append(wordpress, "var/www/wp-config.php")},
		"wordpress in a folder":      {site.WordPress, "web", nil, append(wordpress, "var/www/site/wp-config.php")},
		"wordpress in a deep folder": {site.WordPress, "a/b", nil, append(wordpress, "var/www/site/a/wp-config.php")},
		"bedrock":                    {site.WordPress, "web", composer, bedrock},
		"mediawiki":                  {site.MediaWiki, "w", nil, mediawiki},
		"drupal":                     {site.Drupal, "web", composer, drupal},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := phpSite()
			s.Preset, s.Build.Docroot, s.Build.Composer = test.preset, test.docroot, test.composer
			files, err := Configuration(s)
			require.NoError(t, err)
			assert.ElementsMatch(t, append(test.want, always...), slices.Collect(maps.Keys(files)))
			for name, content := range files {
				assert.NotEmpty(t, content, name)
			}
		})
	}
}

// hostile are values that would change the structure of what they are put
// into, were they not quoted or refused.
var hostile = []string{
	`"`, `'`, "`id`", `$(id)`, `${HOME}`, `$HOME`, `\`, `\"`, "a\nRUN id", "a\r\nRUN id", "a \\\nb", "a\x00b", "a\tb",
	`a" "b`, `a; id`, `a && id`, `a | id`, `# comment`, `{{base}}`, `{{{base}}}`, `{{#packages}}`, `{{/packages}}`,
	`--platform=x`, `a AS b`, ` `, ``, `<<EOF`, `["a","b"]`, `a,b`, `a=b`, `%{ENV:HOME}`, `</Directory>`,
	"x\n</Directory>\nRequire all granted", `x> Require all granted`, "x\nauto_prepend_file = /tmp/x", `; x`, `[PATH=/]`,
	`é日本`, "a\u2028b", strings.Repeat("a", 5000),
}

// instructionsOf parses a Dockerfile the way BuildKit does.
func instructionsOf(t *testing.T, dockerfile string) []string {
	t.Helper()
	parsed, err := parser.Parse(strings.NewReader(dockerfile))
	require.NoError(t, err)
	stages, global, err := instructions.Parse(parsed.AST, nil)
	require.NoError(t, err)
	require.Empty(t, global)
	require.Len(t, stages, 1)
	names := []string{"FROM as " + stages[0].Name}
	for _, command := range stages[0].Commands {
		names = append(names, command.Name())
	}
	return names
}

func TestNoValueChangesTheDockerfile(t *testing.T) {
	plain, err := Dockerfile(phpSite())
	require.NoError(t, err)
	want := instructionsOf(t, plain)
	assert.Equal(t, []string{
		"FROM as ", "RUN", "ENV", "USER", "EXPOSE", "STOPSIGNAL", "CMD",
	}, want)
	for field, set := range map[string]func(*site.Site, string){
		"base":      func(s *site.Site, value string) { s.Build.Base = value },
		"extension": func(s *site.Site, value string) { s.Build.PHP.Extensions = []string{value} },
	} {
		for _, value := range hostile {
			s := phpSite()
			set(&s, value)
			dockerfile, err := Dockerfile(s)
			if err != nil {
				assert.ErrorContains(t, err, "build.", "the error names the key")
				continue
			}
			assert.Equal(t, want, instructionsOf(t, dockerfile), "%s %q", field, value)
		}
	}
}

// structure is the first word of each line that is not a comment.
func structure(text string) []string {
	var words []string
	for line := range strings.Lines(text) {
		word := regexp.MustCompile(`^\s*[^\s=]*`).FindString(line)
		if word != "" && !strings.HasPrefix(word, "#") && !strings.HasPrefix(word, ";") {
			words = append(words, word)
		}
	}
	return words
}

func TestNoValueChangesTheConfiguration(t *testing.T) {
	base := wordpressSite()
	base.Build.PHP.Ini = map[string]string{"memory_limit": "1M"}
	files, err := Configuration(base)
	require.NoError(t, err)
	apache, ini := "etc/apache2/apache2.conf", "etc/php/site.ini"

	for field, set := range map[string]func(*site.Site, string){
		"docroot":   func(s *site.Site, value string) { s.Build.Docroot = value },
		"fallback":  func(s *site.Site, value string) { s.Build.Fallback = "/" + value },
		"files":     func(s *site.Site, value string) { s.Files.Volume = &site.FilesVolume{Path: value} },
		"ini value": func(s *site.Site, value string) { s.Build.PHP.Ini = map[string]string{"memory_limit": value} },
		"ini key":   func(s *site.Site, value string) { s.Build.PHP.Ini = map[string]string{value: "1"} },
	} {
		for _, value := range hostile {
			s := wordpressSite()
			s.Files = &site.Files{Volume: &site.FilesVolume{Path: "web/wp-content/uploads"}}
			s.Build.PHP.Ini = map[string]string{"memory_limit": "1M"}
			set(&s, value)
			got, err := Configuration(s)
			if err != nil {
				continue
			}
			assert.Equal(t, structure(files[apache]), structure(got[apache]), "%s %q", field, value)
			if field != "ini key" {
				assert.Equal(t, structure(files[ini]), structure(got[ini]), "%s %q", field, value)
			}
		}
	}
}

func TestIniKeysAreNames(t *testing.T) {
	for key, ok := range map[string]bool{
		"memory_limit": true, "opcache.enable": true, "date.timezone": true, "xdebug.client_host": true,
		"": false, "a b": false, "a=b": false, "[PATH=/]": false, "a\nb": false, "a.": false, ".a": false, ";a": false,
	} {
		_, err := phpIni(map[string]string{key: "1"})
		assert.Equal(t, ok, err == nil, "%q: %v", key, err)
	}
}

func TestErrorReportingIsAnExpression(t *testing.T) {
	for value, ok := range map[string]bool{
		"E_ALL": true, "22527": true, "E_ALL & ~(E_NOTICE | E_STRICT)": true,
		"": false, "E_ALL\nauto_prepend_file=/x": false, "${E_ALL}": false, `"E_ALL"`: false, "E_ALL ; x": false,
	} {
		_, err := phpIni(map[string]string{"error_reporting": value})
		assert.Equal(t, ok, err == nil, "%q: %v", value, err)
	}
}

func TestPackages(t *testing.T) {
	tests := map[string]struct {
		extensions []string
		want       []string
	}{
		"none":                    {nil, nil},
		"sorted, once":            {[]string{"intl", "gd", "intl"}, []string{"php-gd", "php-intl"}},
		"always there":            {[]string{"json", "opcache", "sodium", "tokenizer", "pdo", "ctype"}, nil},
		"by PHP's name":           {[]string{"pdo_mysql", "mysqli", "xsl", "dom", "pdo_sqlite"}, []string{"php-mysql", "php-sqlite3", "php-xml"}},
		"outside of PHP's source": {[]string{"apcu", "redis", "imagick"}, []string{"php-apcu", "php-imagick", "php-redis"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := packages(test.extensions)
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
	_, err := packages([]string{"gd; id"})
	assert.ErrorContains(t, err, "build.php.extensions")
}

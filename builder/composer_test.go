package builder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const runtimeReference = "registry.example.com/agency/runtime@sha256:0000000000000000000000000000000000000000000000000000000000000000"

// sample returns a site of testdata/sites and its files.
func sample(t *testing.T, name string) (site.Site, map[string]string) {
	t.Helper()
	dir := filepath.Join("..", "testdata", "sites", name)
	s, err := site.Read(filepath.Join(dir, "site.yaml"), "")
	require.NoError(t, err)
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(content)
		return err
	}))
	return s, files
}

// parse reads a Dockerfile as BuildKit does.
func parse(t *testing.T, dockerfile string) []instructions.Stage {
	t.Helper()
	parsed, err := parser.Parse(strings.NewReader(dockerfile))
	require.NoError(t, err)
	stages, _, err := instructions.Parse(parsed.AST, nil)
	require.NoError(t, err)
	return stages
}

func TestComposerStage(t *testing.T) {
	s, files := sample(t, "composer")
	st, err := composerStage(s, treeOf(t, files, nil), runtimeReference)
	require.NoError(t, err)
	golden(t, "composer/Dockerfile", st.dockerfile)
	assert.Equal(t, "composer", st.name)
	assert.Equal(t, groupVendor, st.group)
	assert.Equal(t, []string{"artifacts", "composer.json", "composer.lock", "packages", "web/modules/custom/greeting/src"}, st.inputs)
	stages := parse(t, st.dockerfile)
	assert.Equal(t, "scratch", stages[len(stages)-1].BaseName)
}

func TestNoComposerNoStage(t *testing.T) {
	st, err := composerStage(phpSite(), treeOf(t, map[string]string{"composer.json": "{}"}, nil), runtimeReference)
	require.NoError(t, err)
	assert.Nil(t, st)
}

func TestComposerInputs(t *testing.T) {
	const lock = `{"content-hash": "abc", "packages": [], "platform": []}`
	for _, test := range []struct {
		name, json string
		include    []string
		files      []string
		want       []string
	}{
		{"nothing but the list", `{}`, nil, []string{"src/a.php", "patches/a.patch"}, nil},
		{"empty lists of PHP", `{"autoload": [], "repositories": []}`, nil, nil, nil},
		{
			"autoload", `{"autoload": {"psr-4": {"A\\": "src/", "B\\": ["lib", "./more/"]}, "psr-0": {"C": "old/"}, "classmap": ["maps/*/classes"], "files": ["functions.php"]}}`, nil,
			[]string{"src/a", "lib/a", "more/a", "old/a", "maps/x/classes/a", "functions.php", "other/a"},
			[]string{"functions.php", "lib", "maps", "more", "old", "src"},
		},
		{"autoload of the root", `{"autoload": {"psr-4": {"": ""}}}`, nil, []string{"a.php"}, []string{"."}},
		{"autoload of what is not there", `{"autoload": {"psr-4": {"A\\": "web/core/lib", "B\\": "/srv", "C\\": "../up"}}}`, nil, []string{"a.php"}, nil},
		{"not for development", `{"autoload-dev": {"psr-4": {"A\\": "tests"}}}`, nil, []string{"tests/a.php"}, nil},
		{
			"repositories", `{"repositories": {"one": {"type": "path", "url": "packages/*"}, "two": {"type": "artifact", "url": "./zips/"}, "three": {"type": "vcs", "url": "https://example.com/a"}}}`, nil,
			[]string{"packages/a/composer.json", "zips/a.zip"},
			[]string{"packages", "zips"},
		},
		{"a list of repositories", `{"repositories": [{"type": "path", "url": "lib"}, {"packagist.org": false}]}`, nil, []string{"lib/composer.json"}, []string{"lib"}},
		{
			"patches", `{"extra": {"patches": {"a/b": {"Fix it": "patches/a.patch", "Another": "https://example.com/b.patch"}}, "patches-file": "patches.json"}}`, nil,
			[]string{"patches/a.patch", "patches/unused.patch", "patches.json"},
			[]string{"patches.json", "patches/a.patch"},
		},
		{"what the site file adds", `{"autoload": {"psr-4": {"A\\": "src/"}}}`, []string{"bin", "src", "."}, []string{"bin/console", "src/a"}, []string{".", "bin", "src"}},
		{"similar names", `{"autoload": {"psr-4": {"A\\": "src"}}}`, nil, []string{"src-old/a"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{"composer.json": test.json, "composer.lock": lock}
			for _, name := range test.files {
				files[name] = "x"
			}
			s := phpSite()
			s.Build.Composer = &site.Composer{Include: test.include}
			st, err := composerStage(s, treeOf(t, files, nil), runtimeReference)
			require.NoError(t, err)
			assert.ElementsMatch(t, append(test.want, "composer.json", "composer.lock"), st.inputs)
		})
	}
}

func TestComposerErrors(t *testing.T) {
	lock := `{"content-hash": "abc"}`
	for _, test := range []struct {
		name    string
		files   map[string]string
		include []string
		want    []string
	}{
		{"no files", map[string]string{"index.php": ""}, nil, []string{`build.composer: the commit has no file "composer.json"`, `build.composer: the commit has no file "composer.lock"`}},
		{"no lock", map[string]string{"composer.json": "{}"}, nil, []string{`build.composer: the commit has no file "composer.lock"`}},
		{"a conflict of git", map[string]string{"composer.json": "{}", "composer.lock": "<<<<<<< HEAD\n"}, nil, []string{`build.composer: read "composer.lock": invalid character`}},
		{"nothing to include", map[string]string{"composer.json": "{}", "composer.lock": lock}, []string{"patches"}, []string{`build.composer.include: the commit has no "patches"`}},
		{
			"a repository elsewhere",
			map[string]string{"composer.json": `{"repositories": [{"type": "path", "url": "../shared"}]}`, "composer.lock": lock},
			nil,
			[]string{`composer.json: the commit has no folder "../shared", the address of a path repository`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := phpSite()
			s.Build.Composer = &site.Composer{Include: test.include}
			_, err := composerStage(s, treeOf(t, test.files, nil), runtimeReference)
			var failed *BuildError
			require.ErrorAs(t, err, &failed)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestComposerExtensions(t *testing.T) {
	for _, test := range []struct {
		name, base, json, lock string
		extensions             []string
		want                   string
	}{
		{"nothing required", "debian:trixie-slim", `{}`, `{}`, nil, ""},
		{
			"missing", "debian:trixie-slim", `{}`,
			`{"platform": {"php": ">=8.1", "ext-gd": "*"}, "packages": [{"name": "a/b", "require": {"ext-intl": "*", "ext-json": "*", "c/d": "^1"}}, {"name": "c/d", "require": {"ext-INTL": "*"}}]}`,
			nil, "gd (for composer.json), intl (for a/b, c/d)",
		},
		{
			"there", "debian:trixie-slim", `{}`,
			`{"platform": {"ext-pdo_mysql": "*", "ext-dom": "*", "ext-zend-opcache": "*", "ext-readline": "*", "ext-pdo": "*"}}`,
			[]string{"mysql", "xml"},
			"",
		},
		{"under PHP's name", "debian:trixie-slim", `{}`, `{"platform": {"ext-mysqli": "*"}}`, []string{"pdo_mysql"}, ""},
		{
			"provided by a package", "debian:trixie-slim", `{}`,
			`{"packages": [{"name": "a/b", "require": {"ext-mbstring": "*"}}, {"name": "symfony/polyfill-mbstring", "provide": {"ext-mbstring": "*"}}]}`, nil, "",
		},
		{"declared to be there", "debian:trixie-slim", `{"config": {"platform": {"ext-imap": "1.0"}}}`, `{"platform": {"ext-imap": "*"}}`, nil, ""},
		{"for development only", "debian:trixie-slim", `{}`, `{"packages-dev": [{"name": "a/b", "require": {"ext-xdebug": "*"}}]}`, nil, ""},
		{"a base of the agency's own", "registry.example.com/php:8.4", `{}`, `{"platform": {"ext-swoole": "*"}}`, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := phpSite()
			s.Build.Base, s.Build.Composer, s.Build.PHP.Extensions = test.base, &site.Composer{}, test.extensions
			_, err := composerStage(s, treeOf(t, map[string]string{"composer.json": test.json, "composer.lock": test.lock}, nil), runtimeReference)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			var failed *BuildError
			require.ErrorAs(t, err, &failed)
			assert.EqualError(t, err, "composer.lock requires PHP extensions that the image will not have: "+test.want)
			assert.Equal(t, "add them to build.php.extensions", failed.Hint())
		})
	}
}

// TestDownloadsAreOfOneSite: what a site has downloaded with its logins is
// not there for another one.
func TestDownloadsAreOfOneSite(t *testing.T) {
	one, other := phpSite(), phpSite()
	other.Image += "-two"
	assert.Equal(t, cacheOf("npm", one), cacheOf("npm", one))
	assert.NotEqual(t, cacheOf("npm", one), cacheOf("npm", other))
	assert.NotEqual(t, cacheOf("npm", one), cacheOf("composer", one))
	assert.Regexp(t, `^npm-[0-9a-f]{16}$`, cacheOf("npm", one))
}

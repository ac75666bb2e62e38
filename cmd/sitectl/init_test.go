package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/site"
)

func TestPrompt(t *testing.T) {
	offer := answer{value: "example.com", why: "the folder"}
	for _, test := range []struct {
		name, typed string
		offer       answer
		want        string // empty for an error
		asked       int
	}{
		{"nothing to ask", "", answer{value: "sure.example.com", sure: true}, "sure.example.com", 0},
		{"agreed", "\n", offer, "example.com", 1},
		{"another", "shop.example.org\n", offer, "shop.example.org", 1},
		{"last line without an end", "shop.example.org", offer, "shop.example.org", 1},
		{"asked again", "https://example.org\n shop.example.org \n", offer, "shop.example.org", 2},
		{"nothing to agree to", "\nexample.org\n", answer{}, "example.org", 2},
		{"no answer", "", offer, "", 1},
		{"no right answer", "?!\n", offer, "", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			got, err := prompter{in: bufio.NewReader(strings.NewReader(test.typed)), out: &out}.ask(askAddress, test.offer)
			assert.Equal(t, test.asked, strings.Count(out.String(), "The site's address"), out.String())
			if test.want == "" {
				assert.ErrorContains(t, err, "nothing was written")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, got.value)
			assert.True(t, got.sure)
		})
	}
}

func TestPromptSilent(t *testing.T) {
	prompt := prompter{in: bufio.NewReader(strings.NewReader("")), out: io.Discard, silent: true}
	got, err := prompt.ask(askImage, answer{value: "registry.example.com/shop"})
	require.NoError(t, err)
	assert.Equal(t, "registry.example.com/shop", got.value)
	_, err = prompt.ask(askImage, answer{})
	assert.ErrorContains(t, err, "the repository for its images is not known")
}

func TestGuessAddress(t *testing.T) {
	for _, test := range []struct{ source, dir, want string }{
		{"https://github.com/agency/shop.example.org", "/srv/work", "shop.example.org"},
		{"https://github.com/agency/shop", "/srv/Shop.example.org", "shop.example.org"},
		{"https://github.com/agency/My_Shop", "/srv/work", "my-shop.example.com"},
		{"", "/srv/shop", "shop.example.com"},
		{"", "/srv/1.2", "1-2.example.com"},
		{"", "/", "site.example.com"},
	} {
		b := &beginning{source: test.source, worktree: site.Worktree{Dir: test.dir}}
		got := b.guessAddress("")
		assert.Equal(t, test.want, got.value)
		assert.False(t, got.sure)
		assert.True(t, site.IsAddress(got.value))
	}
	assert.Equal(t, answer{"told.example.com", "as told", true}, (&beginning{}).guessAddress("told.example.com"))
}

func TestGuessImage(t *testing.T) {
	const source, address = "https://gitlab.com/agency/shop", "www.example.com"
	one := []string{"registry.example.com"}
	for _, test := range []struct {
		name, flag, source string
		env                map[string]string
		registries         []string
		want               answer
	}{
		{"flag", "r.example.com/a", source, nil, one, answer{"r.example.com/a", "as told", true}},
		{"pipeline", "", source, map[string]string{"CI_REGISTRY_IMAGE": "r.example.com/b"}, one, answer{"r.example.com/b", "CI_REGISTRY_IMAGE", true}},
		{"remote", "", source, nil, one, answer{"registry.gitlab.com/agency/shop", "the git remote origin, " + source, true}},
		{"variable", "", "", map[string]string{"SITECTL_REGISTRY": "127.0.0.1:5000/"}, one, answer{"127.0.0.1:5000/www-example-com", "SITECTL_REGISTRY", false}},
		{"login", "", "https://git.example.com/agency/shop", nil, one, answer{"registry.example.com/www-example-com", "the one registry that docker is logged in to", false}},
		{"logins", "", "", nil, []string{"a.example.com", "b.example.com"}, answer{}},
		{"nothing", "", "", nil, nil, answer{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, guessImage(test.flag, test.source, address, test.registries, func(name string) string { return test.env[name] }))
		})
	}
}

func TestWriteFilesAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "there"), []byte("before"), 0o600))
	files := []initFile{{Path: "site.yaml", Content: "a"}, {Path: "a/b/c.yml", Content: "b"}, {Path: "there", Content: "after"}}
	err := writeFiles(dir, files)
	require.ErrorContains(t, err, "write there: ")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left of it")
	content, err := os.ReadFile(filepath.Join(dir, "there"))
	require.NoError(t, err)
	assert.Equal(t, "before", string(content))

	require.NoError(t, writeFiles(dir, files[:2]))
	content, err = os.ReadFile(filepath.Join(dir, "a", "b", "c.yml"))
	require.NoError(t, err)
	assert.Equal(t, "b", string(content))
}

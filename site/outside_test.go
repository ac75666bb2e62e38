package site

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOutside(t *testing.T) {
	const head = "site: example.com\nimage: registry.example.com/example\n"
	for _, test := range []struct {
		name, file string
		want       []string
	}{
		{"plain", "", nil},
		{"wordpress", "preset: wordpress", []string{"wp-content/uploads"}},
		{"wordpress in a folder", "{preset: wordpress, build: {docroot: web}}", []string{"web/wp-content/uploads"}},
		{"bedrock", "{preset: wordpress, build: {docroot: web}, files: {volume: {path: web/app/uploads}}}", []string{"web/app/uploads"}},
		{"drupal", "preset: drupal", []string{"web/sites/default/files", "web/sites/*/files"}},
		{"drupal elsewhere", "{preset: drupal, build: {docroot: .}}", []string{"sites/default/files", "sites/*/files"}},
		{"drupal without files", "{preset: drupal, files: null}", []string{"web/sites/*/files"}},
		{
			"codeigniter",
			"{build: {docroot: public}, files: {volume: {path: writable/uploads, also: [private]}}, writable: [writable/cache, writable/logs]}",
			[]string{"writable/cache", "writable/logs", "writable/uploads", "private"},
		},
		{"a theme", "build: {docroot: web, frontend: {dir: theme, output: dist}}", nil},
		{"a front end beside PHP", "build: {docroot: web, frontend: {output: web/build}}", nil},
		{"a front end alone", "build: {docroot: dist, frontend: {output: dist}}", []string{"*"}},
		{"a front end in a folder", "build: {docroot: app/dist/public, frontend: {dir: app, output: dist}}", []string{"app"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			site, err := Parse("site.yaml", []byte(flow(head, test.file)), "")
			require.NoError(t, err)
			assert.Equal(t, test.want, site.Outside())
		})
	}
}

// flow adds a mapping in either of YAML's styles to a file.
func flow(head, mapping string) string {
	if len(mapping) == 0 || mapping[0] != '{' {
		return head + mapping
	}
	return "{site: example.com, image: registry.example.com/example, " + mapping[1:]
}

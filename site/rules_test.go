package site

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestRules gives each rule what it takes and what it refuses.
func TestRules(t *testing.T) {
	for _, test := range []struct {
		name      string
		rule      func(string) bool
		good, bad []string
	}{
		{
			"isHost", isHost,
			[]string{"example.com", "localhost", "a-b.example.co.uk", "xn--bcher-kva.example"},
			[]string{"", "Example.com", "exa mple.com", "*.example.com", "bücher.example", "-a.com", "a..b", "10.0.0.1", "::1", "a_b.com", strings.Repeat("a.", 127) + "com"},
		},
		{
			"isWildcardHost", isWildcardHost,
			[]string{"*.example.com"},
			[]string{"", "*", "*.", "a.*.com", "*example.com", "example.com"},
		},
		{
			"isRepository", isRepository,
			[]string{"registry.example.com/agency/site", "127.0.0.1:5000/demo", "localhost/demo", "docker.io/agency/site"},
			[]string{"", "site", "agency/site", "registry.example.com/", "registry.example.com/a:1", "registry.example.com/a@sha256:00", "registry.example.com/A", `reg"istry.com/a`, "https://registry.example.com/a", "registry.example.com/a b", "registry.example.com//a", "registry.example.com/a/"},
		},
		{
			"isPinnedImage", isPinnedImage,
			[]string{"debian:trixie-slim", "registry.example.com:5000/a/b:1.2", "debian@sha256:" + strings.Repeat("0", 64), "debian:1@sha256:" + strings.Repeat("0", 64)},
			[]string{"", "debian", "localhost:5000/debian", "debian:", "debian:a b", "debian@sha256:0", `deb"ian.com/x:1`, "Debian:1"},
		},
		{
			"isInside", isInside,
			[]string{".", "web", "web/sites/default/files", ".well-known", "a..b"},
			[]string{"", "..", "../web", "/web", "web/", "./web", "web//a", "web/../a", "-rf", "a b", "a\nb", `a"b`, "a$b", "a*", "a:b", "ü"},
		},
		{
			"isURLPath", isURLPath,
			[]string{"/", "/healthz", "/index.php?q=a&b=%20c", "/a/b;c=d", "/~user/(x)"},
			[]string{"", "healthz", "//example.org/", "/a b", `/a"b`, "/a'b", "/a\nb", "/%zz", "/a#b", "/{{a}}", "/ü", `/a\b`, "http://example.com/"},
		},
		{
			"isDatabaseName", isDatabaseName,
			[]string{"site", "my-site_2", "A$"},
			[]string{"", "my site", "a;b", "a'b", "ü", strings.Repeat("a", 65)},
		},
		{
			"isBucket", isBucket,
			[]string{"files", "example.com", "a-1"},
			[]string{"", "ab", "Files", "my_files", "-files", "files/a", strings.Repeat("a", 64)},
		},
		{
			"isEndpoint", isEndpoint,
			[]string{"https://s3.example.com", "http://minio:9000", "http://10.0.0.1:9000", "http://[::1]:9000"},
			[]string{"", "s3.example.com", "ftp://s3.example.com", "https://s3.example.com/", "https://s3.example.com/a", "https://a b", "https://user@s3.example.com", "https://s3.example.com?a=b", "https://S3.example.com", "https://"},
		},
		{
			"isSize", isSize,
			[]string{"1Mi", "512Mi", "10Gi", "1.5Gi", "256M", "1048576", "2e9"},
			[]string{"", "0", "-1Gi", "512", "512m", "10GiB", "10 Gi", "1.0000001Mi", "Gi", "a"},
		},
		{
			"isCPU", isCPU,
			[]string{"1m", "50m", "0.5", "2", "2k"},
			[]string{"", "0", "-1", "0.5m", "1c", "half"},
		},
		{
			"isExtension", isExtension,
			[]string{"gd", "apcu-bc", "pdo_mysql", "json", "mycompany"},
			[]string{"", "GD", "php_intl", "a b", "-gd", "gd;id", "gd\n"},
		},
		{
			"isIniValue", isIniValue,
			[]string{"", "256M", "On", "a; b", "$HOME", "E_ALL & ~E_NOTICE", "it's"},
			[]string{`"`, `a\b`, "${HOME}"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, good := range test.good {
				assert.True(t, test.rule(good), "%q", good)
			}
			for _, bad := range test.bad {
				assert.False(t, test.rule(bad), "%q", bad)
			}
		})
	}
}

func TestContains(t *testing.T) {
	assert.True(t, contains(".", "web"))
	assert.True(t, contains("web", "web"))
	assert.True(t, contains("web", "web/public"))
	assert.False(t, contains("web", "website"))
	assert.False(t, contains("web/files", "web"))
}

func TestNearest(t *testing.T) {
	known := []string{"replicas", "resources", "maxSurge", "ini"}
	for word, want := range map[string]string{
		"replica": "replicas", "Replicas": "replicas", "resorces": "resources", "max_surge": "maxSurge",
		"maxsurge": "maxSurge", "int": "ini", "x": "", "": "", "something": "",
	} {
		assert.Equal(t, want, nearest(word, known), word)
	}
}

func TestNearestFew(t *testing.T) {
	known := []string{"sqlite3", "mysql", "mysqli", "mysqlnd", "pgsql", "gd"}
	assert.Equal(t, []string{"mysql", "mysqli", "mysqlnd"}, nearestFew("mysqll", known))
	assert.Empty(t, nearestFew("", known))
}

func TestOneOf(t *testing.T) {
	assert.Equal(t, "", oneOf(nil))
	assert.Equal(t, "a", oneOf([]string{"a"}))
	assert.Equal(t, "a or b", oneOf([]string{"a", "b"}))
	assert.Equal(t, "a, b or c", oneOf([]string{"a", "b", "c"}))
}

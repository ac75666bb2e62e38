package site

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOrigins(t *testing.T) {
	const file = `site: example.com
image: registry.example.com/example
preset: wordpress
build: {php: {ini: {memory_limit: 256M, opcache.enable: 1}}}
web:
  replicas: 3
  varnish: {}
cache: {memcached: {}}
environments:
  staging:
    web: {replicas: 1, varnish: null}
`
	resolved, err := Resolve("site.yaml", []byte(file), "staging")
	require.NoError(t, err)
	for path, want := range map[string]string{
		"site":                            "site.yaml:1:7",
		"preset":                          "site.yaml:3:9",
		"environment":                     "derived",
		"namespace":                       "derived",
		"ingress":                         "preset wordpress",
		"ingress.hosts":                   "derived",
		"build.base":                      "default",
		"build.php.extensions":            "preset wordpress",
		"build.php.extensions[7]":         "derived",
		"build.php.ini.memory_limit":      "site.yaml:4:35",
		`build.php.ini["opcache.enable"]`: "site.yaml:4:57",
		"web.replicas":                    "site.yaml:11:21",
		"web.varnish":                     "site.yaml:11:24",
		"web.rollout.maxSurge":            "default",
		"cache.memcached":                 "site.yaml:8:9",
		"cache.memcached.replicas":        "default",
		"files.volume.path":               "preset wordpress",
		"cron[0].name":                    "preset wordpress",
		"migrate.steps[0].command[0]":     "preset wordpress",
		"migrate.timeout":                 "default",
		"database.mariadb.image":          "default",
		"web.rollout.progressDeadline":    "default",
		"files.volume.accessMode":         "preset wordpress",
	} {
		require.Contains(t, resolved.Origins, path)
		assert.Equal(t, want, resolved.Origins[path].String(), path)
	}
	assert.NotContains(t, resolved.Origins, "web.varnish.memory", "of a section that was removed")
	assert.NotContains(t, resolved.Origins, "")
	assert.Equal(t, "staging", resolved.Origins["web.replicas"].Environment)
	assert.Empty(t, resolved.Origins["cache.memcached"].Environment)
	assert.Nil(t, resolved.Site.Web.Varnish)
}

// TestExtensionsAreOneImage shows that what one environment needs is in the
// image of all of them.
func TestExtensionsAreOneImage(t *testing.T) {
	const file = `site: example.com
image: registry.example.com/example
database: {mariadb: {}}
environments:
  production: {}
  staging: {database: null, cache: {memcached: {}}}
`
	for _, environment := range []string{"production", "staging"} {
		site, err := Parse("site.yaml", []byte(file), environment)
		require.NoError(t, err)
		assert.Equal(t, []string{"curl", "mbstring", "xml", "zip", "mysql", "memcached"}, site.Build.PHP.Extensions)
	}
}

func TestMerge(t *testing.T) {
	const head = "site: example.com\nimage: registry.example.com/example\n"
	for _, test := range []struct {
		name, file string
		check      func(*testing.T, Site)
	}{
		{"mappings merge", "build: {php: {ini: {a: 1}}}\nweb: {replicas: 3, rollout: {maxSurge: 2}}\nenvironments: {staging: {web: {rollout: {maxUnavailable: 1}}}}", func(t *testing.T, s Site) {
			assert.Equal(t, int32(3), s.Web.Replicas)
			assert.Equal(t, int32(2), s.Web.Rollout.MaxSurge)
			assert.Equal(t, int32(1), s.Web.Rollout.MaxUnavailable)
		}},
		{"lists replace", "secrets: [a, b]\nenvironments: {staging: {secrets: [c]}}", func(t *testing.T, s Site) {
			assert.Equal(t, []Secret{{Name: "c", For: []string{"web", "migrate", "cron"}}}, s.Secrets)
		}},
		{"an empty list replaces", "secrets: [a, b]\nenvironments: {staging: {secrets: []}}", func(t *testing.T, s Site) {
			assert.Nil(t, s.Secrets)
		}},
		{"null removes a section", "cache: {memcached: {}}\nenvironments: {staging: {cache: null}}", func(t *testing.T, s Site) {
			assert.Nil(t, s.Cache)
		}},
		{"null removes a free key", "build: {php: {ini: {memory_limit: null}}}", func(t *testing.T, s Site) {
			assert.Nil(t, s.Build.PHP.Ini)
		}},
		{"null removes an optional text", "context: a\nenvironments: {staging: {context: null}}", func(t *testing.T, s Site) {
			assert.Empty(t, s.Context)
		}},
		{"an environment adds a section that the file removes", "preset: wordpress\ningress: null\nenvironments: {staging: {ingress: {class: traefik}}}", func(t *testing.T, s Site) {
			assert.Equal(t, "traefik", s.Ingress.Class)
			assert.Equal(t, []string{"staging.example.com"}, s.Ingress.Hosts)
		}},
		{"search engines are for production", "environments: {production: {}, staging: {}}", func(t *testing.T, s Site) {
			assert.False(t, s.Ingress.Noindex)
		}},
		{"a file without environments is production", "", func(t *testing.T, s Site) {
			assert.False(t, s.Ingress.Noindex)
		}},
		{"and for whom else the file says", "environments: {staging: {ingress: {noindex: false}}}", func(t *testing.T, s Site) {
			assert.False(t, s.Ingress.Noindex)
		}},
		{"a section below a removed one", "preset: wordpress\nfiles: null\nenvironments: {staging: {files: {volume: {path: uploads}}}}", func(t *testing.T, s Site) {
			require.NotNil(t, s.Files)
			assert.Equal(t, FilesVolume{Path: "uploads", Size: "10Gi", AccessMode: "ReadWriteMany"}, *s.Files.Volume)
		}},
		{"every item gets its defaults", "cron: [{name: a, schedule: '@daily', command: [a]}, {name: b, schedule: '@daily', command: [b], timeout: 1m}]", func(t *testing.T, s Site) {
			assert.Equal(t, "1h", s.Cron[0].Timeout.String())
			assert.Equal(t, "1m", s.Cron[1].Timeout.String())
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			site, err := Parse("site.yaml", []byte(head+test.file), "")
			require.NoError(t, err)
			test.check(t, site)
		})
	}
}

func TestNamespaceAndHostDefaults(t *testing.T) {
	for _, test := range []struct{ environment, namespace, host string }{
		{"", "shop-example-com", "shop.example.com"},
		{"production", "shop-example-com", "shop.example.com"},
		{"staging", "shop-example-com-staging", "staging.shop.example.com"},
	} {
		assert.Equal(t, test.namespace, defaultNamespace("shop.example.com", test.environment))
		assert.Equal(t, test.host, defaultHost("shop.example.com", test.environment))
	}
}

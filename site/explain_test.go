package site

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExplain(t *testing.T) {
	for key, want := range map[string]Explanation{
		"site":                           {Key: "site", Type: "a host name in lower case, such as www.example.com", Required: true},
		"migrate.order":                  {Key: "migrate.order", Type: "before or after", Allowed: []any{"before", "after"}, Default: "before"},
		"web.replicas":                   {Key: "web.replicas", Type: "a whole number of at least 1", Default: 2.0},
		"web.verify.status":              {Key: "web.verify.status", Type: "a whole number from 100 to 599", Default: 200.0},
		"web.rollout.drainDelay":         {Key: "web.rollout.drainDelay", Type: "a time span of whole seconds above 0, such as 30s, 5m or 1h30m", Default: "10s"},
		"cron.schedule":                  {Key: "cron[].schedule", Type: `a schedule of five fields, such as "*/5 * * * *", "H * * * *" or "M H(2-4) * * *"`, Required: true},
		"cron[3].timeout":                {Key: "cron[].timeout", Type: "a time span of whole seconds above 0, such as 30s, 5m or 1h30m", Default: "1h"},
		"cron[].command[]":               {Key: "cron[].command[]", Type: "text"},
		"cron.command":                   {Key: "cron[].command", Type: "a list", Required: true},
		"build.php.ini":                  {Key: "build.php.ini", Type: "a mapping of names of your own, each with a value without quotes, backslashes and ${", Removable: true},
		`build.php.ini["a.b"]`:           {Key: `build.php.ini["a.b"]`, Type: "a value without quotes, backslashes and ${", Removable: true},
		"secrets.for":                    {Key: "secrets[].for", Type: "a list, each item web, migrate or cron", Removable: true},
		"ingress.tls.redirect":           {Key: "ingress.tls.redirect", Type: "true or false", Default: true},
		"environments.live.web.replicas": {Key: "environments.live.web.replicas", Type: "a whole number of at least 1", Default: 2.0},
		"isolation.networks":             {Key: "isolation.networks", Type: "a list, each item a network, such as 10.0.0.0/8", Removable: true},
	} {
		t.Run(key, func(t *testing.T) {
			got, err := Explain(key)
			require.NoError(t, err)
			if !strings.HasSuffix(key, "]") {
				assert.NotEmpty(t, got.Description)
			}
			got.Description = ""
			assert.Equal(t, want, got)
		})
	}
}

func TestExplainSection(t *testing.T) {
	for key, want := range map[string][]string{
		"web.health":   {"web.health.path"},
		"web.varnish":  {"web.varnish.image", "web.varnish.memory"},
		"secrets":      {"secrets[].name", "secrets[].for"},
		"secrets[0]":   {"secrets[].name", "secrets[].for"},
		"deploy":       {"deploy.mode", "deploy.deployments", "deploy.cronJobs", "deploy.container"},
		"cache":        {"cache.memcached", "cache.redis"},
		"web.replicas": nil,
	} {
		got, err := Explain(key)
		require.NoError(t, err)
		var keys []string
		for _, k := range got.Keys {
			keys = append(keys, k.Key)
			assert.Regexp(t, `^\S.*\.$`, k.Description)
		}
		assert.Equal(t, want, keys, key)
	}
}

// Every key can be explained by the path that it is listed under.
func TestExplainEveryKey(t *testing.T) {
	keys := Keys()
	require.Contains(t, keys, "web.rollout.maxSurge")
	require.Contains(t, keys, "environments")
	for _, key := range keys {
		e, err := Explain(key)
		require.NoError(t, err)
		assert.Equal(t, key, e.Key)
		assert.NotEmpty(t, e.Description, key)
		assert.NotEmpty(t, e.Type, key)
	}
}

func TestExplainUnknownKey(t *testing.T) {
	for key, hint := range map[string]string{
		"web.rollout.max_surge":      `did you mean "web.rollout.maxSurge"?`,
		"cron.shedule":               `did you mean "cron[].schedule"?`,
		"wb":                         `did you mean "web"?`,
		"maxSurge":                   "there is web.rollout.maxSurge",
		"replicas":                   "there is web.replicas and cache.memcached.replicas",
		"maxSurgee":                  "did you mean web.rollout.maxSurge?",
		"web.colour":                 "expected replicas, autoscale, holdDrains, resources, varnish, rollout, health or verify",
		"web.replicas.few":           "web.replicas has no keys",
		"environments.staging.wb":    `did you mean "environments.staging.web"?`,
		"environments.staging.build": "there is build",
		"":                           "write it as web.rollout.maxSurge, cron[0].schedule or cron.schedule",
		"web..replicas":              "write it as web.rollout.maxSurge, cron[0].schedule or cron.schedule",
		"cron[x]":                    "write it as web.rollout.maxSurge, cron[0].schedule or cron.schedule",
		"[0]":                        "write it as web.rollout.maxSurge, cron[0].schedule or cron.schedule",
		`build.php.ini["a`:           "write it as web.rollout.maxSurge, cron[0].schedule or cron.schedule",
	} {
		_, err := Explain(key)
		var unknown *UnknownKeyError
		require.ErrorAs(t, err, &unknown, key)
		assert.Equal(t, hint, unknown.Hint(), key)
	}
}

func TestExplainValues(t *testing.T) {
	const file = `site: example.com
image: registry.example.com/example
preset: wordpress
build: {php: {ini: {memory_limit: 256M, opcache.enable: 1}}}
web: {replicas: 3}
cron:
  - {name: one, schedule: "H * * * *", command: [one]}
  - {name: two, schedule: "@daily", command: [two, more], timeout: 5m}
environments:
  production:
  staging:
    web: {replicas: 1, varnish: null}
`
	resolved, err := Resolve("site.yaml", []byte(file), "staging")
	require.NoError(t, err)
	for key, want := range map[string][]string{
		"web.replicas":                    {"web.replicas = 1 (site.yaml:12:21 staging)"},
		"web.varnish":                     {"web.varnish = <nil> (site.yaml:12:24 staging)"},
		"web.varnish.image":               {"web.varnish = <nil> (site.yaml:12:24 staging)"},
		"web.rollout.maxSurge":            {"web.rollout.maxSurge = 1 (default)"},
		"namespace":                       {"namespace = example-com-staging (derived)"},
		"build.docroot":                   {"build.docroot = . (preset wordpress)"},
		"context":                         {"context = <nil> ()"},
		"cache":                           {"cache = <nil> ()"},
		"cron.schedule":                   {"cron[0].schedule = H * * * * (site.yaml:7:27)", "cron[1].schedule = @daily (site.yaml:8:27)"},
		"cron[1].timeout":                 {"cron[1].timeout = 5m (site.yaml:8:68)"},
		"cron[7].timeout":                 nil,
		"cron[].command":                  {"cron[0].command = [one] (site.yaml:7:40)", "cron[1].command = [two more] (site.yaml:8:37)"},
		"cron[1].command[1]":              {"cron[1].command[1] = more (site.yaml:8:52)"},
		"build.php.ini.memory_limit":      {"build.php.ini.memory_limit = 256M (site.yaml:4:35)"},
		`build.php.ini["opcache.enable"]`: {`build.php.ini["opcache.enable"] = 1 (site.yaml:4:57)`},
		"build.php.ini.other":             nil,
		"build.php.ini":                   {"build.php.ini = map[memory_limit:256M opcache.enable:1] (site.yaml:4:15)"},
		"web.health":                      {"web.health = map[path:/.sitectl/health] (default)"},
		"environments":                    {"environments = [production staging] ()"},
	} {
		t.Run(key, func(t *testing.T) {
			e, err := resolved.Explain(key)
			require.NoError(t, err)
			var got []string
			for _, v := range e.Values {
				got = append(got, strings.TrimSpace(fmt.Sprintf("%s = %v (%s", v.Key, v.Value, strings.TrimSpace(v.Origin.String()+" "+v.Origin.Environment)))+")")
			}
			assert.Equal(t, want, got)
		})
	}
}

func TestEnvironmentOfKey(t *testing.T) {
	for key, want := range map[string][2]string{
		"environments.staging.web.replicas": {"staging", "web.replicas"},
		"environments.staging":              {"", "environments.staging"},
		"environments":                      {"", "environments"},
		"web.replicas":                      {"", "web.replicas"},
	} {
		environment, rest := EnvironmentOfKey(key)
		assert.Equal(t, want, [2]string{environment, rest}, key)
	}
}

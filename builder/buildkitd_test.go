package builder

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDaemonSettings(t *testing.T) {
	b := newBuilder(t, Options{
		RegistryCA: testCA(t),
		RegistryMirrors: map[string]string{
			"docker.io": "https://mirror.example.com/hub", "quay.io": "http://127.0.0.1:5005",
		},
	})
	for _, image := range []string{"registry.example.com/agency/site", "127.0.0.1:5000/agency/site", "debian"} {
		_, err := b.repository(image)
		require.NoError(t, err)
	}
	d := &daemon{root: &cacheRoot{path: `/home/ada/.cache/"quoted"\`}, folder: "/tmp/sitectl-buildkitd-1"}
	settings, err := b.daemonSettings(d, launch{noProcessSandbox: true})
	require.NoError(t, err)
	golden(t, "buildkitd.toml", strings.ReplaceAll(settings, b.options.RegistryCA, "/ca.pem"))
}

// testCA is a PEM file with a certificate.
func testCA(t *testing.T) string {
	t.Helper()
	return newTestRegistry(t).ca
}

func TestLastWords(t *testing.T) {
	log := `time="2026-02-03T04:05:06Z" level=info msg="auto snapshotter: using overlayfs"
buildkitd: could not lock /root/.cache/buildkitd.lock, another instance running?
main.main.func3
	/src/cmd/buildkitd/main.go:340
github.com/urfave/cli/v3.(*Command).run
	/src/vendor/github.com/urfave/cli/v3/command_run.go:362
runtime.main
	/usr/local/go/src/runtime/proc.go:285
`
	assert.Equal(t, []string{
		`time="2026-02-03T04:05:06Z" level=info msg="auto snapshotter: using overlayfs"`,
		"buildkitd: could not lock /root/.cache/buildkitd.lock, another instance running?",
	}, lastWords(log))
	assert.Equal(t, []string{"3", "4", "5", "6", "7"}, lastWords("1\n2\n3\n4\n5\n6\n7"))
	assert.Empty(t, lastWords(""))
}

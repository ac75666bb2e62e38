//go:build lab

package builder

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The same commit is the same image, whoever builds it where: with a builder
// and a registry that have nothing yet, in another folder, another time zone
// and with another umask. Both registries have one address, as the names of
// repositories are part of an image.
func TestLabTwoWipedBuilders(t *testing.T) {
	proxy := newFaultProxy(t, http1, nil)
	s, dir := labSample(t, "composer")
	s.Image, s.Build.Runtime = proxy.host+"/agency/site", proxy.host+"/agency/runtime"
	write(t, dir, map[string]string{"assets/app.js": "alert(1)"})
	commitAll(t, dir)

	digests := map[string]string{}
	for _, builder := range []struct {
		name, zone string
		umask      int
	}{
		{"first", "UTC", 0o022},
		{"second", "Pacific/Auckland", 0o077},
	} {
		t.Run(builder.name, func(t *testing.T) {
			t.Setenv("TZ", builder.zone)
			before := syscall.Umask(builder.umask)
			defer syscall.Umask(before)
			proxy.registry = registry.New(registry.Logger(discard()))
			t.Setenv("SITECTL_REGISTRY_CA", bundle(t, proxy.ca, os.Getenv("SITECTL_REGISTRY_CA")))
			b, _ := freshBuilder(t)
			b.options.RegistryMirrors = labMirrors(t)
			var err error
			b.mirrors, err = newMirrors(labMirrors(t))
			require.NoError(t, err)
			clone := filepath.Join(t.TempDir(), builder.name)
			require.NoError(t, exec.Command("git", "clone", "--quiet", dir, clone).Run())
			image, report, err := buildClone(t, b, s, clone)
			require.NoError(t, err)
			layers, _ := report.NewLayers()
			assert.Len(t, report.Layers, layers, "nothing was there before")
			digests[builder.name] = image.Digest
		})
	}
	assert.NotEmpty(t, digests["first"])
	assert.Equal(t, digests["first"], digests["second"])
}

// bundle is a PEM file with the certificates of others.
func bundle(t *testing.T, files ...string) string {
	t.Helper()
	var all []byte
	for _, file := range files {
		pem, err := os.ReadFile(file)
		require.NoError(t, err)
		all = append(append(all, pem...), '\n')
	}
	path := filepath.Join(t.TempDir(), "bundle.pem")
	require.NoError(t, os.WriteFile(path, all, 0o600))
	return path
}

func buildClone(t *testing.T, b *Builder, s site.Site, dir string) (site.Image, Report, error) {
	t.Helper()
	repository, err := site.OpenRepository(t.Context(), dir)
	require.NoError(t, err)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	return buildCommit(t.Context(), b, s, repository, commit)
}

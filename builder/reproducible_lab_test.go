//go:build lab

package builder

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The same commit is the same image, whoever builds it where: with a builder
// and a registry that have nothing yet, in another folder, another time zone
// and with another umask, and by a user who is not root and has a rootless
// builder. All registries have one address, as the names of repositories are
// part of an image.
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
	t.Run("nobody", func(t *testing.T) {
		proxy.registry = registry.New(registry.Logger(discard()))
		t.Setenv("SITECTL_REGISTRY_CA", bundle(t, proxy.ca, os.Getenv("SITECTL_REGISTRY_CA")))
		freshBuilder(t) // for its environment
		digests["nobody"] = buildAsNobody(t, dir, proxy.host)
	})
	assert.NotEmpty(t, digests["first"])
	assert.Equal(t, digests["first"], digests["second"])
	assert.Equal(t, digests["first"], digests["nobody"])
}

// buildAsNobody builds a clone as another user, with a rootless buildkitd, and
// returns the digest.
func buildAsNobody(t *testing.T, dir, host string) string {
	t.Helper()
	wrapper, environment := asNobody(t, false)
	i := slices.IndexFunc(environment, func(variable string) bool { return strings.HasPrefix(variable, "HOME=") })
	clone := filepath.Join(strings.TrimPrefix(environment[i], "HOME="), "clone")
	require.NoError(t, exec.Command("git", "clone", "--quiet", dir, clone).Run())
	require.NoError(t, exec.Command("chown", "-R", "nobody:nogroup", clone).Run())
	arguments := append(wrapper, os.Args[0], "-test.run=^TestLabBuildOfNobody$", "-test.count=1", "-test.v")
	command := exec.Command(arguments[0], arguments[1:]...)
	command.Env = append(append(os.Environ(), theClone+"="+clone, theRegistry+"="+host), environment...)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	_, digest, _ := strings.Cut(string(output), "built ")
	digest, _, _ = strings.Cut(digest, "\n")
	return digest
}

const (
	theClone    = "SITECTL_TEST_CLONE"
	theRegistry = "SITECTL_TEST_REGISTRY"
)

// TestLabBuildOfNobody is no test but the build of buildAsNobody.
func TestLabBuildOfNobody(t *testing.T) {
	clone := os.Getenv(theClone)
	if clone == "" {
		return
	}
	b, err := New(Options{
		DockerConfig: os.Getenv("DOCKER_CONFIG"), RegistryCA: os.Getenv("SITECTL_REGISTRY_CA"), RegistryMirrors: labMirrors(t),
	})
	require.NoError(t, err)
	b.sockets = nil
	s, err := site.Read(filepath.Join(clone, "site.yaml"), "")
	require.NoError(t, err)
	s.Image, s.Build.Runtime = os.Getenv(theRegistry)+"/agency/site", os.Getenv(theRegistry)+"/agency/runtime"
	s.Build.Platform = "linux/" + runtime.GOARCH
	image, _, err := buildClone(t, b, s, clone)
	require.NoError(t, err)
	require.NoError(t, b.Close())
	fmt.Printf("built %s\n", image.Digest)
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

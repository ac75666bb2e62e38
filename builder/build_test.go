package builder

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// withRuntime is a site whose base and runtime the registry has, so that no
// BuildKit is needed. What BuildKit makes of them is for the lab.
func (r testRegistry) withRuntime(t *testing.T) site.Site {
	t.Helper()
	s := r.site()
	s.Build.Base = r.host + "/library/debian:trixie-slim"
	s.Build.Runtime = r.host + "/agency/runtime"
	b := r.builder(t)
	write := func(reference string, image v1.Image) {
		tag, err := name.NewTag(reference)
		require.NoError(t, err)
		repo, err := b.repository(tag.Context().Name())
		require.NoError(t, err)
		require.NoError(t, remote.Write(tag, image, repo.options(t.Context())...))
	}
	image, err := random.Image(100, 2)
	require.NoError(t, err)
	write(s.Build.Base, image)
	on, err := b.resolveBase(t.Context(), s)
	require.NoError(t, err)
	dockerfile, err := runtimeDockerfile(s, on.reference())
	require.NoError(t, err)
	image = mutate.ConfigMediaType(mutate.MediaType(image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Config(image, v1.Config{User: "10001:10001", Cmd: []string{"apache2"}})
	require.NoError(t, err)
	write(s.Build.Runtime+":"+runtimeTag(dockerfile, s.Build.Platform), image)
	return s
}

// checkout is a git repository, and the commits made in it.
type checkout struct {
	dir string
}

func newCheckout(t *testing.T, files map[string]string) checkout {
	t.Helper()
	c := checkout{dir: t.TempDir()}
	c.commit(t, files)
	return c
}

func (c checkout) commit(t *testing.T, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(c.dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	commitAll(t, c.dir)
}

func (c checkout) build(t *testing.T, b *Builder, s site.Site, options BuildOptions) (site.Image, Report, error) {
	t.Helper()
	repository, err := site.OpenRepository(t.Context(), c.dir)
	require.NoError(t, err)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	plan, err := b.Prepare(t.Context(), s, repository, commit, options)
	if err != nil {
		return site.Image{}, Report{}, err
	}
	defer plan.Close()
	return plan.Build(t.Context())
}

// manyFiles is a tree of about three megabytes, which is cut into pieces.
func manyFiles() map[string]string {
	files := map[string]string{"index.php": "<?php echo 1;"}
	for i := range 300 {
		name := fmt.Sprintf("lib/part-%02d/file-%03d.php", i/10, i)
		files[name] = strings.Repeat(fmt.Sprintf("// line of %s\n", name), 300)
	}
	return files
}

func TestBuild(t *testing.T) {
	registry := newTestRegistry(t)
	s, b := registry.withRuntime(t), registry.builder(t)
	code := newCheckout(t, manyFiles())
	image, report, err := code.build(t, b, s, BuildOptions{})
	require.NoError(t, err)
	assert.Empty(t, report.Previous)
	assert.Empty(t, report.Same)
	layers, _ := report.NewLayers()
	assert.Len(t, report.Layers, layers, "all is new")
	assert.Greater(t, layers, 5, "the tree is cut")
	assert.Equal(t, "runtime", report.Layers[0].Group)
	assert.Equal(t, "configuration", report.Layers[2].Group)
	assert.Equal(t, "code", report.Layers[layers-1].Group)

	t.Run("what runs", func(t *testing.T) {
		config, manifest := registry.read(t, s, image.Tag)
		assert.Equal(t, "10001:10001", config.Config.User, "as in the runtime")
		assert.Equal(t, site.CodeDir, config.Config.WorkingDir)
		assert.Equal(t, image.Commit.SHA, config.Config.Labels["org.opencontainers.image.revision"])
		assert.Equal(t, s.Build.Runtime, manifest.Annotations["org.opencontainers.image.base.name"])
		assert.Regexp(t, "^sha256:", manifest.Annotations["org.opencontainers.image.base.digest"])
		assert.True(t, config.Created.Equal(image.Commit.Time), "the time is the commit's")
		assert.Equal(t, types.OCIManifestSchema1, manifest.MediaType)
	})
	t.Run("one line", func(t *testing.T) {
		code.commit(t, map[string]string{"lib/part-07/file-075.php": "<?php echo 2;"})
		_, report, err := code.build(t, b, s, BuildOptions{})
		require.NoError(t, err)
		layers, _ := report.NewLayers()
		assert.Equal(t, 1, layers)
		assert.Equal(t, image.Tag, report.Previous)
	})
	t.Run("back again", func(t *testing.T) {
		code.commit(t, manyFiles())
		again, report, err := code.build(t, b, s, BuildOptions{})
		require.NoError(t, err)
		assert.Equal(t, image.Tag, report.Same)
		assert.Equal(t, image.Digest, again.Digest)
		assert.NotEqual(t, image.Tag, again.Tag)
		found, ok, err := b.Find(t.Context(), s, again.Commit)
		require.NoError(t, err)
		assert.True(t, ok)
		assert.Equal(t, image.Digest, found.Digest)
	})
}

// read returns configuration and manifest of a tag.
func (r testRegistry) read(t *testing.T, s site.Site, tag string) (*v1.ConfigFile, *v1.Manifest) {
	t.Helper()
	repo, err := r.builder(t).repository(s.Image)
	require.NoError(t, err)
	image, err := remote.Image(repo.name.Tag(tag), repo.options(t.Context())...)
	require.NoError(t, err)
	config, err := image.ConfigFile()
	require.NoError(t, err)
	manifest, err := image.Manifest()
	require.NoError(t, err)
	return config, manifest
}

// The image must not depend on what was there before it: a layer that was
// taken over is the layer that would have been made.
func TestBuildIsReproducible(t *testing.T) {
	registry := newTestRegistry(t)
	s := registry.withRuntime(t)
	files := manyFiles()
	code := newCheckout(t, files)
	_, _, err := code.build(t, registry.builder(t), s, BuildOptions{})
	require.NoError(t, err)
	code.commit(t, map[string]string{"lib/part-07/file-075.php": "<?php echo 2;"})
	incremental, _, err := code.build(t, registry.builder(t), s, BuildOptions{})
	require.NoError(t, err)

	elsewhere := s
	elsewhere.Image += "-elsewhere"
	fresh, report, err := code.build(t, registry.builder(t), elsewhere, BuildOptions{})
	require.NoError(t, err)
	layers, _ := report.NewLayers()
	assert.Len(t, report.Layers, layers)
	assert.Equal(t, fresh.Digest, incremental.Digest)

	maps.Copy(files, map[string]string{"lib/part-07/file-075.php": "<?php echo 3;"})
	other, _, err := newCheckout(t, files).build(t, registry.builder(t), s, BuildOptions{})
	require.NoError(t, err)
	assert.NotEqual(t, fresh.Digest, other.Digest)
}

// recorder counts requests by method and kind of object.
type recorder struct {
	http.RoundTripper
	mutex    sync.Mutex
	requests []string
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	r.mutex.Lock()
	r.requests = append(r.requests, request.Method+" "+request.URL.Path)
	r.mutex.Unlock()
	return r.RoundTripper.RoundTrip(request)
}

func TestBuildOfOneLineSendsOneLayer(t *testing.T) {
	registry := newTestRegistry(t)
	s, b := registry.withRuntime(t), registry.builder(t)
	code := newCheckout(t, manyFiles())
	_, _, err := code.build(t, b, s, BuildOptions{})
	require.NoError(t, err)
	code.commit(t, map[string]string{"index.php": "<?php echo 2;"})

	b = registry.builder(t)
	inner, err := b.transport(registry.host)
	require.NoError(t, err)
	recorded := &recorder{RoundTripper: inner}
	b.transports[registry.host] = recorded
	_, _, err = code.build(t, b, s, BuildOptions{})
	require.NoError(t, err)
	uploads := 0
	for _, request := range recorded.requests {
		if strings.HasPrefix(request, "POST ") {
			uploads++
		}
	}
	// What was sent is the layer, the configuration of the image, and the two
	// blobs of the provenance statement; one upload only asks whether it may.
	assert.Equal(t, 5, uploads, "%s", strings.Join(recorded.requests, "\n"))
	assert.Less(t, len(recorded.requests), 45, "%s", strings.Join(recorded.requests, "\n"))
}

func TestExplain(t *testing.T) {
	registry := newTestRegistry(t)
	s, b := registry.withRuntime(t), registry.builder(t)
	code := newCheckout(t, manyFiles())
	explain := func(s site.Site) Explanation {
		repository, err := site.OpenRepository(t.Context(), code.dir)
		require.NoError(t, err)
		commit, err := repository.Head(t.Context(), false)
		require.NoError(t, err)
		plan, err := b.Prepare(t.Context(), s, repository, commit, BuildOptions{})
		require.NoError(t, err)
		defer plan.Close()
		explanation, err := plan.Explain(t.Context())
		require.NoError(t, err)
		return explanation
	}
	assert.Empty(t, explain(s).Previous)
	image, _, err := code.build(t, b, s, BuildOptions{})
	require.NoError(t, err)
	assert.Empty(t, explain(s).Changed)
	assert.Equal(t, image.Tag, explain(s).Previous)

	code.commit(t, map[string]string{"index.php": "<?php echo 2;"})
	explanation := explain(s)
	assert.Equal(t, []string{"tree"}, explanation.Changed)
	assert.Equal(t, []string{"index.php"}, explanation.Files)

	s.Build.PHP.Ini = map[string]string{"memory_limit": "1G"}
	assert.Equal(t, []string{"tree", "settings"}, explain(s).Changed)
}

func TestImagesOf(t *testing.T) {
	assert.Equal(t, []string{"node:22", "debian:trixie-slim", "composer:2"}, imagesOf([]byte(
		"FROM node:22 AS Assets\nRUN make\nFROM debian:trixie-slim\nCOPY --from=assets /a /a\nCOPY --from=0 /b /b\nCOPY --from=composer:2 /c /c\n")))
	assert.Empty(t, imagesOf([]byte("FROM scratch\nCOPY . /\n")))
	assert.Equal(t, []string{"${BASE}"}, imagesOf([]byte("ARG BASE\nFROM ${BASE}\n")))
	assert.Equal(t, []string{":"}, imagesOf([]byte("nonsense")))
}

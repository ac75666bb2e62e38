package builder

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	r := newTestRegistry(t)
	registry, err := r.builder(t).repository(r.site().Image)
	require.NoError(t, err)
	dir := t.TempDir()
	var commits []site.Commit
	for _, content := range []string{"first", "never built", "third"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "index.php"), []byte(content), 0o600))
		commitAll(t, dir)
		repository, err := site.OpenRepository(t.Context(), dir)
		require.NoError(t, err)
		commit, err := repository.Head(t.Context(), false)
		require.NoError(t, err)
		commits = append(commits, commit)
	}
	repository, err := site.OpenRepository(t.Context(), dir)
	require.NoError(t, err)

	base, err := random.Image(1000, 2)
	require.NoError(t, err)
	require.NoError(t, remote.Write(registry.name.Tag(commits[0].Tag), base, registry.options(t.Context())...))
	layer, err := random.Layer(500, types.OCILayer)
	require.NoError(t, err)
	next, err := mutate.AppendLayers(base, layer)
	require.NoError(t, err)
	require.NoError(t, remote.Write(registry.name.Tag(commits[2].Tag), next, registry.options(t.Context())...))

	report, err := registry.report(t.Context(), repository, site.Image{Tag: commits[0].Tag, Commit: commits[0]})
	require.NoError(t, err)
	assert.Empty(t, report.Previous)
	layers, bytes := report.NewLayers()
	assert.Equal(t, 2, layers, "without an earlier image all is new")
	assert.Positive(t, bytes)

	report, err = registry.report(t.Context(), repository, site.Image{Tag: commits[2].Tag, Commit: commits[2]})
	require.NoError(t, err)
	assert.Equal(t, commits[0].Tag, report.Previous, "the nearest commit with an image")
	require.Len(t, report.Layers, 3)
	digest, err := layer.Digest()
	require.NoError(t, err)
	size, err := layer.Size()
	require.NoError(t, err)
	assert.Equal(t, Layer{Digest: digest.String(), Size: size, MediaType: string(types.OCILayer), New: true}, report.Layers[2])
	layers, bytes = report.NewLayers()
	assert.Equal(t, 1, layers)
	assert.Equal(t, size, bytes)
}

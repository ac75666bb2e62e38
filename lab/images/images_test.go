package images

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecipesAreComplete(t *testing.T) {
	seen := map[string]recipe{}
	for _, r := range recipes() {
		assert.NotContains(t, seen, r.Name)
		if r.Base != "" {
			assert.Contains(t, seen, r.Base, "%s comes after its base", r.Name)
			assert.NotNil(t, r.User, "%s has an account", r.Name)
			assert.NotEmpty(t, r.Packages, r.Name)
			assert.NotEmpty(t, r.Config.Entrypoint, r.Name)
		}
		_, err := r.key("")
		assert.NoError(t, err, "%s has its files", r.Name)
		seen[r.Name] = r
	}
}

func TestKeyChangesWithTheRecipe(t *testing.T) {
	key := func(r recipe, base string) string {
		key, err := r.key(base)
		require.NoError(t, err)
		return key
	}
	first := key(mariadb(), "base")
	assert.Equal(t, first, key(mariadb(), "base"))
	assert.NotEqual(t, first, key(mariadb(), "another base"))

	changed := mariadb()
	changed.Packages = append(changed.Packages, "less")
	assert.NotEqual(t, first, key(changed, "base"))

	changed = mariadb()
	changed.Files = "redis"
	assert.NotEqual(t, first, key(changed, "base"))
}

func buildNames(builds []*build) []string {
	names := []string{}
	for _, b := range builds {
		names = append(names, b.recipe.Name)
	}
	return names
}

// fill puts an image for each recipe into the store, as if it had been built.
func fill(t *testing.T, cache *store, all []recipe) map[string]v1.Image {
	t.Helper()
	images, keys := map[string]v1.Image{}, map[string]string{}
	for _, r := range all {
		key, err := r.key(keys[r.Base])
		require.NoError(t, err)
		image, err := random.Image(1<<10, 1)
		require.NoError(t, err)
		require.NoError(t, cache.put(image, r.Name, key))
		keys[r.Name], images[r.Name] = key, image
	}
	return images
}

func TestMissing(t *testing.T) {
	base := recipe{Name: "base:1", Suite: "trixie"}
	service := recipe{Name: "service:1", Base: "base:1", Packages: []string{"one"}}
	other := recipe{Name: "other:1", Suite: "bookworm"}
	changedService, changedBase := service, base
	changedService.Packages = []string{"two"}
	changedBase.Suite = "forky"

	tests := map[string]struct {
		cached, wanted []recipe
		want           []string
	}{
		"nothing cached":  {nil, []recipe{base, service, other}, []string{"base:1", "service:1", "other:1"}},
		"all cached":      {[]recipe{base, service, other}, []recipe{base, service, other}, []string{}},
		"changed service": {[]recipe{base, service, other}, []recipe{base, changedService, other}, []string{"service:1"}},
		"changed base":    {[]recipe{base, service, other}, []recipe{changedBase, service, other}, []string{"base:1", "service:1"}},
		"lost base":       {[]recipe{other}, []recipe{base, service, other}, []string{"base:1", "service:1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cache, err := openStore(t.TempDir())
			require.NoError(t, err)
			fill(t, cache, test.cached)
			builds, err := missing(cache, test.wanted)
			require.NoError(t, err)
			assert.Equal(t, test.want, buildNames(builds))
			for _, b := range builds {
				if b.recipe.Base != "" && len(builds) > 1 {
					assert.Same(t, builds[0], b.base, "it waits for its base")
				}
			}
		})
	}
}

func TestEnsureWithAllCached(t *testing.T) {
	folder := t.TempDir()
	cache, err := openStore(folder)
	require.NoError(t, err)
	fill(t, cache, recipes())
	stale, err := random.Image(1<<10, 1)
	require.NoError(t, err)
	require.NoError(t, cache.put(stale, "library/old:1", "key"))
	before := blobCount(t, folder)

	require.NoError(t, Ensure(t.Context(), folder, func(line string) { t.Errorf("reported %q", line) }))
	has, err := cache.has("library/old:1", "key")
	require.NoError(t, err)
	assert.False(t, has, "an image without a recipe is removed")
	assert.Equal(t, before-3, blobCount(t, folder), "with its manifest, configuration and layer")
}

func blobCount(t *testing.T, folder string) int {
	t.Helper()
	blobs, err := os.ReadDir(filepath.Join(folder, "blobs", "sha256"))
	require.NoError(t, err)
	return len(blobs)
}

func TestPutReplaces(t *testing.T) {
	cache, err := openStore(t.TempDir())
	require.NoError(t, err)
	fill(t, cache, []recipe{{Name: "a:1", Suite: "one"}})
	images := fill(t, cache, []recipe{{Name: "a:1", Suite: "two"}})

	_, manifest, err := cache.index()
	require.NoError(t, err)
	assert.Len(t, manifest.Manifests, 1)
	got, err := cache.image("a:1")
	require.NoError(t, err)
	want, err := images["a:1"].Digest()
	require.NoError(t, err)
	digest, err := got.Digest()
	require.NoError(t, err)
	assert.Equal(t, want, digest)
	_, err = cache.image("b:1")
	assert.ErrorContains(t, err, "image b:1 is not in the image cache")
}

func TestPruneRemovesWhatAKillLeaves(t *testing.T) {
	folder := t.TempDir()
	cache, err := openStore(folder)
	require.NoError(t, err)
	all := []recipe{{Name: "a:1", Suite: "one"}}
	fill(t, cache, all)
	before := blobCount(t, folder)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "blobs", "sha256", "abc1234567"), nil, 0o644))

	require.NoError(t, cache.prune(all))
	assert.Equal(t, before, blobCount(t, folder))
}

func TestAFailedBuildEndsTheOthers(t *testing.T) {
	failed := &build{recipe: recipe{Name: "base:1"}, done: make(chan struct{})}
	waiting := &build{recipe: recipe{Name: "service:1", Base: "base:1"}, base: failed, done: make(chan struct{})}
	// The folder of work cannot be made below a file.
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	err := buildAll(t.Context(), []*build{failed, waiting}, builder{work: filepath.Join(file, "work"), report: func(string) {}})
	assert.ErrorContains(t, err, "make image base:1")
}

func TestBuildsEndWithTheCause(t *testing.T) {
	cause := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	waiting := &build{base: &build{done: make(chan struct{})}, done: make(chan struct{})}
	assert.ErrorIs(t, buildAll(ctx, []*build{waiting}, builder{}), cause)
}

package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/sitectl/sitectl/site"
)

func TestManifestsChecksum(t *testing.T) {
	s := readSite(t, "everything", "production")
	image := testImage(s)
	sum := func(s site.Site) string {
		objects, err := Objects(s, image)
		require.NoError(t, err)
		sum, err := checksum(objects)
		require.NoError(t, err)
		return sum
	}
	first := sum(s)
	assert.Equal(t, first, sum(readSite(t, "everything", "production")))
	s.Web.Replicas++
	assert.NotEqual(t, first, sum(s))
}

// record writes an image down as shipped.
func (c *fakeCluster) record(image site.Image) Release {
	c.t.Helper()
	release, err := c.Begin(c.t.Context(), image)
	require.NoError(c.t, err)
	release, err = c.Record(c.t.Context(), release)
	require.NoError(c.t, err)
	return release
}

func TestCurrent(t *testing.T) {
	s := readSite(t, "plain", "")
	image := testImage(s)
	c := newFakeCluster(t, s)

	release, running, err := c.Current(t.Context(), image)
	require.NoError(t, err)
	assert.Nil(t, release)
	assert.False(t, running)

	objects, err := Objects(s, image)
	require.NoError(t, err)
	require.NoError(t, c.applyAll(t.Context(), in(StageWeb, objects)))
	_, running, err = c.Current(t.Context(), image)
	require.NoError(t, err)
	assert.False(t, running, "not recorded")

	recorded := c.record(image)
	assert.Equal(t, Shipped, recorded.Outcome)
	_, running, err = c.Current(t.Context(), image)
	require.NoError(t, err)
	assert.False(t, running, "not available")

	web := (&rollout{fakeCluster: c, name: "web"}).deployment().DeepCopy()
	web.Status = appsv1.DeploymentStatus{ObservedGeneration: web.Generation, Replicas: 2, UpdatedReplicas: 2, AvailableReplicas: 2}
	c.put(web)
	release, running, err = c.Current(t.Context(), image)
	require.NoError(t, err)
	assert.True(t, running)
	assert.Equal(t, recorded, *release)

	require.NoError(t, c.annotateWeb(t.Context(), map[string]any{restoredAnnotation: "20000101-000000-1a2b3c4"}))
	_, running, err = c.Current(t.Context(), image)
	require.NoError(t, err)
	assert.False(t, running, "its database was put back")
	require.NoError(t, c.annotate(t.Context(), recorded))

	other := image
	other.Digest = "sha256:other"
	_, running, err = c.Current(t.Context(), other)
	require.NoError(t, err)
	assert.False(t, running, "another image")

	c.site.Web.Replicas = 5
	_, running, err = c.Current(t.Context(), image)
	require.NoError(t, err)
	assert.False(t, running, "another site file")
}

func TestRecordLeavesThePodsAlone(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	objects, err := Objects(s, testImage(s))
	require.NoError(t, err)
	require.NoError(t, c.applyAll(t.Context(), in(StageWeb, objects)))
	r := &rollout{fakeCluster: c, name: "web"}
	before := r.deployment().DeepCopy()
	c.record(testImage(s))
	assert.Equal(t, before.Spec, r.deployment().Spec)
	require.NoError(t, c.applyAll(t.Context(), in(StageWeb, objects)))
	assert.Contains(t, r.deployment().Annotations, releaseAnnotation, "the next ship leaves the record in place")
}

func TestRecordOfAnotherFormatCountsAsNone(t *testing.T) {
	web := &appsv1.Deployment{}
	assert.Nil(t, recorded(web))
	web.Annotations = map[string]string{releaseAnnotation: "shipped yesterday"}
	assert.Nil(t, recorded(web))
}

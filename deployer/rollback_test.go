package deployer

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/site"
)

func numbers(releases []Release) []int {
	var list []int
	for _, release := range releases {
		list = append(list, release.Number)
	}
	return list
}

func TestBefore(t *testing.T) {
	shipped := func(number int, image string) Release {
		return Release{Number: number, Image: image, Outcome: Shipped}
	}
	back := func(number, to int, image string) Release {
		release := shipped(number, image)
		release.Back = to
		return release
	}
	failed := func(number int, image string) Release {
		return Release{Number: number, Image: image, Outcome: Failed}
	}
	for name, test := range map[string]struct {
		releases []Release // the latest first
		running  string
		want     int // 0 for none
	}{
		"none":                              {nil, "", 0},
		"the first one":                     {[]Release{shipped(1, "a")}, "a", 0},
		"the one before":                    {[]Release{shipped(2, "b"), shipped(1, "a")}, "b", 1},
		"one that was not shipped":          {[]Release{shipped(3, "c"), failed(2, "b"), shipped(1, "a")}, "c", 1},
		"a failure that changed nothing":    {[]Release{failed(3, "c"), shipped(2, "b"), shipped(1, "a")}, "b", 1},
		"a failure half-way":                {[]Release{failed(3, "c"), shipped(2, "b"), shipped(1, "a")}, "c", 2},
		"twice":                             {[]Release{back(4, 2, "b"), shipped(3, "c"), shipped(2, "b"), shipped(1, "a")}, "b", 1},
		"twice from the first":              {[]Release{back(3, 1, "a"), shipped(2, "b"), shipped(1, "a")}, "a", 0},
		"a release that went back, shipped": {[]Release{shipped(4, "d"), back(3, 1, "a"), shipped(2, "b"), shipped(1, "a")}, "d", 2},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := before(test.releases, test.running)
			if test.want == 0 {
				var none *NoReleaseError
				require.ErrorAs(t, err, &none)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, got.Number)
		})
	}
}

func TestNamed(t *testing.T) {
	commit := func(tag string) site.Commit { return site.Commit{Tag: tag, SHA: tag + "00000000"} }
	releases := []Release{
		{Number: 5, Commit: commit("1a2b3c4"), Outcome: Failed},
		{Number: 4, Commit: commit("2b3c4d5"), Outcome: Shipped},
		{Number: 3, Commit: commit("1a2b3c4"), Outcome: Shipped},
		{Number: 2, Commit: commit("1a2b3c4"), Outcome: Shipped},
	}
	for name, want := range map[string]int{"4": 4, "2": 2, "1a2b3c4": 3, "1a2b3c4000": 3, "2b3c4d5": 4} {
		got, err := named(releases, name)
		require.NoError(t, err, name)
		assert.Equal(t, want, got.Number, name)
	}
	for name, want := range map[string]string{
		"5":    "release 5 cannot be gone back to: its outcome was failed",
		"9":    "the history has no release 9",
		"1a2b": "the history has no release 1a2b",
	} {
		_, err := named(releases, name)
		assert.EqualError(t, err, want)
	}
}

func TestAcross(t *testing.T) {
	releases := []Release{
		{Number: 6},
		{Number: 5, Migrated: true, Outcome: Failed},
		{Number: 4, Migrated: true, Reversible: true},
		{Number: 3, Migrated: true},
		{Number: 2, Migrated: true},
	}
	assert.Equal(t, []int{5, 3}, numbers(across(releases, Release{Number: 2})))
	assert.Equal(t, []int{5}, numbers(across(releases, Release{Number: 4})))
	assert.Empty(t, across(releases, Release{Number: 5}))
}

// A release that is gone back to is what it was, to the last number: nothing
// of a cluster that is as it was then is changed.
func TestAtTakesTheObjectsOfThen(t *testing.T) {
	s := readSite(t, "everything", "production")
	c := newFakeCluster(t, s)
	then, err := c.Begin(t.Context(), testImage(s))
	require.NoError(t, err)
	want, err := c.objects(t.Context(), testImage(s))
	require.NoError(t, err)

	c.site.Web.Replicas = 9
	c.site.Web.Verify.Path = "/new"
	c.site.Cron = nil
	at, err := c.At(t.Context(), then)
	require.NoError(t, err)
	assert.Equal(t, s.Web.Verify, at.site.Web.Verify)
	assert.Equal(t, testImage(s), then.Built())

	got, err := at.objects(t.Context(), then.Built())
	require.NoError(t, err)
	assert.Equal(t, in(StageCron, want), in(StageCron, got))
	assert.Equal(t, in(StageWeb, want), in(StageWeb, got)[len(in(StageWeb, got))-len(in(StageWeb, want)):])
	assert.Empty(t, in(StageMigrate, got))
	assert.Empty(t, in(StageFoundation, got), "what holds data stays as it is")
	assert.Equal(t, "ConfigMap", in(StageWeb, got)[0].GetKind(), "configuration comes before the pods that read it")

	again, err := at.Begin(t.Context(), then.Built())
	require.NoError(t, err)
	assert.Equal(t, 1, again.Back)
	assert.Equal(t, 2, again.Number)
	assert.Equal(t, then.Manifests, again.Manifests, "a ship of that commit finds it running")
}

// What was shipped has passed its first pods; what is finished has not.
func TestFirstPodsOfAnEarlierRelease(t *testing.T) {
	s := readSite(t, "plain", "")
	s.Web.Rollout.Steps = []site.RolloutStep{{Pods: 1}}
	c := newFakeCluster(t, s)
	then, err := c.Begin(t.Context(), testImage(s))
	require.NoError(t, err)
	at, err := c.At(t.Context(), then)
	require.NoError(t, err)
	assert.Empty(t, at.site.Web.Rollout.Steps)
	resumed, err := c.Resume(t.Context(), then)
	require.NoError(t, err)
	assert.Equal(t, s.Web.Rollout.Steps, resumed.site.Web.Rollout.Steps)
}

func TestAtReportsARecordWithoutObjects(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "release-1", Namespace: s.Namespace}})
	_, err := c.At(t.Context(), Release{Number: 1})
	require.EqualError(t, err, "read ConfigMap release-1: it does not hold the objects of the release")
	_, err = c.At(t.Context(), Release{Number: 2})
	require.ErrorContains(t, err, "read ConfigMap release-2")
}

func TestPutBackWatchesUntilTheSiteIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := readSite(t, "plain", "")
		r := &rollout{fakeCluster: newFakeCluster(t, s), name: "web", image: testImage(s), result: make(chan error, 1)}
		then, err := r.Begin(t.Context(), r.image)
		require.NoError(t, err)
		bad := r.image
		bad.Tag, bad.Digest = "bad", "sha256:bad"
		r.applyWeb(bad)

		go func() { r.result <- r.PutBack(t.Context(), then) }()
		synctest.Wait()
		assert.Equal(t, then.Image, runningImage(r.deployment(), "web"))
		r.set("web-then")
		r.status(1, 2, 2)
		assert.True(t, r.going(), "a pod of the bad release is left")
		r.status(2, 2, 2)
		var unverified *VerifyError
		require.ErrorAs(t, <-r.result, &unverified, "it is asked for its page, too")
	})
}

func TestRestorable(t *testing.T) {
	assert.True(t, Restorable(&RolloutError{}))
	assert.True(t, Restorable(errors.New("apply Ingress web: refused")))
	assert.False(t, Restorable(errSuperseded))
	assert.False(t, Restorable(&UnreachableError{Err: errNoAnswer}))
}

// TestObjectsOfARecordStay has a caller drop some of them, as Plan does, before
// another one asks.
func TestObjectsOfARecordStay(t *testing.T) {
	s := readSite(t, "database", "")
	want, err := Objects(s, testImage(s))
	require.NoError(t, err)
	d := &Deployer{site: s, earlier: &earlier{whole: true, objects: slices.Clone(want)}}
	for range 2 {
		got, err := d.objects(t.Context(), testImage(s))
		require.NoError(t, err)
		require.Equal(t, want, got)
		clear(got)
	}
}

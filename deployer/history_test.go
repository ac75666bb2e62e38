package deployer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
)

func TestHistory(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	c.opts.By = "ada@laptop"
	require.NoError(t, c.applyAll(t.Context(), in(StageWeb, mustObjects(t, s))))

	releases, err := c.Releases(t.Context())
	require.NoError(t, err)
	assert.Empty(t, releases)

	first, err := c.Begin(t.Context(), testImage(s))
	require.NoError(t, err)
	assert.Equal(t, 1, first.Number)
	assert.Equal(t, Begun, first.Outcome)
	assert.Equal(t, "ada@laptop", first.By)
	assert.Equal(t, testImage(s).Reference(), first.Image)
	assert.NotEmpty(t, first.Manifests)
	first, err = c.Migrating(t.Context(), first)
	require.NoError(t, err)
	first, err = c.Record(t.Context(), first)
	require.NoError(t, err)
	assert.Equal(t, Shipped, first.Outcome)

	second, err := c.Begin(t.Context(), testImage(s))
	require.NoError(t, err)
	second, err = c.End(t.Context(), second, Failed, "roll out Deployment web: CrashLoopBackOff\n  log: line by line")
	require.NoError(t, err)
	assert.Equal(t, "roll out Deployment web: CrashLoopBackOff", second.Message)

	releases, err = c.Releases(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []Release{second, first}, releases, "the latest first")
	assert.True(t, releases[1].Migrated)
}

func TestBeginPassesOverARecordThatCannotBeRead(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "release-1", Namespace: s.Namespace}})
	release, err := c.Begin(t.Context(), testImage(s))
	require.NoError(t, err)
	assert.Equal(t, 2, release.Number)
}

func TestBeginReportsThatNothingCanBeWritten(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	c.clients.PrependReactor("create", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("etcdserver: mvcc: database space exceeded")
	})
	_, err := c.Begin(t.Context(), testImage(s))
	require.ErrorContains(t, err, "write ConfigMap release-1: etcdserver")
}

func TestEndKeepsAMessageShort(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	release, err := c.Begin(t.Context(), testImage(s))
	require.NoError(t, err)
	release, err = c.End(t.Context(), release, Failed, strings.Repeat("ä", longestMessage))
	require.NoError(t, err)
	assert.LessOrEqual(t, len(release.Message), longestMessage+len("…"))
	assert.True(t, strings.HasSuffix(release.Message, "ä…"))
}

func TestForgettable(t *testing.T) {
	history := func(outcomes ...Outcome) []Release {
		var releases []Release
		for i, outcome := range outcomes {
			releases = append(releases, Release{Number: len(outcomes) - i, Outcome: outcome})
		}
		return releases
	}
	kept := slices.Repeat([]Outcome{Shipped}, keptReleases)
	newer, older := []Outcome{Failed, Begun}, []Outcome{Failed, Shipped}
	assert.Empty(t, forgettable(nil))
	assert.Empty(t, forgettable(history(kept...)))
	assert.Empty(t, forgettable(history(slices.Concat(newer, kept)...)))
	assert.Equal(t, history(older...), forgettable(history(slices.Concat(newer, kept, older)...)))
}

func TestRecordForgetsOldReleases(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	require.NoError(t, c.applyAll(t.Context(), in(StageWeb, mustObjects(t, s))))
	for range keptReleases + 2 {
		c.record(testImage(s))
	}
	releases, err := c.Releases(t.Context())
	require.NoError(t, err)
	assert.Len(t, releases, keptReleases)
	assert.Contains(t, c.requests("delete"), "delete configmaps release-2")
	assert.Equal(t, fmt.Sprint("release-", keptReleases+2), recordName(releases[0].Number))
}

func TestInterruptedIsWrittenDownOnce(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	begun, err := c.Begin(t.Context(), testImage(s))
	require.NoError(t, err)
	told, err := c.Interrupted(t.Context(), begun)
	require.NoError(t, err)
	assert.True(t, told.Interrupted)
	releases, err := c.Releases(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []Release{told}, releases)

	before := len(c.clients.Actions())
	_, err = c.Interrupted(t.Context(), told)
	require.NoError(t, err)
	ended := begun
	ended.Outcome = Failed
	same, err := c.Interrupted(t.Context(), ended)
	require.NoError(t, err)
	assert.False(t, same.Interrupted, "its end is known")
	assert.Len(t, c.clients.Actions(), before, "nothing is asked or written")
}

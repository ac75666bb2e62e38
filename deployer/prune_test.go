package deployer

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/site"
)

// shipped applies and records what a site has now.
func (c *fakeCluster) shipped() {
	c.t.Helper()
	image := testImage(c.site)
	require.NoError(c.t, c.Apply(c.t.Context(), image))
	release, err := c.Begin(c.t.Context(), image)
	require.NoError(c.t, err)
	c.applyWeb()
	_, err = c.Record(c.t.Context(), release)
	require.NoError(c.t, err)
	c.lines = nil
}

func TestPruneRemovesWhatTheSiteDoesWithout(t *testing.T) {
	s := readSite(t, "everything", "production")
	s.Web.Autoscale = &site.Autoscale{Min: 2, Max: 4, CPU: 80}
	c := newFakeCluster(t, s)
	c.shipped()
	image := testImage(s)
	require.NoError(t, c.Prune(t.Context(), image))
	assert.Empty(t, c.requests("delete"), "nothing is left over")

	c.site.Web.Autoscale, c.site.Web.Varnish, c.site.Ingress = nil, nil, nil
	c.site.Database, c.site.Cache, c.site.Files, c.site.Cron = nil, nil, nil, nil
	c.site.Migrate.Backup = nil
	plan, err := c.Plan(t.Context(), image)
	require.NoError(t, err)
	var planned []string
	for _, change := range plan.Changes {
		if change.Action == ActionDelete {
			planned = append(planned, change.Kind+" "+change.Name)
		}
	}
	wanted := []string{
		"NetworkPolicy acme", "ConfigMap varnish", "PodDisruptionBudget memcache", "HorizontalPodAutoscaler web", "Ingress web",
	}
	assert.ElementsMatch(t, wanted, planned)

	c.shipped()
	require.NoError(t, c.Prune(t.Context(), image))
	for _, object := range wanted {
		assert.Contains(t, c.lines, object+" deleted, the site does without it")
	}
	assert.Len(t, c.requests("delete"), len(wanted))
	for _, object := range []string{"StatefulSet mysql", "StatefulSet memcache", "PersistentVolumeClaim files", "PersistentVolumeClaim backup"} {
		assert.True(t, slices.ContainsFunc(c.lines, func(line string) bool {
			return len(line) > len(object) && line[:len(object)] == object
		}), "%s is named", object)
	}
	assert.Contains(t, c.lines, "PersistentVolumeClaim files stays, as it may hold data, and the site does without it; "+
		"to remove it: kubectl -n example-com delete persistentvolumeclaim/files")
	for _, name := range []string{"database", "mysql-root"} {
		_, err := c.client.CoreV1().Secrets(s.Namespace).Get(t.Context(), name, metav1.GetOptions{})
		assert.NoError(t, err, "no Secret is ever removed")
	}
}

// What somebody else has made under the same name, or has taken over by
// removing the labels, is left alone.
func TestPruneLeavesAloneWhatIsNotOurs(t *testing.T) {
	s := readSite(t, "shop", "")
	c := newFakeCluster(t, s)
	c.shipped()
	autoscalers := c.client.AutoscalingV2().HorizontalPodAutoscalers(s.Namespace)
	web, err := autoscalers.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	web.Labels = map[string]string{"app.kubernetes.io/managed-by": "Helm"}
	_, err = autoscalers.Update(t.Context(), web, metav1.UpdateOptions{})
	require.NoError(t, err)
	c.site.Web.Autoscale = nil
	require.NoError(t, c.Prune(t.Context(), testImage(s)))
	assert.Empty(t, c.requests("delete"))
}

// A release that goes back removes what the one it leaves had.
func TestGoingBackPrunes(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	c.shipped()
	c.site.Web.Autoscale = &site.Autoscale{Min: 2, Max: 4, CPU: 80}
	c.shipped()
	releases, err := c.Releases(t.Context())
	require.NoError(t, err)
	back, err := c.At(t.Context(), releases[1])
	require.NoError(t, err)
	require.NoError(t, back.Prune(t.Context(), testImage(s)))
	assert.Equal(t, []string{
		"HorizontalPodAutoscaler web deleted, the site does without it",
		"Deployment web unchanged", // or its replicas are taken back
	}, c.lines)
}

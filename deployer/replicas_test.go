package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sitectl/sitectl/site"
)

// applyWeb applies what a release changes of the running site.
func (c *fakeCluster) applyWeb() {
	c.t.Helper()
	objects, err := Objects(c.site, testImage(c.site))
	require.NoError(c.t, err)
	require.NoError(c.t, c.applyAll(c.t.Context(), in(StageWeb, objects)))
}

func (c *fakeCluster) replicas() *int32 {
	c.t.Helper()
	web, err := c.client.AppsV1().Deployments(c.site.Namespace).Get(c.t.Context(), "web", metav1.GetOptions{})
	require.NoError(c.t, err)
	return web.Spec.Replicas
}

// An autoscaler that takes over finds as many pods as there were, and keeps
// its own number from then on.
func TestReplicasAreLeftToTheAutoscaler(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	c.site.Web.Replicas = 5
	require.NoError(t, c.Apply(t.Context(), testImage(s)))
	c.applyWeb()

	c.site.Web.Autoscale = &site.Autoscale{Min: 2, Max: 10, CPU: 80}
	plan, err := c.Plan(t.Context(), testImage(s))
	require.NoError(t, err)
	for _, change := range plan.Changes {
		if change.Kind == "Deployment" {
			assert.Equal(t, ActionNone, change.Action, change.Fields)
		}
	}
	c.applyWeb()
	assert.Equal(t, ptr.To[int32](5), c.replicas())
	assert.Contains(t, c.lines, "Deployment web: leaving spec.replicas (5) to its autoscaler")

	web, err := c.client.AppsV1().Deployments(s.Namespace).Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	web.Spec.Replicas = ptr.To[int32](8)
	_, err = c.client.AppsV1().Deployments(s.Namespace).Update(t.Context(), web, metav1.UpdateOptions{FieldManager: "kube-controller-manager"})
	require.NoError(t, err)
	c.lines = nil
	c.applyWeb()
	assert.Equal(t, ptr.To[int32](8), c.replicas())
	assert.Contains(t, c.lines, "Deployment web unchanged")

	c.site.Web.Autoscale = nil
	c.applyWeb()
	assert.Equal(t, ptr.To[int32](5), c.replicas(), "taken back")
}

// The number at the start is the autoscaler's, too.
func TestANewSiteLeavesItsReplicasOut(t *testing.T) {
	s := readSite(t, "shop", "")
	c := newFakeCluster(t, s)
	c.applyWeb()
	assert.Nil(t, c.replicas(), "one, until the autoscaler raises it")
}

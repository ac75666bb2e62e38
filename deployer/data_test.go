package deployer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/site"
)

// statefulSet reads one that Apply has made.
func (c *fakeCluster) statefulSet(name string) *appsv1.StatefulSet {
	c.t.Helper()
	set, err := c.clients.Tracker().Get(appsv1.SchemeGroupVersion.WithResource("statefulsets"), c.site.Namespace, name)
	require.NoError(c.t, err)
	return set.(*appsv1.StatefulSet).DeepCopy()
}

// becomesReady is what the StatefulSet's controller writes in the end.
func (c *fakeCluster) becomesReady(name string) {
	set := c.statefulSet(name)
	wanted := replicas(set.Spec.Replicas)
	set.Status = appsv1.StatefulSetStatus{ObservedGeneration: set.Generation, Replicas: wanted, ReadyReplicas: wanted, UpdatedReplicas: wanted}
	c.put(set)
}

func applied(t *testing.T) (*fakeCluster, site.Site) {
	s := readSite(t, "everything", "production")
	c := newFakeCluster(t, s)
	require.NoError(t, c.Apply(t.Context(), testImage(s)))
	return c, s
}

func TestDataWaitsForBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := applied(t)
		result := make(chan error, 1)
		go func() { result <- c.Data(t.Context()) }()
		synctest.Wait()
		assert.Empty(t, result)
		c.becomesReady("mysql")
		synctest.Wait()
		assert.Empty(t, result)
		c.becomesReady("memcache")
		require.NoError(t, <-result)
	})
}

func TestDataThatIsReadyIsNotWatched(t *testing.T) {
	c, _ := applied(t)
	c.becomesReady("mysql")
	c.becomesReady("memcache")
	c.clients.ClearActions()
	require.NoError(t, c.Data(t.Context()))
	assert.Equal(t, []string{"get statefulsets mysql", "get statefulsets memcache"}, c.requests("get", "list", "watch")[:2])
	assert.Empty(t, c.requests("watch"))
}

func TestDataReportsADatabaseThatCannotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := applied(t)
		result := make(chan error, 1)
		go func() { result <- c.Data(t.Context()) }()
		synctest.Wait()
		status := crashing(2)
		status.ContainerStatuses[0].Name = "mysql"
		c.put(&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: "mysql-0", Namespace: s.Namespace, UID: "Pod/mysql-0",
				OwnerReferences: controlledBy(c.statefulSet("mysql"), appsv1.SchemeGroupVersion.WithKind("StatefulSet")),
			},
			Spec:   corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{Name: "mysql"}}},
			Status: status,
		})
		var failure *RolloutError
		require.ErrorAs(t, <-result, &failure)
		assert.Equal(t, "StatefulSet mysql", failure.Workload)
		assert.Equal(t, "mysql-0", failure.Pod)
		assert.Equal(t, "CrashLoopBackOff", failure.Reason)
	})
}

func TestDataGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := applied(t)
		start := time.Now()
		var failure *RolloutError
		require.ErrorAs(t, c.Data(t.Context()), &failure)
		assert.Equal(t, "NotReady", failure.Reason)
		assert.InDelta(t, s.Web.Rollout.ProgressDeadline.Seconds(), time.Since(start).Seconds(), 2)
	})
}

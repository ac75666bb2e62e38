package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func names(things []Thing) []string {
	var list []string
	for _, thing := range things {
		list = append(list, thing.String())
	}
	return list
}

func TestDestroyLeavesTheData(t *testing.T) {
	s := readSite(t, "database", "")
	c := newFakeCluster(t, s)
	c.shipped()
	c.put(
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "by-hand", Namespace: s.Namespace}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Name: "kept", Namespace: s.Namespace, Labels: c.ownership(), Annotations: map[string]string{"sitectl.dev/keep": "true"},
		}},
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data-mysql-0", Namespace: s.Namespace}})
	plan, err := c.PlanDestroy(t.Context(), false)
	require.NoError(t, err)
	assert.Equal(t, "Ingress web", names(plan.Removed)[0], "the way in goes first")
	assert.Subset(t, names(plan.Removed), []string{"Deployment web", "StatefulSet mysql", "Service web", "ConfigMap site", "ConfigMap release-1"})
	assert.NotContains(t, names(plan.Removed), "ConfigMap by-hand")
	assert.Equal(t, []string{
		"ConfigMap kept", "PersistentVolumeClaim data-mysql-0", "Secret database", "Secret mysql-root", "Secret registry", "Namespace " + s.Namespace,
	}, names(plan.Kept))

	require.NoError(t, c.Destroy(t.Context(), plan))
	assert.Len(t, c.requests("delete"), len(plan.Removed))
	again, err := c.PlanDestroy(t.Context(), false)
	require.NoError(t, err)
	assert.Empty(t, again.Removed)
	assert.Equal(t, plan.Kept, again.Kept)
}

func TestDestroyWithData(t *testing.T) {
	s := readSite(t, "everything", "production")
	c := newFakeCluster(t, s)
	c.shipped()
	plan, err := c.PlanDestroy(t.Context(), true)
	require.NoError(t, err)
	assert.Empty(t, plan.Kept)
	assert.Subset(t, names(plan.Removed), []string{"PersistentVolumeClaim files, 5Gi", "Secret database", "Namespace " + s.Namespace})
	require.NoError(t, c.Destroy(t.Context(), plan))
	_, err = c.client.CoreV1().Namespaces().Get(t.Context(), s.Namespace, metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err))
	assert.Contains(t, c.lines, "Namespace example-com deleted")
}

func TestDestroyWhatIsNotThere(t *testing.T) {
	c := newFakeCluster(t, readSite(t, "plain", ""))
	plan, err := c.PlanDestroy(t.Context(), true)
	require.NoError(t, err)
	assert.Nil(t, plan)
}

// A namespace that was laid out by hand is not removed, whatever it is called.
func TestDestroyLeavesTheNamespaceOfSomebodyElse(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}})
	_, err := c.PlanDestroy(t.Context(), true)
	require.ErrorContains(t, err, "is not removed")
}

func TestPruneKeepsWhatIsMarked(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	c.shipped()
	ingresses := c.client.NetworkingV1().Ingresses(s.Namespace)
	ingress, err := ingresses.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	ingress.Annotations[keepAnnotation] = ""
	_, err = ingresses.Update(t.Context(), ingress, metav1.UpdateOptions{})
	require.NoError(t, err)
	c.site.Ingress = nil
	require.NoError(t, c.Prune(t.Context(), testImage(s)))
	assert.Empty(t, c.requests("delete"))
}

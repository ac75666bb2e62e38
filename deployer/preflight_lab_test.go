//go:build lab

package deployer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestLabPreflight has a real API server say what the fake one only plays.
func TestLabPreflight(t *testing.T) {
	l := newLabSite(t, smallSite+`
files: {volume: {path: uploads, size: 2Gi}}
cache: {memcached: {image: "memcached:1.6", memory: 16Mi}}
`)
	ctx, image := t.Context(), l.image("a000001", "serve")
	require.NoError(t, l.ship(image))
	deployments := l.client.AppsV1().Deployments(l.site.Namespace)

	_, err := deployments.Patch(ctx, "web", types.MergePatchType, []byte(`{"spec":{"minReadySeconds":7}}`), metav1.PatchOptions{FieldManager: "kubectl-edit"})
	require.NoError(t, err)
	_, err = l.client.AutoscalingV2().HorizontalPodAutoscalers(l.site.Namespace).Create(ctx, autoscalerOf(l.site, "web"), metav1.CreateOptions{})
	require.NoError(t, err)
	// Without a resourceVersion, as the controller writes the status beside it.
	_, err = deployments.UpdateScale(ctx, "web", &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: l.site.Namespace},
		Spec:       autoscalingv1.ScaleSpec{Replicas: 2},
	}, metav1.UpdateOptions{FieldManager: "kube-controller-manager"})
	require.NoError(t, err)
	require.NoError(t, l.Preflight(ctx, image))
	assert.Contains(t, l.lines, "warning: Deployment web: spec.minReadySeconds was set by kubectl-edit, and is taken over; what is to stay belongs into the site file")
	require.NoError(t, l.Roll(ctx, image))
	web, err := deployments.Get(ctx, "web", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, int32(2), *web.Spec.Replicas, "left to the autoscaler")
	assert.Equal(t, int32(1), web.Spec.MinReadySeconds, "taken over")

	_, err = l.client.CoreV1().ResourceQuotas(l.site.Namespace).Create(ctx, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "small"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("3")}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { // its controller counts
		quota, err := l.client.CoreV1().ResourceQuotas(l.site.Namespace).Get(ctx, "small", metav1.GetOptions{})
		return err == nil && quota.Status.Used.Pods().Value() >= 3
	}, time.Minute, 200*time.Millisecond)
	l.site.Files.Volume.Size = "1Gi"
	var found *PreflightError
	require.ErrorAs(t, l.Preflight(ctx, image), &found)
	assert.Equal(t, []string{
		"PersistentVolumeClaim files: its volume has 2Gi and cannot shrink to 1Gi",
		"ResourceQuota small: has no room for the rollout: it adds 1 of pods to 3, and 3 is the limit",
	}, messages(found.Findings))
}

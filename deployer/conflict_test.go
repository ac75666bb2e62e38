package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"github.com/sitectl/sitectl/site"
)

func conflictWith(fields map[string]string) error {
	var causes []metav1.StatusCause
	for field, message := range fields {
		causes = append(causes, metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict, Field: field, Message: message})
	}
	return apierrors.NewApplyConflict(causes, "Apply failed")
}

func TestConflictsOf(t *testing.T) {
	assert.Nil(t, conflictsOf(nil))
	assert.Nil(t, conflictsOf(apierrors.NewConflict(corev1.Resource("secrets"), "database", nil)), "a conflict of versions")
	assert.Equal(t, []conflict{
		{field: "spec.replicas", manager: "kubectl-scale", subresource: "scale"},
		{field: "spec.strategy.type", manager: "kubectl-edit"},
		{field: "spec.template", manager: "worded otherwise"},
	}, conflictsOf(conflictWith(map[string]string{
		".spec.strategy.type": `conflict with "kubectl-edit" using apps/v1`,
		".spec.replicas":      `conflict with "kubectl-scale" with subresource "scale" using apps/v1`,
		".spec.template":      "worded otherwise",
	})))
}

// hold has the API server refuse to apply the Deployment web without force
// because of these fields; it returns what is applied with it.
func (c *fakeCluster) hold(fields map[string]string) *[]*unstructured.Unstructured {
	var forced []*unstructured.Unstructured
	c.dyn.PrependReactor("patch", "deployments", func(action clienttesting.Action) (bool, runtime.Object, error) {
		patch := action.(clienttesting.PatchActionImpl)
		if force := patch.PatchOptions.Force; force != nil && *force {
			content := &unstructured.Unstructured{}
			require.NoError(c.t, content.UnmarshalJSON(patch.GetPatch()))
			forced = append(forced, content)
			return false, nil, nil
		}
		return true, nil, conflictWith(fields)
	})
	return &forced
}

func TestPreflightSaysWhatIsTakenOver(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}})
	c.version("v1.36.3")
	c.permit(anyone)
	c.hold(map[string]string{".spec.strategy.rollingUpdate.maxSurge": `conflict with "kubectl-edit" using apps/v1`})
	assert.Empty(t, c.findings())
	assert.Contains(t, c.lines, "warning: Deployment web: spec.strategy.rollingUpdate.maxSurge was set by kubectl-edit, "+
		"and is taken over; what is to stay belongs into the site file")
}

func TestPreflightRefusesToFightAController(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}})
	c.version("v1.36.3")
	c.permit(anyone)
	c.hold(map[string]string{".spec.minReadySeconds": `conflict with "kustomize-controller"`})
	assert.Equal(t, []string{
		"Deployment web: Flux (kustomize-controller) keeps spec.minReadySeconds at another value, and would set it back",
	}, c.findings())
}

func TestAnAutoscalerOfSomebodyElseKeepsItsReplicas(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}}, autoscalerOf(s, "web"))
	c.version("v1.36.3")
	c.permit(anyone)
	applied := c.hold(map[string]string{
		".spec.replicas":        `conflict with "kube-controller-manager" with subresource "scale" using apps/v1`,
		".spec.minReadySeconds": `conflict with "kubectl-patch" using apps/v1`,
	})
	assert.Empty(t, c.findings())
	objects, err := Objects(s, testImage(s))
	require.NoError(t, err)
	c.lines = nil
	require.NoError(t, c.applyAll(t.Context(), in(StageWeb, objects)))
	assert.Contains(t, c.lines, "Deployment web: taking over spec.minReadySeconds, set by kubectl-patch")
	require.Len(t, *applied, 2, "the dry run and the deploy")
	for _, object := range *applied {
		_, set, err := unstructured.NestedFieldNoCopy(object.Object, "spec", "replicas")
		require.NoError(t, err)
		assert.False(t, set)
	}
	_, rendered, err := unstructured.NestedFieldNoCopy(find(t, objects, "Deployment").Object, "spec", "replicas")
	require.NoError(t, err)
	assert.True(t, rendered, "what was rendered stays as it is")
}

// What an autoscaler has set that is gone is nobody's any more.
func TestReplicasOfAnAutoscalerThatIsGoneAreTakenOver(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}}, autoscalerOf(s, "worker"))
	applied := c.hold(map[string]string{
		".spec.replicas": `conflict with "kube-controller-manager" with subresource "scale" using apps/v1`,
	})
	c.applyWeb()
	assert.Contains(t, c.lines, "Deployment web: taking over spec.replicas, set by kube-controller-manager")
	require.Len(t, *applied, 1)
	_, set, err := unstructured.NestedFieldNoCopy((*applied)[0].Object, "spec", "replicas")
	require.NoError(t, err)
	assert.True(t, set)
}

func autoscalerOf(s site.Site, deployment string) *autoscalingv2.HorizontalPodAutoscaler {
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "by-hand", Namespace: s.Namespace},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: deployment},
			MinReplicas:    ptr.To[int32](2),
			MaxReplicas:    2,
		},
	}
}

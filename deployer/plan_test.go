package deployer

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPlanOfANewNamespace(t *testing.T) {
	s := readSite(t, "everything", "production")
	c := newFakeCluster(t, s)
	plan, err := c.Plan(t.Context(), testImage(s))
	require.NoError(t, err)
	assert.True(t, plan.Changed())
	assert.Equal(t, []string{"database", "search"}, plan.Migration)
	assert.Equal(t, testImage(s).Reference(), plan.Image)
	for _, change := range plan.Changes {
		assert.Equal(t, ActionCreate, change.Action, "%s %s", change.Kind, change.Name)
	}
	assert.Equal(t, "Namespace", plan.Changes[0].Kind)
	assert.Equal(t, "database", plan.Changes[1].Name)
	assert.Empty(t, c.requests("create", "patch", "update", "delete"))
}

func TestPlanHidesSecrets(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "registry", Namespace: s.Namespace},
			Data:       map[string][]byte{corev1.DockerConfigJsonKey: []byte("the old login")},
		})
	c.opts.PullConfig = []byte("the new login")
	changes, err := c.planSecrets(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []Change{{
		Kind: "Secret", Name: "registry", Action: ActionChange,
		Fields: []FieldChange{{Path: "data..dockerconfigjson", After: "(hidden)"}},
	}}, changes)
	text, err := json.Marshal(changes)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "login")
}

func TestPlanSaysWhatRestarts(t *testing.T) {
	s := readSite(t, "everything", "production")
	c := newFakeCluster(t, s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}})
	objects, err := c.objects(t.Context(), testImage(s))
	require.NoError(t, err)
	require.NoError(t, c.Apply(t.Context(), testImage(s)))
	require.NoError(t, c.applyAll(t.Context(), slices.Concat(in(StageWeb, objects), in(StageCron, objects))))
	live, err := c.clients.Tracker().Get(appsv1.SchemeGroupVersion.WithResource("deployments"), s.Namespace, "web")
	require.NoError(t, err)
	web := live.(*appsv1.Deployment).DeepCopy()
	web.Status.Replicas = 3
	c.put(web)

	next := testImage(s)
	next.Tag, next.Digest = "b2b2b2b", "sha256:"+strings.Repeat("f", 64)
	plan, err := c.Plan(t.Context(), next)
	require.NoError(t, err)
	i := slices.IndexFunc(plan.Changes, func(change Change) bool { return change.Kind == "Deployment" })
	assert.Equal(t, &Restart{Pods: 3, Because: []string{"image of web"}}, plan.Changes[i].Restart)
	for _, change := range plan.Changes {
		assert.True(t, change.Restart == nil || change.Kind == "Deployment", "%s %s", change.Kind, change.Name)
	}

	c.site.Web.Resources.Memory, c.site.Address = "1Gi", "other.example.com"
	plan, err = c.Plan(t.Context(), next)
	require.NoError(t, err)
	assert.Equal(t, []string{"configuration", "image of web", "resources of web"}, plan.Changes[i].Restart.Because)
}

func TestPlanNamesWhatIsTakenOver(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}}, autoscalerOf(s, "web"))
	objects, err := c.objects(t.Context(), testImage(s))
	require.NoError(t, err)
	require.NoError(t, c.applyAll(t.Context(), in(StageWeb, objects)))
	c.hold(map[string]string{
		".spec.replicas":        `conflict with "kube-controller-manager" with subresource "scale" using apps/v1`,
		".spec.minReadySeconds": `conflict with "kubectl-edit" using apps/v1`,
	})
	c.site.Web.Rollout.MinReadySeconds = 9
	plan, err := c.Plan(t.Context(), testImage(s))
	require.NoError(t, err)
	i := slices.IndexFunc(plan.Changes, func(change Change) bool { return change.Kind == "Deployment" })
	assert.Equal(t, []string{"spec.minReadySeconds (kubectl-edit)"}, plan.Changes[i].TakenOver)
}

func TestHidden(t *testing.T) {
	assert.Equal(t, []FieldChange{
		{Path: "data", After: hiddenValue},
		{Path: "data.password", Before: hiddenValue, After: hiddenValue},
		{Path: "metadata.annotations.kubectl.kubernetes.io/last-applied-configuration", Before: hiddenValue},
		{Path: "metadata.labels.data", Before: `"a"`, After: `"b"`},
	}, hidden([]FieldChange{
		{Path: "data", After: `{"password":"c2VjcmV0"}`},
		{Path: "data.password", Before: `"b2xk"`, After: `"bmV3"`},
		{Path: "metadata.annotations.kubectl.kubernetes.io/last-applied-configuration", Before: `"{}"`},
		{Path: "metadata.labels.data", Before: `"a"`, After: `"b"`},
	}))
}

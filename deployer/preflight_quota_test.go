package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func quota(hard, used corev1.ResourceList) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "compute", Namespace: "plain-example-com"},
		Spec:       corev1.ResourceQuotaSpec{Hard: hard},
		Status:     corev1.ResourceQuotaStatus{Hard: hard, Used: used},
	}
}

func amounts(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

func TestQuotas(t *testing.T) {
	s := readSite(t, "plain", "") // two pods of 50m and 512Mi each, one more during a rollout
	objects, err := Objects(s, testImage(s))
	require.NoError(t, err)
	tests := []struct {
		name       string
		running    int32
		hard, used corev1.ResourceList
		want       []string
	}{
		{name: "no pods yet", hard: amounts("pods", "2", "requests.memory", "1Gi")},
		{
			name: "no room for the first pods", hard: amounts("limits.memory", "1000Mi"),
			want: []string{"has no room for the rollout: it adds 1Gi of limits.memory to 0, and 1000Mi is the limit"},
		},
		{
			name: "room for the surge", running: 2,
			hard: amounts("pods", "3", "requests.memory", "1536Mi"), used: amounts("pods", "2", "requests.memory", "1Gi"),
		},
		{
			name: "no room for the surge", running: 2,
			hard: amounts("pods", "2", "cpu", "1", "requests.memory", "1500Mi"), used: amounts("pods", "2", "cpu", "100m", "requests.memory", "1Gi"),
			want: []string{
				"has no room for the rollout: it adds 1 of pods to 2, and 2 is the limit",
				"has no room for the rollout: it adds 512Mi of requests.memory to 1Gi, and 1500Mi is the limit",
			},
		},
		{name: "of what no pod takes", running: 2, hard: amounts("services", "1"), used: amounts("services", "1")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newFakeCluster(t, s, quota(test.hard, test.used))
			if test.running > 0 {
				require.NoError(t, c.applyAll(t.Context(), in(StageWeb, objects)))
				live, err := c.clients.Tracker().Get(appsv1.SchemeGroupVersion.WithResource("deployments"), s.Namespace, "web")
				require.NoError(t, err)
				web := live.(*appsv1.Deployment).DeepCopy()
				web.Status.Replicas = test.running
				c.put(web)
			}
			found, err := c.checkQuotas(t.Context(), preflight{objects: objects, exists: true})
			require.NoError(t, err)
			var messages []string
			for _, f := range found {
				assert.Equal(t, "ResourceQuota compute", f.About)
				messages = append(messages, f.Message)
			}
			assert.Equal(t, test.want, messages)
		})
	}
}

func TestAQuotaForSomePodsOnlyIsNotJudged(t *testing.T) {
	scoped := quota(amounts("pods", "0"), nil)
	scoped.Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}
	assert.Empty(t, judgeQuota(*scoped, amounts("pods", "1")))
}

func TestDemand(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	container := func(memory string) corev1.Container {
		return corev1.Container{Resources: corev1.ResourceRequirements{Requests: amounts("memory", memory)}}
	}
	sidecar := container("100Mi")
	sidecar.RestartPolicy = &always
	small := demand(&corev1.PodSpec{InitContainers: []corev1.Container{sidecar, container("150Mi")}, Containers: []corev1.Container{container("200Mi")}})
	assert.Equal(t, "300Mi", small.Memory().String(), "a sidecar stays, an init container goes")
	large := demand(&corev1.PodSpec{InitContainers: []corev1.Container{container("1Gi"), container("512Mi")}, Containers: []corev1.Container{container("200Mi")}})
	requests := large["requests.memory"]
	assert.Equal(t, "1Gi", requests.String())
}

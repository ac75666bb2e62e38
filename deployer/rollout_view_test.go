package deployer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPodState(t *testing.T) {
	for name, test := range map[string]struct {
		pod    corev1.Pod
		state  PodState
		reason string
	}{
		"no node":        {corev1.Pod{}, PodPending, ""},
		"on a node":      {corev1.Pod{Spec: corev1.PodSpec{NodeName: "node"}}, PodStarting, ""},
		"starting":       {corev1.Pod{Spec: corev1.PodSpec{NodeName: "node"}, Status: starting}, PodStarting, ""},
		"ready":          {corev1.Pod{Spec: corev1.PodSpec{NodeName: "node"}, Status: ready}, PodReady, ""},
		"crashing":       {corev1.Pod{Spec: corev1.PodSpec{NodeName: "node"}, Status: crashing(3)}, PodFailing, "CrashLoopBackOff"},
		"ended":          {corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodSucceeded}}, PodFailing, "Succeeded"},
		"evicted":        {corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted"}}, PodFailing, "Evicted"},
		"ready but gone": {corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{Time: time.Unix(1700000000, 0)}}, Status: ready}, PodEnding, ""},
	} {
		t.Run(name, func(t *testing.T) {
			state, reason := podState(&test.pod, nil)
			assert.Equal(t, test.state, state)
			assert.Equal(t, test.reason, reason)
		})
	}
}

func TestRollTellsHowThePodsStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Rollout
		r := startRollout(t, serving, func(r *rollout) {
			r.opts.Rollout = func(view Rollout) { told = append(told, view) }
		})
		set := r.set("web-new")
		r.pod(set, "web-new-1", crashing(2))
		r.pod(set, "web-new-1", ready)
		r.pod(set, "web-new-2", ready)
		require.NoError(t, r.clients.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), set.Namespace, "web-old-1"))
		r.status(2, 2, 2)
		require.NoError(t, <-r.result)

		old := Pod{Name: "web-old-1", State: PodReady}
		assert.Contains(t, told, Rollout{Deployment: "web", Replicas: 2, Pods: []Pod{
			{Name: "web-new-1", Node: "node", New: true, State: PodFailing, Reason: "CrashLoopBackOff", Restarts: 2}, old,
		}})
		assert.Equal(t, Rollout{Deployment: "web", Replicas: 2, Pods: []Pod{
			{Name: "web-new-1", Node: "node", New: true, State: PodReady},
			{Name: "web-new-2", Node: "node", New: true, State: PodReady},
		}}, told[len(told)-1])
		for i := 1; i < len(told); i++ {
			assert.NotEqual(t, told[i-1], told[i], "nothing has changed")
		}
	})
}

package deployer

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sitectl/sitectl/site"
)

// rollout is a fake cluster on which a release is being rolled out: the test
// plays the part of the controllers.
type rollout struct {
	*fakeCluster
	name   string // of the Deployment that the test plays the controller of
	image  site.Image
	result chan error
}

// of plays the controller of another Deployment.
func (r *rollout) of(name string) *rollout {
	other := *r
	other.name = name
	return &other
}

// startRollout begins to roll out the plain site in the bubble of the test.
func startRollout(t *testing.T, before ...func(*rollout)) *rollout {
	s := readSite(t, "plain", "")
	r := &rollout{fakeCluster: newFakeCluster(t, s), name: "web", image: testImage(s), result: make(chan error, 1)}
	for _, prepare := range before {
		prepare(r)
	}
	go func() { r.result <- r.Roll(t.Context(), r.image) }()
	synctest.Wait()
	return r
}

func (r *rollout) deployment() *appsv1.Deployment {
	web, err := r.clients.Tracker().Get(appsv1.SchemeGroupVersion.WithResource("deployments"), "plain-example-com", r.name)
	require.NoError(r.t, err)
	return web.(*appsv1.Deployment)
}

// status is what the Deployment's controller writes.
func (r *rollout) status(updated, total, available int32, conditions ...appsv1.DeploymentCondition) {
	web := r.deployment().DeepCopy()
	web.Status = appsv1.DeploymentStatus{
		ObservedGeneration: web.Generation,
		UpdatedReplicas:    updated,
		Replicas:           total,
		AvailableReplicas:  available,
		Conditions:         conditions,
	}
	r.put(web)
	synctest.Wait()
}

// set is the ReplicaSet of the Deployment's present template.
func (r *rollout) set(name string) *appsv1.ReplicaSet {
	web := r.deployment()
	set := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: web.Namespace, UID: types.UID("ReplicaSet/" + name),
			OwnerReferences: controlledBy(web, appsv1.SchemeGroupVersion.WithKind("Deployment")),
		},
		Spec: appsv1.ReplicaSetSpec{Template: *web.Spec.Template.DeepCopy()},
	}
	set.Spec.Template.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = name
	r.put(set)
	return set
}

func (r *rollout) pod(set *appsv1.ReplicaSet, name string, status corev1.PodStatus) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: set.Namespace, UID: types.UID("Pod/" + name), Labels: set.Spec.Template.Labels,
			OwnerReferences: controlledBy(set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet")),
		},
		Spec:   corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{Name: "web"}}},
		Status: status,
	}
	r.put(pod)
	synctest.Wait()
	return pod
}

// going says whether the rollout is neither done nor given up.
func (r *rollout) going() bool {
	synctest.Wait()
	return len(r.result) == 0
}

func (r *rollout) failure() *RolloutError {
	r.t.Helper()
	var failure *RolloutError
	require.ErrorAs(r.t, <-r.result, &failure)
	return failure
}

var (
	ready    = corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
	starting = corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		Name: "web", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
	}}}
)

func crashing(restarts int32) corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		Name:                 "web",
		RestartCount:         restarts,
		State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}},
	}}}
}

// serving is a release that runs before the one of the test.
func serving(r *rollout) {
	old := r.image
	old.Tag = "0000000"
	r.applyWeb(old)
	set := r.set("web-old")
	r.put(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web-old-1", Namespace: set.Namespace, UID: "Pod/web-old-1", Labels: set.Spec.Template.Labels,
			OwnerReferences: controlledBy(set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet")),
		},
		Status: ready,
	})
}

// applyWeb applies a release without waiting for it.
func (r *rollout) applyWeb(image site.Image) {
	objects, err := Objects(r.site, image)
	require.NoError(r.t, err)
	require.NoError(r.t, r.applyAll(r.t.Context(), in(StageWeb, objects)))
}

func TestRollSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t, serving)
		set := r.set("web-new")
		r.pod(set, "web-new-1", starting)
		r.status(1, 2, 1)
		assert.True(t, r.going(), "new pod not ready")

		r.pod(set, "web-new-1", ready)
		r.pod(set, "web-new-2", ready)
		r.status(2, 2, 2)
		assert.True(t, r.going(), "old pod still there")

		require.NoError(t, r.clients.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), set.Namespace, "web-old-1"))
		require.NoError(t, <-r.result)
		assert.Contains(t, r.lines, "web: 0 of 2 new pods available, 1 old")
	})
}

// startTwo begins to roll out web and a second Deployment of the same image.
func startTwo(t *testing.T) (web, worker *rollout) {
	s := readSite(t, "plain", "")
	web = &rollout{fakeCluster: newFakeCluster(t, s), name: "web", image: testImage(s), result: make(chan error, 1)}
	objects := in(StageWeb, mustObjects(t, s))
	second := objects[slices.IndexFunc(objects, func(o Object) bool { return o.GetKind() == "Deployment" })].DeepCopy()
	second.SetName("worker")
	require.NoError(t, unstructured.SetNestedField(second.Object, "worker", "spec", "selector", "matchLabels", "app.kubernetes.io/name"))
	objects = append(objects, Object{StageWeb, second})
	go func() { web.result <- web.roll(t.Context(), objects) }()
	synctest.Wait()
	return web, web.of("worker")
}

func TestRollWaitsForEveryDeployment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web, worker := startTwo(t)
		web.set("web-new")
		web.status(2, 2, 2)
		assert.True(t, web.going(), "the worker is not there yet")
		worker.set("worker-new")
		worker.status(2, 2, 2)
		require.NoError(t, <-web.result)
		assert.Contains(t, web.lines, "worker: 0 of 2 new pods available")
	})
}

func TestRollReportsTheDeploymentThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web, worker := startTwo(t)
		web.set("web-new")
		web.status(2, 2, 2)
		worker.pod(worker.set("worker-new"), "worker-new-1", crashing(2))
		failure := web.failure()
		assert.Equal(t, "Deployment worker", failure.Workload)
		assert.Equal(t, "worker-new-1", failure.Pod)
		assert.Equal(t, "nothing else does its work", failure.Serving)
	})
}

func TestRollDoesNotTrustAnOldStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t)
		web := r.deployment().DeepCopy()
		web.Status = appsv1.DeploymentStatus{ObservedGeneration: web.Generation - 1, UpdatedReplicas: 2, Replicas: 2, AvailableReplicas: 2}
		r.put(web, r.set("web-new"))
		assert.True(t, r.going(), "the controller has not seen the change")
		r.status(2, 2, 2)
		require.NoError(t, <-r.result)
	})
}

func TestRollReportsACrashLoopLongBeforeTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t, serving)
		start := time.Now()
		r.pod(r.set("web-new"), "web-new-1", crashing(1))
		r.status(1, 3, 2)
		assert.True(t, r.going(), "one crash may pass")

		failure := r.failure()
		assert.Equal(t, graceCrash, time.Since(start).Round(time.Second))
		assert.Equal(t, "Deployment web", failure.Workload)
		assert.Equal(t, "web-new-1", failure.Pod)
		assert.Equal(t, "web", failure.Container)
		assert.Equal(t, "CrashLoopBackOff", failure.Reason)
		assert.Equal(t, []string{"fake logs"}, failure.Log)
		assert.Equal(t, "release 0000000 keeps serving (pods ready: 1)", failure.Serving)
		assert.Equal(t, "kubectl -n plain-example-com describe pod web-new-1", failure.Hint())
	})
}

func TestRollReportsASecondCrashWhenItIsSeenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t)
		start := time.Now()
		r.pod(r.set("web-new"), "web-new-1", crashing(2))
		assert.Equal(t, "CrashLoopBackOff", r.failure().Reason)
		assert.Equal(t, lookAgain, time.Since(start))
	})
}

func TestRollGoesOnWhileOnePodHasAChance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t)
		set := r.set("web-new")
		r.pod(set, "web-new-1", ready)
		r.pod(set, "web-new-2", crashing(5))
		r.status(2, 2, 1)
		time.Sleep(time.Minute)
		assert.True(t, r.going())

		r.pod(set, "web-new-2", ready)
		r.status(2, 2, 2)
		require.NoError(t, <-r.result)
	})
}

func TestRollReportsTheDeadlineWithTheProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t)
		pod := r.pod(r.set("web-new"), "web-new-1", starting)
		r.put(&corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Name: "event", Namespace: pod.Namespace},
			InvolvedObject: corev1.ObjectReference{UID: pod.UID, FieldPath: "spec.containers{web}"},
			Type:           corev1.EventTypeWarning, Reason: "Unhealthy",
			Message: "Readiness probe failed: HTTP probe failed with statuscode: 500",
		})
		assert.True(t, r.going(), "it may still come up")
		r.status(1, 1, 0, deadlineExceeded(1))

		failure := r.failure()
		assert.Equal(t, "ProgressDeadlineExceeded", failure.Reason)
		assert.Contains(t, failure.Error(), "statuscode: 500")
		assert.Equal(t, []string{"fake logs"}, failure.Log)
		assert.Equal(t, "nothing else serves the site", failure.Serving)
	})
}

func deadlineExceeded(second int) appsv1.DeploymentCondition {
	return appsv1.DeploymentCondition{
		Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded",
		LastUpdateTime: metav1.Date(2026, 1, 2, 3, 4, second, 0, time.UTC),
	}
}

func TestRollGivesUpWhenNobodyElseDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t)
		start := time.Now()
		failure := r.failure() // no controller at all
		assert.Equal(t, "ProgressDeadlineExceeded", failure.Reason)
		assert.InDelta(t, (5*time.Minute + slack).Seconds(), time.Since(start).Seconds(), 2)
	})
}

func TestRollGivesUpOnAReasonThatComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t)
		start := time.Now()
		set := r.set("web-new")
		for _, reason := range slices.Repeat([]string{"ErrImagePull", "ImagePullBackOff"}, 12) {
			r.pod(set, "web-new-1", corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
				Name: "web", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "i/o timeout"}},
			}}})
			time.Sleep(20 * time.Second)
		}
		failure := r.failure()
		assert.Equal(t, "ProgressDeadlineExceeded", failure.Reason)
		assert.Contains(t, failure.Message, "i/o timeout")
		assert.Less(t, time.Since(start), 10*time.Minute)
	})
}

func TestRollNoticesThatTheDeploymentIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t)
		require.NoError(t, r.clients.Tracker().Delete(appsv1.SchemeGroupVersion.WithResource("deployments"), r.site.Namespace, "web"))
		err := <-r.result
		require.ErrorIs(t, err, errSuperseded)
		assert.ErrorContains(t, err, "Deployment web")
	})
}

func TestRollReportsPodsThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t)
		set := r.set("web-new")
		set.Status.Conditions = []appsv1.ReplicaSetCondition{{
			Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate",
			Message: `pods "web-new-1" is forbidden: exceeded quota: small`,
		}}
		r.put(set)
		failure := r.failure()
		assert.Equal(t, "FailedCreate", failure.Reason)
		assert.Contains(t, failure.Message, "exceeded quota")
		assert.Contains(t, failure.Hint(), "maxSurge")
		assert.Empty(t, failure.Pod)
	})
}

func TestRollReportsPodsThatAreEvictedAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t, serving)
		set := r.set("web-new")
		evicted := corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory. "}
		r.pod(set, "web-new-1", evicted)
		r.pod(set, "web-new-2", evicted)
		r.pod(set, "web-new-3", starting)
		time.Sleep(time.Minute)
		assert.True(t, r.going(), "a node may have had a problem")

		r.pod(set, "web-new-3", evicted)
		r.pod(set, "web-new-4", starting)
		failure := r.failure()
		assert.Equal(t, "Evicted", failure.Reason)
		assert.Contains(t, failure.Message, "3 of its pods have ended, one after the other: The node was low on resource: memory.")
	})
}

func TestRollReportsPodsThatWriteTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t, serving)
		set := r.set("web-new")
		evicted := corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: `Usage of EmptyDir volume "tmp" exceeds the limit "2Gi". `}
		r.pod(set, "web-new-1", evicted)
		r.pod(set, "web-new-2", starting)
		time.Sleep(graceFlap - time.Second)
		assert.True(t, r.going(), "seen once")

		failure := r.failure()
		assert.Equal(t, "Evicted", failure.Reason)
		assert.Contains(t, failure.Message, `Usage of EmptyDir volume "tmp" exceeds the limit "2Gi".`)
		assert.Contains(t, failure.Hint(), "raise the limit")
	})
}

// Apache ends with exit status 0 when kubelet evicts its pod, which then counts
// as one that has done its work.
func TestRollReportsPodsThatAreEvictedAndSucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t, serving)
		set := r.set("web-new")
		pod := r.pod(set, "web-new-1", corev1.PodStatus{Phase: corev1.PodSucceeded})
		r.pod(set, "web-new-0", starting)
		time.Sleep(time.Minute)
		assert.True(t, r.going(), "nobody says why")

		r.put(&corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Name: "evicted", Namespace: r.site.Namespace},
			InvolvedObject: corev1.ObjectReference{UID: pod.UID},
			Reason:         "Evicted", Type: corev1.EventTypeWarning,
			Message: "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
		})
		time.Sleep(graceFlap - time.Second)
		assert.True(t, r.going(), "seen once")
		r.pod(set, "web-new-0", corev1.PodStatus{Phase: corev1.PodSucceeded})
		r.pod(set, "web-new-3", starting)
		told := time.Now()
		failure := r.failure()
		assert.LessOrEqual(t, time.Since(told), time.Second+lookAgain, "events may come late: the first pod's is enough")
		assert.Equal(t, "web-new-1", failure.Pod)
		assert.Equal(t, "Evicted", failure.Reason)
		assert.Contains(t, failure.Message, "exceeds the total limit of containers 1Gi.")
		assert.Contains(t, failure.Hint(), "raise the limit")
	})
}

func TestRollSaysThatTheLastPodsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t)
		set := r.set("web-new")
		set.Status.Conditions = []appsv1.ReplicaSetCondition{{
			Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: "exceeded quota: small",
		}}
		r.put(set)
		r.pod(set, "web-new-1", ready)
		time.Sleep(time.Minute)
		assert.True(t, r.going(), "one pod is well")
		r.status(1, 1, 1, deadlineExceeded(1))
		failure := r.failure()
		assert.Equal(t, "ProgressDeadlineExceeded", failure.Reason)
		assert.Contains(t, failure.Message, "exceeded quota")
		assert.Contains(t, failure.Hint(), "raise the quota")
	})
}

func TestRollNoticesAnotherRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t)
		web := r.deployment().DeepCopy()
		web.Generation++
		web.Spec.Template.Spec.Containers[0].Image = "registry.example.com/agency/plain:other"
		r.put(web)
		require.ErrorIs(t, <-r.result, errSuperseded)
	})
}

func TestRollAllowsScalingMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t)
		web := r.deployment().DeepCopy()
		web.Generation++
		*web.Spec.Replicas = 3
		r.put(web, r.set("web-new"))
		r.status(3, 3, 3)
		require.NoError(t, <-r.result)
	})
}

func TestRollReplacesThePodsOfAnEarlierAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t, func(r *rollout) {
			r.applyWeb(r.image)
			r.pod(r.set("web-new"), "web-new-1", crashing(7))
			r.status(1, 1, 0, deadlineExceeded(1))
		})
		assert.True(t, r.going(), "what was said of the earlier attempt does not count")
		assert.Contains(t, r.requests("delete"), "delete pods web-new-1")
		assert.Contains(t, r.lines, "pod web-new-1 of an earlier attempt replaced")

		r.status(1, 1, 0, deadlineExceeded(2))
		assert.Equal(t, "ProgressDeadlineExceeded", r.failure().Reason)
	})
}

// The controller lets what it said of another release stand until something
// moves, even when it has seen the new one.
func TestRollIgnoresTheDeadlineOfAnotherRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t, func(r *rollout) {
			serving(r)
			r.status(1, 3, 2, deadlineExceeded(1))
		})
		r.pod(r.set("web-new"), "web-new-1", starting)
		r.status(1, 3, 2, deadlineExceeded(1))
		assert.True(t, r.going())
		r.status(1, 3, 2, deadlineExceeded(2))
		assert.Equal(t, "ProgressDeadlineExceeded", r.failure().Reason)
	})
}

func TestRollEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := readSite(t, "plain", "")
		c := newFakeCluster(t, s)
		interrupted := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error, 1)
		go func() { result <- c.Roll(ctx, testImage(s)) }()
		synctest.Wait()
		cancel(interrupted)
		require.ErrorIs(t, <-result, interrupted)
	})
}

func TestComplete(t *testing.T) {
	two := int32(2)
	tests := []struct {
		name       string
		deployment appsv1.Deployment
		want       bool
	}{
		{"done", deploymentWith(&two, 4, appsv1.DeploymentStatus{ObservedGeneration: 4, Replicas: 2, UpdatedReplicas: 2, AvailableReplicas: 2}), true},
		{"not seen yet", deploymentWith(&two, 5, appsv1.DeploymentStatus{ObservedGeneration: 4, Replicas: 2, UpdatedReplicas: 2, AvailableReplicas: 2}), false},
		{"surge pod left", deploymentWith(&two, 4, appsv1.DeploymentStatus{ObservedGeneration: 4, Replicas: 3, UpdatedReplicas: 2, AvailableReplicas: 3}), false},
		{"not available", deploymentWith(&two, 4, appsv1.DeploymentStatus{ObservedGeneration: 4, Replicas: 2, UpdatedReplicas: 2, AvailableReplicas: 1}), false},
		{"none wanted", deploymentWith(new(int32), 4, appsv1.DeploymentStatus{ObservedGeneration: 4}), true},
		{"nil is one", deploymentWith(nil, 4, appsv1.DeploymentStatus{ObservedGeneration: 4, Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1}), true},
	}
	for _, test := range tests {
		assert.Equal(t, test.want, complete(&test.deployment), test.name)
	}
}

func deploymentWith(replicas *int32, generation int64, status appsv1.DeploymentStatus) appsv1.Deployment {
	return appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Generation: generation},
		Spec:       appsv1.DeploymentSpec{Replicas: replicas},
		Status:     status,
	}
}

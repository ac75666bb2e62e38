package deployer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// TestPodVerdict judges pods by statuses as kubelet writes them.
func TestPodVerdict(t *testing.T) {
	tests := []struct {
		name    string
		status  string // of the pod
		events  string
		reason  string // "" for no verdict
		fatal   bool
		grace   time.Duration
		message string // part of it
		about   string // container
	}{
		{
			name:   "ready",
			status: `{conditions: [{type: Ready, status: "True"}], containerStatuses: [{name: web, restartCount: 5, ready: true}]}`,
		},
		{
			name:   "starting",
			status: `{containerStatuses: [{name: web, state: {waiting: {reason: ContainerCreating}}}]}`,
		},
		{
			name:   "first crash, restarted at once",
			status: `{containerStatuses: [{name: web, restartCount: 1, state: {running: {}}, lastState: {terminated: {exitCode: 1}}}]}`,
		},
		{
			name:    "second crash",
			status:  `{containerStatuses: [{name: web, restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error}}}]}`,
			reason:  "CrashLoopBackOff",
			fatal:   true,
			grace:   graceCrash,
			message: "exit status 1",
			about:   "web",
		},
		{
			name:    "third crash",
			status:  `{containerStatuses: [{name: web, restartCount: 2, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 255, reason: Error}}}]}`,
			reason:  "CrashLoopBackOff",
			fatal:   true,
			grace:   graceLook,
			message: "exit status 255",
			about:   "web",
		},
		{
			name:   "init container, first crash",
			status: `{initContainerStatuses: [{name: first, state: {terminated: {exitCode: 3, reason: Error}}}]}`,
		},
		{
			name:    "init container, second crash, waits to be restarted",
			status:  `{initContainerStatuses: [{name: first, restartCount: 1, state: {terminated: {exitCode: 3, reason: Error}}, lastState: {terminated: {exitCode: 3, reason: Error}}}]}`,
			reason:  "Error",
			fatal:   true,
			grace:   graceCrash,
			message: "exit status 3",
			about:   "first",
		},
		{
			name:   "init container, done at last",
			status: `{initContainerStatuses: [{name: first, restartCount: 1, state: {terminated: {exitCode: 0, reason: Completed}}, lastState: {terminated: {exitCode: 3, reason: Error}}}]}`,
		},
		{
			name:    "between two crashes",
			status:  `{containerStatuses: [{name: web, restartCount: 2, state: {running: {}}, lastState: {terminated: {exitCode: 1}}}]}`,
			reason:  "Restarting",
			fatal:   true,
			grace:   graceCrash,
			message: "restarted 2 times: it ends with exit status 1",
			about:   "web",
		},
		{
			name:    "stopped by its startup probe",
			status:  `{containerStatuses: [{name: web, restartCount: 2, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 0, reason: Completed}}}]}`,
			reason:  "CrashLoopBackOff",
			fatal:   true,
			grace:   graceLook,
			message: "stopped by a probe",
			about:   "web",
		},
		{
			name:    "out of memory",
			status:  `{containerStatuses: [{name: web, restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}}]}`,
			reason:  "CrashLoopBackOff",
			fatal:   true,
			grace:   graceCrash,
			message: "more memory than its limit",
			about:   "web",
		},
		{
			name:    "command not found, says the runtime",
			status:  `{containerStatuses: [{name: web, restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 128, reason: StartError, message: 'exec: "apache2": executable file not found in $PATH'}}}]}`,
			reason:  "CrashLoopBackOff",
			fatal:   true,
			grace:   graceCrash,
			message: `"apache2": executable file not found`,
			about:   "web",
		},
		{
			name:    "command not found, says a shell",
			status:  `{containerStatuses: [{name: web, restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 127, reason: Error}}}]}`,
			reason:  "CrashLoopBackOff",
			fatal:   true,
			grace:   graceCrash,
			message: "not found",
			about:   "web",
		},
		{
			name:    "container cannot be started",
			status:  `{containerStatuses: [{name: web, state: {waiting: {reason: RunContainerError, message: 'exec: "apache2": executable file not found in $PATH'}}}]}`,
			reason:  "RunContainerError",
			fatal:   true,
			grace:   graceCrash,
			message: "executable file not found",
			about:   "web",
		},
		{
			name:    "image not there",
			status:  `{containerStatuses: [{name: web, state: {waiting: {reason: ErrImagePull, message: 'rpc error: code = NotFound desc = failed to pull and unpack image "r/i:t": r/i:t: not found'}}}]}`,
			reason:  "ErrImagePull",
			fatal:   true,
			grace:   graceNotFound,
			message: "code = NotFound",
			about:   "web",
		},
		{
			name:    "image not there, in the back-off",
			status:  `{containerStatuses: [{name: web, state: {waiting: {reason: ImagePullBackOff, message: 'Back-off pulling image "r/i:t": ErrImagePull: rpc error: code = NotFound desc = r/i:t: not found'}}}]}`,
			reason:  "ImagePullBackOff",
			fatal:   true,
			grace:   graceNotFound,
			message: "code = NotFound",
			about:   "web",
		},
		{
			name:    "pull refused",
			status:  `{containerStatuses: [{name: web, state: {waiting: {reason: ImagePullBackOff, message: 'Back-off pulling image "r/i:t": ErrImagePull: failed to authorize: failed to fetch anonymous token: 401 Unauthorized'}}}]}`,
			reason:  "ImagePullBackOff",
			fatal:   true,
			grace:   graceRefused,
			message: "401 Unauthorized",
			about:   "web",
		},
		{
			name:    "registry hiccup",
			status:  `{containerStatuses: [{name: web, state: {waiting: {reason: ErrImagePull, message: 'failed to do request: dial tcp 192.0.2.1:443: i/o timeout'}}}]}`,
			reason:  "ErrImagePull",
			message: "i/o timeout",
			about:   "web",
		},
		{
			name:    "invalid image name",
			status:  `{containerStatuses: [{name: web, state: {waiting: {reason: InvalidImageName, message: "invalid reference format"}}}]}`,
			reason:  "InvalidImageName",
			fatal:   true,
			grace:   graceLook,
			message: "invalid reference format",
			about:   "web",
		},
		{
			name:    "image never pulled",
			status:  `{containerStatuses: [{name: web, state: {waiting: {reason: ErrImageNeverPull, message: 'Container image "r/i:t" is not present with pull policy of Never'}}}]}`,
			reason:  "ErrImageNeverPull",
			fatal:   true,
			grace:   graceLook,
			message: "not present",
			about:   "web",
		},
		{
			name:    "missing key",
			status:  `{containerStatuses: [{name: web, state: {waiting: {reason: CreateContainerConfigError, message: 'secret "smtp" not found'}}}]}`,
			reason:  "CreateContainerConfigError",
			fatal:   true,
			grace:   graceFlap,
			message: "smtp",
			about:   "web",
		},
		{
			name:    "kubelet's cache is behind",
			status:  `{containerStatuses: [{name: web, state: {waiting: {reason: CreateContainerConfigError, message: "failed to sync secret cache: timed out waiting for the condition"}}}]}`,
			reason:  "CreateContainerConfigError",
			grace:   graceFlap,
			message: "failed to sync",
			about:   "web",
		},
		{
			name: "sidecar crashes",
			status: `{initContainerStatuses: [{name: varnish, restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 2}}}],
				containerStatuses: [{name: web, state: {waiting: {reason: PodInitializing}}}]}`,
			reason:  "CrashLoopBackOff",
			fatal:   true,
			grace:   graceLook,
			message: "exit status 2",
			about:   "varnish",
		},
		{
			name: "a fatal verdict comes before a hiccup",
			status: `{initContainerStatuses: [{name: varnish, state: {waiting: {reason: ErrImagePull, message: "i/o timeout"}}}],
				containerStatuses: [{name: web, state: {waiting: {reason: InvalidImageName, message: "invalid reference format"}}}]}`,
			reason:  "InvalidImageName",
			fatal:   true,
			grace:   graceLook,
			message: "invalid reference format",
			about:   "web",
		},
		{
			name:    "no node",
			status:  `{conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: "0/1 nodes are available: 1 Insufficient memory."}]}`,
			reason:  "Unschedulable",
			fatal:   true,
			grace:   graceSchedule,
			message: "Insufficient memory",
		},
		{
			name: "larger than any node",
			status: `{conditions: [{type: PodScheduled, status: "False", reason: Unschedulable,
				message: "0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."}]}`,
			reason:  "Unschedulable",
			fatal:   true,
			grace:   graceScaleUp,
			message: "Insufficient cpu",
		},
		{
			name: "too large for one node, and another is being drained",
			status: `{conditions: [{type: PodScheduled, status: "False", reason: Unschedulable,
				message: "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."}]}`,
			reason:  "Unschedulable",
			fatal:   true,
			grace:   graceSchedule,
			message: "Insufficient cpu",
		},
		{
			name: "a node that others may leave",
			status: `{conditions: [{type: PodScheduled, status: "False", reason: Unschedulable,
				message: "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."}]}`,
			reason:  "Unschedulable",
			fatal:   true,
			grace:   graceSchedule,
			message: "Insufficient cpu",
		},
		{
			name:    "a node is being added",
			status:  `{conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: "0/1 nodes are available: 1 Insufficient memory."}]}`,
			events:  `[{involvedObject: {uid: the-pod}, reason: TriggeredScaleUp, type: Normal, message: "pod triggered scale-up"}]`,
			reason:  "Unschedulable",
			grace:   graceSchedule,
			message: "Insufficient memory",
		},
		{
			name:    "missing Secret",
			status:  `{containerStatuses: [{name: web, state: {waiting: {reason: ContainerCreating}}}]}`,
			events:  `[{involvedObject: {uid: the-pod}, reason: FailedMount, type: Warning, message: 'MountVolume.SetUp failed for volume "secret-smtp" : secret "smtp" not found'}]`,
			reason:  "FailedMount",
			fatal:   true,
			grace:   graceNotFound,
			message: `secret "smtp" not found`,
		},
		{
			name:    "volume still attached elsewhere",
			status:  `{containerStatuses: [{name: web, state: {waiting: {reason: ContainerCreating}}}]}`,
			events:  `[{involvedObject: {uid: the-pod}, reason: FailedAttachVolume, type: Warning, message: "Multi-Attach error for volume"}]`,
			reason:  "FailedAttachVolume",
			fatal:   true,
			grace:   graceMount,
			message: "Multi-Attach",
		},
		{
			name:   "a mount that failed at first",
			status: `{containerStatuses: [{name: web, state: {running: {}}}]}`,
			events: `[{involvedObject: {uid: the-pod}, reason: FailedMount, type: Warning, message: "timed out"}]`,
		},
		{
			name:    "probe fails while the site is in maintenance",
			status:  `{containerStatuses: [{name: web, state: {running: {}}}]}`,
			events:  `[{involvedObject: {uid: the-pod, fieldPath: "spec.containers{web}"}, reason: Unhealthy, type: Warning, message: "Readiness probe failed: HTTP probe failed with statuscode: 503"}]`,
			reason:  "Unhealthy",
			grace:   graceCrash,
			message: "statuscode: 503",
			about:   "web",
		},
		{
			name:    "probe gets an error of PHP",
			status:  `{containerStatuses: [{name: web, state: {running: {}}}]}`,
			events:  `[{involvedObject: {uid: the-pod, fieldPath: "spec.containers{web}"}, reason: Unhealthy, type: Warning, message: "Startup probe failed: HTTP probe failed with statuscode: 500"}]`,
			reason:  "Unhealthy",
			fatal:   true,
			grace:   graceError,
			message: "statuscode: 500",
			about:   "web",
		},
		{
			name:    "probe asks for what is not there",
			status:  `{containerStatuses: [{name: web, state: {running: {}}}]}`,
			events:  `[{involvedObject: {uid: the-pod, fieldPath: "spec.containers{web}"}, reason: Unhealthy, type: Warning, message: "Startup probe failed: HTTP probe failed with statuscode: 404"}]`,
			reason:  "Unhealthy",
			fatal:   true,
			grace:   graceCrash,
			message: "statuscode: 404, for /nowhere",
			about:   "web",
		},
		{
			name: "init container crashes",
			status: `{initContainerStatuses: [{name: prepare, restartCount: 2, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 3, reason: Error}}}],
				containerStatuses: [{name: web, state: {waiting: {reason: PodInitializing}}}]}`,
			reason:  "CrashLoopBackOff",
			fatal:   true,
			grace:   graceLook,
			message: "exit status 3",
			about:   "prepare",
		},
		{
			name:   "another pod's event",
			status: `{containerStatuses: [{name: web, state: {running: {}}}]}`,
			events: `[{involvedObject: {uid: another-pod}, reason: Unhealthy, type: Warning, message: "Readiness probe failed"}]`,
		},
		{
			name:   "evicted",
			status: `{phase: Failed, reason: Evicted, message: "The node was low on resource: memory."}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			nowhere := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/nowhere"}}}
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: "web-1", UID: "the-pod"},
				Spec:       corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{Name: "web", StartupProbe: nowhere}}},
			}
			require.NoError(t, yaml.UnmarshalStrict([]byte(test.status), &pod.Status))
			var events []*corev1.Event
			require.NoError(t, yaml.UnmarshalStrict([]byte(test.events), &events))

			verdict := podVerdict(pod, events)
			if test.reason == "" {
				assert.Nil(t, verdict)
				return
			}
			require.NotNil(t, verdict)
			assert.Equal(t, test.reason, verdict.Reason)
			assert.Equal(t, test.fatal, verdict.Fatal, "fatal")
			assert.Equal(t, test.grace, verdict.Grace, "grace")
			assert.Equal(t, test.about, verdict.Container)
			assert.Contains(t, verdict.Message, test.message)
		})
	}
}

func TestReplicaSetVerdict(t *testing.T) {
	tests := []struct {
		name, status, reason string
		grace                time.Duration
	}{
		{name: "pods come", status: `{replicas: 1}`},
		{
			name:   "quota",
			status: `{conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: 'pods "web-1" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2'}]}`,
			reason: "FailedCreate",
			grace:  graceNotFound,
		},
		{
			name:   "pod security",
			status: `{conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: 'pods "web-1" is forbidden: violates PodSecurity "restricted:latest"'}]}`,
			reason: "FailedCreate",
			grace:  graceCrash,
		},
		{
			name:   "an admission webhook that refuses",
			status: `{conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: 'admission webhook "policy.example.com" denied the request: no owner label'}]}`,
			reason: "FailedCreate",
			grace:  graceCrash,
		},
		{
			name:   "an admission webhook that is away",
			status: `{conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: 'Internal error occurred: failed calling webhook "policy.example.com": connection refused'}]}`,
			reason: "FailedCreate",
			grace:  graceWebhook,
		},
		{
			name:   "over",
			status: `{conditions: [{type: ReplicaFailure, status: "False", reason: FailedCreate}]}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set := &appsv1.ReplicaSet{}
			require.NoError(t, yaml.UnmarshalStrict([]byte(test.status), &set.Status))
			verdict := replicaSetVerdict(set)
			if test.reason == "" {
				assert.Nil(t, verdict)
				return
			}
			require.NotNil(t, verdict)
			assert.Equal(t, test.reason, verdict.Reason)
			assert.True(t, verdict.Fatal)
			assert.Equal(t, test.grace, verdict.Grace)
		})
	}
}

func TestDoubt(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fatal := &Verdict{Fatal: true, Grace: 8 * time.Second}
	passing := &Verdict{}

	var d doubt
	assert.False(t, d.settled(fatal, start), "seen once")
	assert.False(t, d.settled(fatal, start.Add(7*time.Second)))
	assert.True(t, d.settled(fatal, start.Add(8*time.Second)), "held for its grace period")

	assert.False(t, d.settled(nil, start.Add(9*time.Second)), "no verdict any more")
	assert.False(t, d.settled(fatal, start.Add(10*time.Second)), "counted from the start")
	assert.False(t, d.settled(passing, start.Add(30*time.Second)), "not fatal")
	assert.False(t, d.settled(fatal, start.Add(31*time.Second)))

	d = doubt{}
	plain := &Verdict{Fatal: true, Grace: graceLook}
	assert.False(t, d.settled(plain, start), "seen once")
	assert.True(t, d.settled(plain, start.Add(lookAgain)), "seen twice")
}

func TestNewestEvent(t *testing.T) {
	at := func(second int) metav1.Time { return metav1.Date(2026, 1, 2, 3, 4, second, 0, time.UTC) }
	about := corev1.ObjectReference{UID: "pod"}
	events := []*corev1.Event{
		{InvolvedObject: about, Reason: "Pulled", Type: "Normal", LastTimestamp: at(9)},
		{InvolvedObject: about, Reason: "Unhealthy", Type: "Warning", Message: "old", LastTimestamp: at(1)},
		{InvolvedObject: about, Reason: "Unhealthy", Type: "Warning", Message: "new", EventTime: metav1.MicroTime(at(2)), Series: &corev1.EventSeries{LastObservedTime: metav1.MicroTime(at(5))}},
		{InvolvedObject: about, Reason: "BackOff", Type: "Warning", Message: "between", EventTime: metav1.MicroTime(at(3))},
		{InvolvedObject: corev1.ObjectReference{UID: "other"}, Reason: "Unhealthy", Type: "Warning", Message: "other", LastTimestamp: at(8)},
	}
	assert.Equal(t, "new", newest(events, "pod", "Unhealthy").Message)
	assert.Equal(t, "Pulled", newest(events, "pod").Reason)
	assert.Nil(t, newest(events, "pod", "FailedMount"))
	assert.Equal(t, "Unhealthy: new", newestWarning(events, "pod"))
	assert.Empty(t, newestWarning(events, "nobody"))
}

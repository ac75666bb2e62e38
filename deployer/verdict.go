package deployer

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Grace periods: how long a verdict must hold before it is believed. What
// can pass by itself gets longer than what cannot.
const (
	graceLook     = lookAgain        // seen twice is enough
	graceFlap     = 3 * time.Second  // states that kubelet may still leave, and what the next pod does as well: two looks, not one
	graceCrash    = 8 * time.Second  // the first crash; after the second there is none
	graceError    = 20 * time.Second // an application that starts may answer an error for a while
	graceRefused  = 20 * time.Second // a login that was just changed may take a moment
	graceNotFound = 30 * time.Second // a replicated registry may not have the tag everywhere yet
	graceMount    = time.Minute      // a volume is detached from another node
	graceWebhook  = time.Minute      // what admits pods is itself replaced
	graceMirrored = 2 * time.Minute  // the registry has the image, and where the node is not yet (Shopify/krane#819)
	graceSchedule = time.Minute      // a node becomes free or is added
	graceScaleUp  = 12 * time.Second // no node ever becomes free enough; an autoscaler looks every 10 s, and says so
)

// Verdict is what a status says about a pod that is not ready.
type Verdict struct {
	Reason    string        // as Kubernetes spells it, for example "CrashLoopBackOff"
	Message   string        // what happened
	Hint      string        // what to do next; empty if the log says it better
	Container string        // container it is about; empty for the pod as a whole
	Image     string        // that cannot be pulled; empty if the verdict is about something else
	Pull      pullFailure   // why it cannot be, if that lasts
	Fatal     bool          // waiting does not help
	Grace     time.Duration // how long a fatal verdict must hold before it is believed
}

// podVerdict judges a pod that is not ready; nil if nothing is known against
// it. A fatal verdict about any container comes before all others.
func podVerdict(pod *corev1.Pod, events []*corev1.Event) *Verdict {
	if podReady(pod) || replaced(pod) {
		return nil
	}
	var found []*Verdict
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		found = append(found, containerVerdict(status))
	}
	found = append(found, unschedulable(pod, events), failedMount(pod, events), unhealthy(pod, events))
	found = slices.DeleteFunc(found, func(v *Verdict) bool { return v == nil })
	for _, verdict := range found {
		if verdict.Fatal {
			return verdict
		}
	}
	if len(found) > 0 {
		return found[0]
	}
	return nil
}

// containerVerdict judges one container by the reason it waits for, init
// containers and sidecars included.
func containerVerdict(status corev1.ContainerStatus) *Verdict {
	judge := map[string]func(corev1.ContainerStatus) *Verdict{
		"CrashLoopBackOff":           crashLoop,
		"ErrImagePull":               imagePull,
		"ImagePullBackOff":           imagePull,
		"RegistryUnavailable":        imagePull,
		"ErrImageNeverPull":          imageName,
		"InvalidImageName":           imageName,
		"CreateContainerConfigError": containerConfig,
		"CreateContainerError":       containerStart,
		"RunContainerError":          containerStart,
		"StartError":                 containerStart,
	}
	if status.State.Waiting != nil {
		if verdict := judge[status.State.Waiting.Reason]; verdict != nil {
			return verdict(status)
		}
		return nil
	}
	if status.State.Terminated != nil {
		return stopped(status)
	}
	return restarting(status)
}

// crashLoop judges a container that stops again and again:
//
//	restartCount: 1
//	state:
//	  waiting:
//	    reason: CrashLoopBackOff
//	    message: back-off 10s restarting failed container=web pod=web-…
//	lastState:
//	  terminated:
//	    exitCode: 1
//	    reason: Error # or OOMKilled, StartError, Completed
func crashLoop(status corev1.ContainerStatus) *Verdict {
	verdict := &Verdict{
		Reason:    "CrashLoopBackOff",
		Message:   "it stops as soon as it has started",
		Container: status.Name,
		Fatal:     true,
		Grace:     graceCrash,
	}
	if status.RestartCount >= 2 {
		verdict.Grace = graceLook
	}
	if last := status.LastTerminationState.Terminated; last != nil {
		verdict.Message, verdict.Hint = ended(*last)
	}
	return verdict
}

// stopped judges a container that has ended again. An init container waits out
// its back-off like that, and is said to be in a crash loop only then:
//
//	restartCount: 1
//	state:
//	  terminated:
//	    exitCode: 3
//	    reason: Error
func stopped(status corev1.ContainerStatus) *Verdict {
	state := status.State.Terminated
	if status.RestartCount < 1 || state.ExitCode == 0 {
		return nil
	}
	verdict := &Verdict{Reason: cmp.Or(state.Reason, "Error"), Container: status.Name, Fatal: true, Grace: graceCrash}
	verdict.Message, verdict.Hint = ended(*state)
	return verdict
}

// restarting judges a container between two crashes of a crash loop:
//
//	ready: false
//	restartCount: 2
//	state:
//	  running:
//	    startedAt: "2026-01-01T10:00:12Z"
//	lastState:
//	  terminated:
//	    exitCode: 1
func restarting(status corev1.ContainerStatus) *Verdict {
	last := status.LastTerminationState.Terminated
	if status.Ready || status.RestartCount < 2 || last == nil || last.ExitCode == 0 {
		return nil
	}
	verdict := &Verdict{Reason: "Restarting", Container: status.Name, Fatal: true, Grace: graceCrash}
	verdict.Message, verdict.Hint = ended(*last)
	verdict.Message = fmt.Sprintf("restarted %d times: %s", status.RestartCount, verdict.Message)
	return verdict
}

// ended says how a container ended, and what that usually means:
//
//	terminated:
//	  exitCode: 137
//	  reason: OOMKilled
func ended(state corev1.ContainerStateTerminated) (message, hint string) {
	switch {
	case state.Reason == "OOMKilled":
		return "it was killed because it needs more memory than its limit", "raise the memory limit in the site file"
	case state.Reason == "StartError":
		return "its command cannot be run: " + state.Message, "check the command, and that the image has it"
	case state.ExitCode == 126:
		return "its command is not executable (exit status 126)", "check the command and its permissions in the image"
	case state.ExitCode == 127:
		return "its command was not found (exit status 127)", "check the command, and that the image has it"
	case state.ExitCode == 0:
		return "it ends by itself or is stopped by a probe (exit status 0)", ""
	default:
		return fmt.Sprintf("it ends with exit status %d", state.ExitCode), ""
	}
}

// imagePull judges an image that does not arrive. The cause is in the
// message, in the words of the container runtime:
//
//	state:
//	  waiting:
//	    reason: ImagePullBackOff # first ErrImagePull, with the same cause
//	    message: 'Back-off pulling image "…": ErrImagePull: rpc error: code = NotFound
//	      desc = failed to pull and unpack image "…": failed to resolve reference "…": …: not found'
//
// Without a cause that is known to last, it is taken for a hiccup of the
// registry: failing at any pull error made good deploys fail
// (Shopify/krane#477).
func imagePull(status corev1.ContainerStatus) *Verdict {
	verdict := &Verdict{
		Reason:    status.State.Waiting.Reason,
		Message:   "its image cannot be pulled: " + pullCause(status.State.Waiting.Message),
		Container: status.Name,
		Image:     status.Image,
	}
	cause := strings.ToLower(status.State.Waiting.Message)
	switch {
	case containsAny(cause, "unauthorized", "authentication required", "authorization failed", "denied", "forbidden", "no basic auth credentials"):
		verdict.Fatal, verdict.Grace, verdict.Pull = true, graceRefused, pullRefused
		verdict.Hint = "the registry refuses the login of Secret registry: it must be allowed to pull, not only to push, and must not expire"
	case containsAny(cause, "not found", "manifest unknown"):
		verdict.Fatal, verdict.Grace, verdict.Pull = true, graceNotFound, pullMissing
		verdict.Hint = "check that the image is in the registry, and that the cluster sees the same registry under that name"
	}
	return verdict
}

// pullCause leaves out of a message that kubelet is waiting, which Reason
// says already.
func pullCause(message string) string {
	if _, cause, found := strings.Cut(message, "ErrImagePull: "); found {
		return cause
	}
	return message
}

// imageName judges an image that is never pulled:
//
//	state:
//	  waiting:
//	    reason: InvalidImageName # or ErrImageNeverPull
//	    message: 'Failed to apply default image tag "…": couldn''t parse image name "…": invalid reference format'
func imageName(status corev1.ContainerStatus) *Verdict {
	return &Verdict{
		Reason:    status.State.Waiting.Reason,
		Message:   status.State.Waiting.Message,
		Hint:      "correct the image in the site file",
		Container: status.Name,
		Fatal:     true,
		Grace:     graceLook,
	}
}

// containerConfig judges a container that cannot be made from what its pod
// says. Kubelet's own caches may be behind for a moment:
//
//	state:
//	  waiting:
//	    reason: CreateContainerConfigError
//	    message: secret "smtp" not found # or: failed to sync secret cache: timed out waiting for the condition
func containerConfig(status corev1.ContainerStatus) *Verdict {
	message := status.State.Waiting.Message
	lagging := strings.Contains(message, "failed to sync") && strings.Contains(message, "cache")
	return &Verdict{
		Reason:    status.State.Waiting.Reason,
		Message:   message,
		Container: status.Name,
		Fatal:     !lagging,
		Grace:     graceFlap,
	}
}

// containerStart judges a container whose process cannot be started:
//
//	state:
//	  waiting:
//	    reason: RunContainerError # or CreateContainerError
//	    message: 'failed to create containerd task: … exec: "drush": executable file not found in $PATH'
func containerStart(status corev1.ContainerStatus) *Verdict {
	return &Verdict{
		Reason:    status.State.Waiting.Reason,
		Message:   "it cannot be started: " + status.State.Waiting.Message,
		Hint:      "check the command, and that the image has it",
		Container: status.Name,
		Fatal:     true,
		Grace:     graceCrash,
	}
}

// unschedulable judges a pod without a node, unless the cluster is adding
// one:
//
//	conditions:
//	- type: PodScheduled
//	  status: "False"
//	  reason: Unschedulable
//	  message: '0/3 nodes are available: 3 Insufficient memory. …'
func unschedulable(pod *corev1.Pod, events []*corev1.Event) *Verdict {
	for _, condition := range pod.Status.Conditions {
		if condition.Type != corev1.PodScheduled || condition.Status != corev1.ConditionFalse || condition.Reason != corev1.PodReasonUnschedulable {
			continue
		}
		verdict := &Verdict{
			Reason:  condition.Reason,
			Message: "no node takes it: " + condition.Message,
			Hint:    "lower the requests in the site file, or add nodes",
			Fatal:   newest(events, pod.UID, scalingUp...) == nil,
			Grace:   graceSchedule,
		}
		if fitsNowhere(condition.Message) {
			verdict.Grace = graceScaleUp
		}
		return verdict
	}
	return nil
}

// scalingUp are the reasons of events about a pod that gets a new node: those
// of the cluster autoscaler and of Karpenter.
var scalingUp = []string{"TriggeredScaleUp", "Nominated"}

// unfit are what the scheduler says of a node that will not do, whoever else
// leaves it. What passes, such as a node that is being drained, is not there.
var unfit = regexp.MustCompile(`^\d+ (Insufficient |node\(s\) didn't match )`)

// fitsNowhere reads the scheduler's message. It is true if no node that there
// is could run the pod even if it were empty:
//
//	0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption:
//	0/2 nodes are available: 2 Preemption is not helpful for scheduling.
func fitsNowhere(message string) bool {
	nodes, rest, _ := strings.Cut(message, ": ")
	reasons, preemption, _ := strings.Cut(rest, ". ")
	all := strings.TrimPrefix(strings.TrimSuffix(nodes, " nodes are available"), "0/")
	if !strings.HasSuffix(preemption, fmt.Sprintf("%s: %s Preemption is not helpful for scheduling.", nodes, all)) {
		return false
	}
	return !slices.ContainsFunc(strings.Split(reasons, ", "), func(reason string) bool { return !unfit.MatchString(reason) })
}

// failedMount judges a pod whose volumes do not come. Only events say so:
//
//	type: Warning
//	reason: FailedMount # or FailedAttachVolume
//	message: 'MountVolume.SetUp failed for volume "secret-smtp" : secret "smtp" not found'
func failedMount(pod *corev1.Pod, events []*corev1.Event) *Verdict {
	if pod.Spec.NodeName == "" || anyStarted(pod) {
		return nil
	}
	event := newest(events, pod.UID, "FailedMount", "FailedAttachVolume")
	if event == nil {
		return nil
	}
	verdict := &Verdict{
		Reason:  event.Reason,
		Message: "a volume does not come: " + event.Message,
		Fatal:   true,
		Grace:   graceMount,
	}
	if strings.HasSuffix(event.Message, "not found") {
		verdict.Grace = graceNotFound
	}
	return verdict
}

// unhealthy judges a pod that runs and does not answer its probes. It may
// still come up, so the progress deadline decides; unless what it answers is
// that there is no such page, or that it is not for everybody, or nothing but
// the error 500, as PHP does for code that cannot run. The status 503 is that
// of maintenance, which ends:
//
//	type: Warning
//	reason: Unhealthy
//	message: 'Readiness probe failed: HTTP probe failed with statuscode: 500' # or 404
func unhealthy(pod *corev1.Pod, events []*corev1.Event) *Verdict {
	event := newest(events, pod.UID, "Unhealthy")
	if event == nil {
		return nil
	}
	verdict := &Verdict{
		Reason:    event.Reason,
		Message:   event.Message + asked(pod, event),
		Hint:      "ask the health path yourself (kubectl port-forward), or choose another one in the site file: web.health.path",
		Container: eventContainer(event),
		Fatal:     containsAny(event.Message, "statuscode: 401", "statuscode: 403", "statuscode: 404", "statuscode: 410"),
		Grace:     graceCrash,
	}
	if strings.Contains(event.Message, "statuscode: 500") {
		verdict.Fatal, verdict.Grace = true, graceError
		verdict.Hint = "the log of the pod says why; " + verdict.Hint
	}
	return verdict
}

// asked says which path a failed probe has asked for, which the event does not.
func asked(pod *corev1.Pod, event *corev1.Event) string {
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if container.Name != eventContainer(event) {
			continue
		}
		probes := map[string]*corev1.Probe{
			"Startup": container.StartupProbe, "Readiness": container.ReadinessProbe, "Liveness": container.LivenessProbe,
		}
		which, _, _ := strings.Cut(event.Message, " ")
		if probe := probes[which]; probe != nil && probe.HTTPGet != nil {
			return ", for " + probe.HTTPGet.Path
		}
	}
	return ""
}

// replicaSetVerdict judges a ReplicaSet that gets no pods:
//
//	status:
//	  conditions:
//	  - type: ReplicaFailure
//	    status: "True"
//	    reason: FailedCreate
//	    message: 'pods "web-7d4b9c-" is forbidden: exceeded quota: …' # or: violates PodSecurity "restricted:latest": …
//	    # or: admission webhook "…" denied the request: …; or: Internal error occurred: failed calling webhook "…": …
func replicaSetVerdict(set *appsv1.ReplicaSet) *Verdict {
	for _, condition := range set.Status.Conditions {
		if condition.Type != appsv1.ReplicaSetReplicaFailure || condition.Status != corev1.ConditionTrue || condition.Reason != "FailedCreate" {
			continue
		}
		verdict := &Verdict{
			Reason:  condition.Reason,
			Message: "the cluster refuses its pods: " + condition.Message,
			Fatal:   true,
			Grace:   graceCrash,
		}
		switch {
		case strings.Contains(condition.Message, "exceeded quota"):
			// The rollout needs room for maxSurge pods more than the site.
			verdict.Grace = graceNotFound
			verdict.Hint = "raise the quota, lower the requests, or set web.rollout.maxSurge to 0 and maxUnavailable to 1"
		case strings.Contains(condition.Message, "failed calling webhook"):
			verdict.Grace = graceWebhook
			verdict.Hint = "the webhook is not the site's: ask whoever looks after the cluster"
		}
		return verdict
	}
	return nil
}

// maxReplaced is how many pods of a release may end as a whole before that is
// no accident of a node.
const maxReplaced = 3

// replacedVerdict judges a ReplicaSet whose pods end as a whole one after the
// other, each replaced by the next, by the last one of which it is known why:
// events may come late. The pod is nil if the verdict is.
func replacedVerdict(gone []*corev1.Pod, events []*corev1.Event) (*corev1.Pod, *Verdict) {
	if len(gone) == 0 {
		return nil, nil
	}
	told := slices.DeleteFunc(slices.Clone(gone), func(pod *corev1.Pod) bool { return !explained(pod, events) })
	if len(told) == 0 {
		told = gone
	}
	last := slices.MaxFunc(told, func(a, b *corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	verdict := &Verdict{Fatal: true, Grace: graceCrash}
	verdict.Reason, verdict.Message = fate(last, events)
	switch {
	case overfull(verdict.Message):
		verdict.Grace = graceFlap
		verdict.Hint = "have it write less when it starts, or raise the limit: it counts what the containers write into their own files, their logs and emptyDir volumes"
	case len(gone) < maxReplaced:
		return nil, nil
	}
	if len(gone) > 1 {
		verdict.Message = fmt.Sprintf("%d of its pods have ended, one after the other: %s", len(gone), verdict.Message)
	}
	return last, verdict
}

// fate says why a pod has ended as a whole:
//
//	phase: Failed
//	reason: Evicted # or UnexpectedAdmissionError, OutOfmemory, …
//	message: 'The node was low on resource: memory. '
//
// Apache ends with exit status 0 when it is told to. The status of a pod that
// kubelet evicts says nothing then, and only an event does:
//
//	phase: Succeeded
func fate(pod *corev1.Pod, events []*corev1.Event) (reason, message string) {
	if pod.Status.Reason != "" {
		return pod.Status.Reason, strings.TrimSpace(pod.Status.Message)
	}
	if event := newest(events, pod.UID, "Evicted"); event != nil {
		return event.Reason, strings.TrimSpace(event.Message)
	}
	return string(pod.Status.Phase), "kubelet does not say why"
}

// explained is true of a pod whose fate is known.
func explained(pod *corev1.Pod, events []*corev1.Event) bool {
	return pod.Status.Reason != "" || newest(events, pod.UID, "Evicted") != nil
}

// overfull is true of what kubelet says of a pod that has written more to its
// node than it may. The next one starts with the same empty volumes, and will
// write the same. It is put in three ways (pkg/kubelet/eviction/helpers.go).
// Kubelet looks every ten seconds, and at what is in an emptyDir once in a
// minute:
//
//	Usage of EmptyDir volume "tmp" exceeds the limit "2Gi".
//	Container web exceeded its local ephemeral storage limit "1Gi".
//	Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.
func overfull(message string) bool {
	return containsAny(message, "exceeds the limit", "exceeded its local ephemeral storage limit", "exceeds the total limit of containers")
}

// replaced is true of a pod that its controller replaces without ado:
//
//	status:
//	  phase: Failed # or Succeeded
func replaced(pod *corev1.Pod) bool { return pod.DeletionTimestamp != nil || over(pod) }

// over is true of a pod whose containers have ended and are not started again.
func over(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

func podReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func anyStarted(pod *corev1.Pod) bool {
	return slices.ContainsFunc(slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses),
		func(s corev1.ContainerStatus) bool { return s.State.Running != nil || s.State.Terminated != nil })
}

func containsAny(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

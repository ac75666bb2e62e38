package deployer

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Rollout is one look at a Deployment that is rolled out.
type Rollout struct {
	Deployment string `json:"deployment"`
	Replicas   int32  `json:"replicas"`  // pods that it is to have
	Available  int32  `json:"available"` // new pods that have been ready for minReadySeconds
	Pods       []Pod  `json:"pods"`      // old and new, by name
}

// Pod is one pod of a Rollout. One that is gone is not mentioned any more.
type Pod struct {
	Name     string    `json:"name"`
	Node     string    `json:"node,omitempty"` // empty until it is scheduled
	New      bool      `json:"new"`            // of the release that is rolled out
	State    PodState  `json:"state"`
	Reason   string    `json:"reason,omitempty"` // as Kubernetes spells it, of a pod with a problem: CrashLoopBackOff
	Restarts int32     `json:"restarts"`         // of all its containers
	Created  time.Time `json:"created"`
}

// PodState is how far a pod has come.
type PodState string

// The states of pods.
const (
	PodPending  PodState = "pending"  // no node has it yet
	PodStarting PodState = "starting" // not ready yet
	PodReady    PodState = "ready"    // serves
	PodFailing  PodState = "failing"  // has a problem, which Reason names
	PodEnding   PodState = "ending"   // finishes its last requests
)

// view is what Options.Rollout is told of a state.
func (s rolloutState) view() Rollout {
	view := Rollout{
		Deployment: s.deployment.Name, Replicas: replicas(s.deployment.Spec.Replicas), Available: availableOf(s),
		Pods: make([]Pod, 0, len(s.all)),
	}
	for _, pod := range s.all {
		state, reason := podState(pod, s.events)
		view.Pods = append(view.Pods, Pod{
			Name: pod.Name, Node: pod.Spec.NodeName, New: s.isNew(pod),
			State: state, Reason: reason, Restarts: restarts(pod), Created: pod.CreationTimestamp.Time,
		})
	}
	return view
}

func podState(pod *corev1.Pod, events []*corev1.Event) (PodState, string) {
	switch {
	case pod.DeletionTimestamp != nil:
		return PodEnding, ""
	case over(pod):
		reason, _ := fate(pod, events)
		return PodFailing, reason
	case podReady(pod):
		return PodReady, ""
	}
	if verdict := podVerdict(pod, events); verdict != nil && verdict.Reason != "Unhealthy" {
		return PodFailing, verdict.Reason
	}
	if pod.Spec.NodeName == "" {
		return PodPending, ""
	}
	return PodStarting, ""
}

func restarts(pod *corev1.Pod) (sum int32) {
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		sum += status.RestartCount
	}
	return sum
}

func (d *Deployer) tellRollout(view Rollout) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opts.Rollout != nil {
		d.opts.Rollout(view)
	}
}

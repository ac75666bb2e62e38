package deployer

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sitectl/sitectl/site"
)

// RolloutError says that pods of a release do not become ready, in the words
// of one of them.
type RolloutError struct {
	Workload  string   // "Deployment web"
	Namespace string   // of the workload
	Pod       string   // pod that stands for the others; empty if there is none
	Container string   // container to blame; empty if none in particular
	Reason    string   // as Kubernetes spells it: "CrashLoopBackOff", "ProgressDeadlineExceeded"
	Message   string   // what happened
	Event     string   // what Kubernetes last complained of; empty if of nothing
	Log       []string // last lines of the container's log
	Serving   string   // what answers requests now
	Next      string   // what to do next
}

func (e *RolloutError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "roll out %s: %s", e.Workload, e.Reason)
	if e.Pod != "" {
		fmt.Fprintf(&text, ": pod %s", e.Pod)
	}
	if e.Container != "" {
		fmt.Fprintf(&text, ", container %s", e.Container)
	}
	if e.Message != "" {
		fmt.Fprintf(&text, ": %s", e.Message)
	}
	if _, said, _ := strings.Cut(e.Event, ": "); e.Event != "" && !strings.Contains(e.Message, said) {
		fmt.Fprintf(&text, "\n  event: %s", e.Event)
	}
	for _, line := range e.Log {
		fmt.Fprintf(&text, "\n  log: %s", line)
	}
	if e.Serving != "" {
		fmt.Fprintf(&text, "\n  %s", e.Serving)
	}
	return text.String()
}

// Hint says what to do next.
func (e *RolloutError) Hint() string { return e.Next }

// rolloutError reports a verdict. The pod is nil if there is none.
func (d *Deployer) rolloutError(ctx context.Context, state rolloutState, pod *corev1.Pod, verdict *Verdict) error {
	e := d.workloadError(ctx, "Deployment "+state.deployment.Name, pod, verdict, state.events)
	e.Serving = state.serving()
	if pod == nil {
		e.Next = cmp.Or(verdict.Hint, fmt.Sprintf("kubectl -n %s describe replicaset %s", e.Namespace, state.set.Name))
	}
	return e
}

// deadlineError reports that time is up, with what is known about a pod that
// is not ready.
func (d *Deployer) deadlineError(ctx context.Context, state rolloutState, deadline time.Duration) error {
	pod, verdict := state.suspect()
	if verdict == nil {
		verdict = &Verdict{Message: "not available in time"}
	}
	late := *verdict
	late.Reason = "ProgressDeadlineExceeded"
	late.Message = fmt.Sprintf("nothing moved for %s: %s", site.Duration(deadline), verdict.Message)
	e := d.workloadError(ctx, "Deployment "+state.deployment.Name, pod, &late, state.events)
	e.Serving = state.serving()
	e.Next = cmp.Or(e.Next, fmt.Sprintf("kubectl -n %s describe deployment %s", e.Namespace, state.deployment.Name))
	return e
}

// workloadError describes a pod of a workload: its log, the event about it
// and where to look next.
func (d *Deployer) workloadError(ctx context.Context, workload string, pod *corev1.Pod, verdict *Verdict, events []*corev1.Event) *RolloutError {
	e := &RolloutError{
		Workload:  workload,
		Namespace: d.site.Namespace,
		Container: verdict.Container,
		Reason:    verdict.Reason,
		Message:   verdict.Message,
		Next:      verdict.Hint,
	}
	if pod == nil {
		return e
	}
	e.Pod = pod.Name
	e.Event = newestWarning(events, pod.UID)
	e.Log = d.lastLines(ctx, pod, verdict.Container)
	e.Next = cmp.Or(e.Next, fmt.Sprintf("kubectl -n %s describe pod %s", e.Namespace, e.Pod))
	return e
}

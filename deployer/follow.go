package deployer

import (
	"context"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// JobError says that a Job did not succeed.
type JobError struct {
	Namespace string
	Job       string   // its name
	Step      string   // container that failed or did not end; empty if none was started
	ExitCode  int32    // exit status of the step; 0 if it did not end by itself
	Reason    string   // as Kubernetes spells it: "Error", "DeadlineExceeded", "OOMKilled", "ImagePullBackOff"
	Message   string   // what happened
	Log       []string // last lines of the step's log, which was also streamed
}

func (e *JobError) Error() string {
	if e.Step == "" {
		return fmt.Sprintf("%s (job %s)", e.Message, e.Job)
	}
	return fmt.Sprintf("step %s: %s (job %s)", e.Step, e.Message, e.Job)
}

// followed is a Job to follow.
type followed struct {
	name  string
	limit string                  // what sets its deadline, for the message: "migrate.timeout"
	show  func(step, line string) // is told each line of its log; nil for the log of the Deployer
}

// follow streams the log of a Job until it ends, and returns its pod as it
// was seen last. Anything but success is a *JobError, unless ctx ended first:
// then it is ctx's cause.
func (d *Deployer) follow(ctx context.Context, job followed) (*corev1.Pod, error) {
	seen, err := d.observe(ctx, jobs, pods, events)
	if err != nil {
		return nil, err
	}
	defer seen.close()
	if job.show == nil {
		job.show = func(step, line string) { d.log(fmt.Sprintf("%s | %s\n", step, line)) }
	}
	logs := d.newStepLogs(ctx, seen, job.show)
	watch := &jobWatch{deployer: d, seen: seen, name: job.name, limit: job.limit, logs: logs}
	err = seen.until(func(now time.Time) (bool, error) { return watch.look(ctx, now) })
	logs.close()
	if ctx.Err() != nil {
		return watch.pod, context.Cause(ctx)
	}
	if err != nil {
		return watch.pod, err
	}
	return watch.pod, watch.outcome()
}

// jobWatch follows one Job to its end.
type jobWatch struct {
	deployer *Deployer
	seen     *observation
	name     string
	limit    string
	logs     *stepLogs
	doubt    doubt
	job      *batchv1.Job
	pod      *corev1.Pod // as last seen: a Job whose time is up deletes its pod
	doomed   *Verdict    // why the pod cannot start; then the Job is being ended
}

// look is done when the Job has ended.
func (w *jobWatch) look(ctx context.Context, now time.Time) (bool, error) {
	events, err := w.update()
	if err != nil || w.job == nil {
		return false, err
	}
	if w.pod != nil {
		w.logs.begin(w.pod)
	}
	if finished(w.job) != nil {
		return true, nil
	}
	verdict := w.deployer.consult(ctx, w.verdict(events))
	if w.doomed == nil && w.doubt.settled(verdict, now) {
		w.doomed = verdict
		return false, w.end(ctx)
	}
	return false, nil
}

// update reads the local copies. The Job is nil while its copy has not come.
func (w *jobWatch) update() ([]*corev1.Event, error) {
	namespace, all := w.deployer.site.Namespace, labels.Everything()
	job, err := w.seen.informers.Batch().V1().Jobs().Lister().Jobs(namespace).Get(w.name)
	switch {
	case apierrors.IsNotFound(err) && w.job == nil:
		return nil, nil
	case apierrors.IsNotFound(err):
		return nil, w.failure("Deleted", "somebody has deleted the Job")
	case err != nil:
		return nil, err
	}
	w.job = job
	pods, err := w.seen.informers.Core().V1().Pods().Lister().Pods(namespace).List(all)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(pods, func(pod *corev1.Pod) bool { return metav1.IsControlledBy(pod, job) }); i >= 0 {
		w.pod = pods[i]
	}
	return w.seen.informers.Core().V1().Events().Lister().Events(namespace).List(all)
}

// verdict judges what keeps the Job from running.
func (w *jobWatch) verdict(events []*corev1.Event) *Verdict {
	if w.pod != nil {
		return podVerdict(w.pod, events)
	}
	return jobVerdict(w.job, events)
}

// jobVerdict judges a Job that gets no pod. Only events say so:
//
//	type: Warning
//	reason: FailedCreate
//	message: 'Error creating: pods "migrate-…" is forbidden: exceeded quota: …'
func jobVerdict(job *batchv1.Job, events []*corev1.Event) *Verdict {
	event := newest(events, job.UID, "FailedCreate")
	if event == nil {
		return nil
	}
	return &Verdict{
		Reason:  event.Reason,
		Message: "the cluster refuses its pod: " + event.Message,
		Fatal:   true,
		Grace:   graceNotFound,
	}
}

// end ends a Job that cannot run, so that the next ship need not wait for
// it. A deadline in the past keeps the Job, and with it what happened.
func (w *jobWatch) end(ctx context.Context) error {
	_, err := w.deployer.client.BatchV1().Jobs(w.job.Namespace).Patch(ctx, w.name, types.MergePatchType,
		[]byte(`{"spec":{"activeDeadlineSeconds":1}}`), metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil {
		return fmt.Errorf("end Job %s: %w", w.name, err)
	}
	return nil
}

// outcome tells how the Job ended.
func (w *jobWatch) outcome() error {
	condition := finished(w.job)
	if condition.Type == batchv1.JobComplete {
		return nil
	}
	failure := w.failure(condition.Reason, condition.Message)
	switch step, state := failedStep(w.pod); {
	case w.doomed != nil:
		failure.Step, failure.Reason, failure.Message = w.doomed.Container, w.doomed.Reason, w.doomed.Message
	case condition.Reason == batchv1.JobReasonDeadlineExceeded:
		failure.Step = unfinishedStep(w.pod)
		failure.Message = fmt.Sprintf("not done within %s (%s)", time.Duration(*w.job.Spec.ActiveDeadlineSeconds)*time.Second, w.limit)
	case state != nil:
		failure.Step, failure.ExitCode, failure.Reason = step, state.ExitCode, state.Reason
		failure.Message, _ = ended(*state)
	case w.pod != nil && w.pod.Status.Reason != "":
		failure.Reason, failure.Message = w.pod.Status.Reason, w.pod.Status.Message // Evicted, NodeShutdown, …
	}
	failure.Log = w.logs.tail(failure.Step)
	return failure
}

func (w *jobWatch) failure(reason, message string) *JobError {
	return &JobError{Namespace: w.deployer.site.Namespace, Job: w.name, Reason: reason, Message: message}
}

// failedStep returns the step whose container ended with another exit status
// than 0.
func failedStep(pod *corev1.Pod) (string, *corev1.ContainerStateTerminated) {
	for _, status := range steps(pod) {
		if state := status.State.Terminated; state != nil && state.ExitCode != 0 {
			return status.Name, state
		}
	}
	return "", nil
}

// unfinishedStep returns the step that has not succeeded.
func unfinishedStep(pod *corev1.Pod) string {
	for _, status := range steps(pod) {
		if state := status.State.Terminated; state == nil || state.ExitCode != 0 {
			return status.Name
		}
	}
	return ""
}

// steps returns the containers' statuses in the order in which they run.
func steps(pod *corev1.Pod) []corev1.ContainerStatus {
	if pod == nil {
		return nil
	}
	ordered := slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
	statuses := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	slices.SortStableFunc(statuses, func(a, b corev1.ContainerStatus) int {
		position := func(name string) int {
			return slices.IndexFunc(ordered, func(c corev1.Container) bool { return c.Name == name })
		}
		return position(a.Name) - position(b.Name)
	})
	return statuses
}

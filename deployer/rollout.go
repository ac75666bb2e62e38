package deployer

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/sitectl/sitectl/site"
)

// slack is how much longer than its progress deadline a rollout may stand
// still before sitectl gives up on whoever should say so.
const slack = 30 * time.Second

// errSuperseded says that a Deployment was changed under our hands.
var errSuperseded = errors.New("somebody else has changed it: another ship, or kubectl; look at what runs with sitectl status")

// Roll replaces the web pods by pods of image, and those of every other
// Deployment of the site. It returns when all of them are available and no
// other is left but those that finish their last requests. A release that
// cannot become ready is a *RolloutError; the pods that served before go on
// serving.
func (d *Deployer) Roll(ctx context.Context, image site.Image) error {
	objects, err := d.objects(ctx, image)
	if err != nil {
		return err
	}
	return d.roll(ctx, in(StageWeb, objects))
}

// roll applies objects and waits for the Deployments among them.
func (d *Deployer) roll(ctx context.Context, objects []Object) error {
	seen, err := d.observe(ctx, deployments, replicaSets, pods, events)
	if err != nil {
		return err
	}
	defer seen.close()
	for _, step := range d.site.Web.Rollout.Steps {
		if err := d.rollFirst(ctx, seen, objects, step); err != nil {
			return err
		}
	}
	watch := &rolloutWatch{deployer: d, seen: seen}
	for _, object := range objects {
		live, err := d.apply(ctx, object)
		if err != nil {
			return err
		}
		if object.GetKind() != "Deployment" {
			continue
		}
		if _, err := watch.add(live); err != nil {
			return fmt.Errorf("read %s: %w", object, err)
		}
	}
	return watch.wait(ctx)
}

// rolloutWatch follows the rollout of several Deployments to its end.
type rolloutWatch struct {
	deployer  *Deployer
	seen      *observation
	workloads []*workload
}

// workload is what is remembered of one Deployment.
type workload struct {
	applied  *appsv1.Deployment // as it was when it was applied
	deadline time.Duration      // how long it may stand still
	first    *firstPods         // what is waited for; nil for the whole rollout
	doubt    doubt
	line     string    // last line of progress
	view     Rollout   // last told
	counts   [2]int    // new pods available, old pods
	moved    time.Time // when the counts last changed
}

func (w *rolloutWatch) add(live *unstructured.Unstructured) (*workload, error) {
	applied := &appsv1.Deployment{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, applied); err != nil {
		return nil, err
	}
	load := &workload{applied: applied, deadline: progressDeadline(applied), moved: time.Now()}
	w.workloads = append(w.workloads, load)
	return load, nil
}

// wait returns when all that was added is rolled out.
func (w *rolloutWatch) wait(ctx context.Context) error {
	if err := w.refresh(ctx); err != nil {
		return err
	}
	return w.seen.until(func(now time.Time) (bool, error) { return w.look(ctx, now) })
}

// look decides, from one state of the local copies, whether the rollout is
// done, has failed or goes on. It fails with the first Deployment that does.
func (w *rolloutWatch) look(ctx context.Context, now time.Time) (bool, error) {
	copies, err := w.copies()
	if err != nil {
		return false, err
	}
	done := true
	for _, workload := range w.workloads {
		rolled, err := w.lookAt(ctx, workload, copies.state(workload.applied.Name), now)
		if err != nil {
			return false, err
		}
		done = done && rolled
	}
	return done, nil
}

func (w *rolloutWatch) lookAt(ctx context.Context, load *workload, state rolloutState, now time.Time) (bool, error) {
	if state.deployment == nil || state.deployment.Generation < load.applied.Generation {
		return false, load.unseen(now)
	}
	if state.deployment.Generation > load.applied.Generation && !sameImages(state.deployment, load.applied) {
		return false, load.superseded()
	}
	if line := load.note(state, now); line != "" {
		w.deployer.progress(line)
	}
	if view := state.view(); !reflect.DeepEqual(view, load.view) {
		load.view = view
		w.deployer.tellRollout(view)
	}
	if load.first.done(state, now) || load.first == nil && state.done() {
		return true, nil
	}
	pod, verdict := state.verdict()
	if verdict = w.deployer.consult(ctx, verdict); load.doubt.settled(verdict, now) {
		return false, w.deployer.rolloutError(ctx, state, pod, verdict)
	}
	if load.expired(state.deployment, now) {
		return false, w.deployer.deadlineError(ctx, state, load.deadline)
	}
	return false, nil
}

// unseen is for copies that are older than what was applied. That passes,
// unless the Deployment was deleted meanwhile.
func (l *workload) unseen(now time.Time) error {
	if now.Sub(l.moved) > slack {
		return l.superseded()
	}
	return nil
}

func (l *workload) superseded() error {
	return fmt.Errorf("roll out Deployment %s: %w", l.applied.Name, errSuperseded)
}

// note notes what has changed, and returns a line about it, if anything has.
// A reason that comes and goes is no movement.
func (l *workload) note(state rolloutState, now time.Time) string {
	counts, line := [2]int{int(availableOf(state)), len(state.old)}, state.String()
	if l.first != nil {
		counts, line = [2]int{len(state.ready()), len(state.old)}, l.first.describe(state)
	}
	if counts != l.counts {
		l.counts, l.moved = counts, now
	}
	if line == l.line {
		return ""
	}
	l.line = line
	return line
}

// expired says whether the Deployment's controller has given up, or does not
// say so when it should have. What it said before the release was applied
// does not count: the controller lets that stand until something moves.
func (l *workload) expired(deployment *appsv1.Deployment, now time.Time) bool {
	if now.Sub(l.moved) > l.deadline+slack {
		return true
	}
	condition := progressDeadlineExceeded(deployment)
	if condition == nil || deployment.Status.ObservedGeneration < deployment.Generation {
		return false
	}
	earlier := progressDeadlineExceeded(l.applied)
	return earlier == nil || !earlier.LastUpdateTime.Equal(&condition.LastUpdateTime)
}

// progressDeadline is how long a rollout may stand still; 10 minutes, says
// the API, if the Deployment does not.
func progressDeadline(deployment *appsv1.Deployment) time.Duration {
	return time.Duration(ptr.Deref(deployment.Spec.ProgressDeadlineSeconds, 600)) * time.Second
}

// sameImages says whether two states of a Deployment run the same.
func sameImages(a, b *appsv1.Deployment) bool {
	images := func(d *appsv1.Deployment) (images []string) {
		for _, container := range slices.Concat(d.Spec.Template.Spec.InitContainers, d.Spec.Template.Spec.Containers) {
			images = append(images, container.Image)
		}
		return images
	}
	return slices.Equal(images(a), images(b))
}

// progressDeadlineExceeded returns the condition with which the controller
// gives up, nil if it has not:
//
//	status:
//	  conditions:
//	  - type: Progressing
//	    status: "False"
//	    reason: ProgressDeadlineExceeded
//	    message: ReplicaSet "web-7d4b9c" has timed out progressing.
func progressDeadlineExceeded(web *appsv1.Deployment) *appsv1.DeploymentCondition {
	for i, condition := range web.Status.Conditions {
		if condition.Type == appsv1.DeploymentProgressing && condition.Reason == "ProgressDeadlineExceeded" {
			return &web.Status.Conditions[i]
		}
	}
	return nil
}

// refresh gives a release that is shipped again a fresh start.
func (w *rolloutWatch) refresh(ctx context.Context) error {
	for _, load := range w.workloads {
		if load.applied.Status.ObservedGeneration < load.applied.Generation || complete(load.applied) {
			continue
		}
		copies, err := w.copies()
		if err != nil {
			return err
		}
		state := copies.state(load.applied.Name)
		if err := w.deployer.replaceDoomed(ctx, w.seen, state.pods, state.events); err != nil {
			return err
		}
	}
	return nil
}

// replaceDoomed replaces pods that wait out a back-off of minutes for a cause
// that may be gone by now. It returns when their copies say so too.
func (d *Deployer) replaceDoomed(ctx context.Context, seen *observation, pods []*corev1.Pod, events []*corev1.Event) error {
	for _, pod := range pods {
		if verdict := podVerdict(pod, events); verdict == nil || !verdict.Fatal {
			continue
		}
		err := d.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &pod.UID},
		})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("replace pod %s: %w", pod.Name, err)
		}
		d.progress(fmt.Sprintf("pod %s of an earlier attempt replaced", pod.Name))
		if err := seen.until(func(time.Time) (bool, error) { return seen.gone(pod), nil }); err != nil {
			return err
		}
	}
	return nil
}

package deployer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sitectl/sitectl/site"
)

// slack is how much longer than its progress deadline a rollout may stand
// still before sitectl gives up on whoever should say so.
const slack = 30 * time.Second

// errSuperseded says that the Deployment was changed under our hands.
var errSuperseded = errors.New("somebody else has changed Deployment web: another ship, or kubectl; look at what runs with sitectl status")

// Roll replaces the web pods by pods of image and returns when all of them
// are available and no other is left but those that finish their last
// requests. A release that cannot become ready is a *RolloutError; the pods
// that served before go on serving.
func (d *Deployer) Roll(ctx context.Context, image site.Image) error {
	objects, err := d.objects(ctx, image)
	if err != nil {
		return err
	}
	seen, err := d.observe(ctx, deployments, replicaSets, pods, events)
	if err != nil {
		return err
	}
	defer seen.close()

	var applied *appsv1.Deployment
	for _, object := range in(StageWeb, objects) {
		live, err := d.apply(ctx, object)
		if err != nil {
			return err
		}
		if object.GetKind() == "Deployment" {
			applied = &appsv1.Deployment{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, applied); err != nil {
				return fmt.Errorf("read %s: %w", object, err)
			}
		}
	}
	watch := newRolloutWatch(d, seen, applied)
	if err := watch.refresh(ctx); err != nil {
		return err
	}
	return seen.until(func(now time.Time) (bool, error) { return watch.look(ctx, now) })
}

// rolloutWatch follows one rollout to its end.
type rolloutWatch struct {
	deployer *Deployer
	seen     *observation
	applied  *appsv1.Deployment // as it was when it was applied
	doubt    doubt
	line     string    // last line of progress
	counts   [2]int    // new pods available, old pods
	moved    time.Time // when the counts last changed
}

func newRolloutWatch(d *Deployer, seen *observation, applied *appsv1.Deployment) *rolloutWatch {
	return &rolloutWatch{deployer: d, seen: seen, applied: applied, moved: time.Now()}
}

// look decides whether the rollout is done, has failed or goes on.
func (w *rolloutWatch) look(ctx context.Context, now time.Time) (bool, error) {
	state, err := w.state()
	if err != nil {
		return false, err
	}
	if state.web == nil || state.web.Generation < w.applied.Generation {
		return false, w.unseen(now)
	}
	if state.web.Generation > w.applied.Generation && runningImage(state.web) != runningImage(w.applied) {
		return false, errSuperseded
	}
	w.report(state, now)
	if state.done() {
		return true, nil
	}
	if pod, verdict := state.verdict(); w.doubt.settled(verdict, now) {
		return false, w.deployer.rolloutError(ctx, state, pod, verdict)
	}
	if w.expired(state.web) || now.Sub(w.moved) > w.deployer.site.Web.Rollout.ProgressDeadline.Duration()+slack {
		return false, w.deployer.deadlineError(ctx, state)
	}
	return false, nil
}

// unseen is for copies that are older than what was applied. That passes,
// unless the Deployment was deleted meanwhile.
func (w *rolloutWatch) unseen(now time.Time) error {
	if now.Sub(w.moved) > slack {
		return errSuperseded
	}
	return nil
}

// report tells what has changed. A reason that comes and goes is no movement.
func (w *rolloutWatch) report(state rolloutState, now time.Time) {
	if counts := [2]int{int(availableOf(state)), len(state.old)}; counts != w.counts {
		w.counts, w.moved = counts, now
	}
	if line := state.String(); line != w.line {
		w.line = line
		w.deployer.progress(line)
	}
}

// expired says whether the Deployment's controller has given up. What it
// said before the release was applied does not count: the controller lets
// that stand until something moves.
func (w *rolloutWatch) expired(web *appsv1.Deployment) bool {
	condition := progressDeadlineExceeded(web)
	if condition == nil || web.Status.ObservedGeneration < web.Generation {
		return false
	}
	earlier := progressDeadlineExceeded(w.applied)
	return earlier == nil || !earlier.LastUpdateTime.Equal(&condition.LastUpdateTime)
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
	if w.applied.Status.ObservedGeneration < w.applied.Generation || complete(w.applied) {
		return nil
	}
	state, err := w.state()
	if err != nil {
		return err
	}
	return w.deployer.replaceDoomed(ctx, w.seen, state.pods, state.events)
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

// rolloutState is one consistent view of a rollout.
type rolloutState struct {
	web    *appsv1.Deployment
	set    *appsv1.ReplicaSet // of the new release; nil until it is created
	pods   []*corev1.Pod      // of set, without those that are going
	old    []*corev1.Pod      // of other ReplicaSets, without those that are going
	events []*corev1.Event
}

// state reads the local copies.
func (w *rolloutWatch) state() (rolloutState, error) {
	namespace, all := w.deployer.site.Namespace, labels.Everything()
	var state rolloutState
	var err error
	state.web, err = w.seen.informers.Apps().V1().Deployments().Lister().Deployments(namespace).Get("web")
	if apierrors.IsNotFound(err) {
		return rolloutState{}, nil
	}
	if err != nil {
		return rolloutState{}, err
	}
	sets, err := w.seen.informers.Apps().V1().ReplicaSets().Lister().ReplicaSets(namespace).List(all)
	if err != nil {
		return rolloutState{}, err
	}
	pods, err := w.seen.informers.Core().V1().Pods().Lister().Pods(namespace).List(all)
	if err != nil {
		return rolloutState{}, err
	}
	state.events, err = w.seen.informers.Core().V1().Events().Lister().Events(namespace).List(all)
	state.set = newReplicaSet(state.web, sets)
	state.divide(sets, pods)
	return state, err
}

// divide tells the pods of the new ReplicaSet from those of the older ones.
func (s *rolloutState) divide(sets []*appsv1.ReplicaSet, pods []*corev1.Pod) {
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	for _, pod := range pods {
		if replaced(pod) {
			continue
		}
		switch {
		case s.set != nil && metav1.IsControlledBy(pod, s.set):
			s.pods = append(s.pods, pod)
		case slices.ContainsFunc(sets, func(set *appsv1.ReplicaSet) bool {
			return metav1.IsControlledBy(set, s.web) && metav1.IsControlledBy(pod, set)
		}):
			s.old = append(s.old, pod)
		}
	}
}

// newReplicaSet finds the ReplicaSet of the Deployment's present template the
// way the Deployment's controller does: the template is the same but for the
// label that the controller adds. It is nil until the controller creates it.
func newReplicaSet(web *appsv1.Deployment, sets []*appsv1.ReplicaSet) *appsv1.ReplicaSet {
	var found *appsv1.ReplicaSet
	for _, set := range sets {
		if !metav1.IsControlledBy(set, web) || !sameTemplate(set.Spec.Template, web.Spec.Template) {
			continue
		}
		if found == nil || set.CreationTimestamp.Before(&found.CreationTimestamp) {
			found = set
		}
	}
	return found
}

// sameTemplate compares pod templates without the label that tells the
// ReplicaSets of a Deployment apart.
func sameTemplate(a, b corev1.PodTemplateSpec) bool {
	return equality.Semantic.DeepEqual(withoutHash(a), withoutHash(b))
}

func withoutHash(template corev1.PodTemplateSpec) *corev1.PodTemplateSpec {
	bare := template.DeepCopy()
	delete(bare.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return bare
}

// done is true when the controller has seen the last change, every pod is of
// the new release and available, and every other one is gone or going.
func (s rolloutState) done() bool { return complete(s.web) && s.set != nil && len(s.old) == 0 }

// complete judges a Deployment by its own status:
//
//	metadata:
//	  generation: 4
//	spec:
//	  replicas: 3
//	status:
//	  observedGeneration: 4
//	  replicas: 3
//	  updatedReplicas: 3
//	  availableReplicas: 3
func complete(web *appsv1.Deployment) bool {
	return web.Status.ObservedGeneration >= web.Generation && available(web)
}

// available is for a look from outside at a release that was recorded: the
// record itself raises the generation, and for a moment the controller has
// not seen that.
func available(web *appsv1.Deployment) bool {
	wanted := replicas(web.Spec.Replicas)
	return web.Status.UpdatedReplicas == wanted &&
		web.Status.Replicas == wanted &&
		web.Status.AvailableReplicas == wanted
}

// replicas is a number of replicas; Kubernetes takes none for one.
func replicas(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

// verdict is fatal only if no pod of the new release has a chance: a single
// one that comes up shows that the release works, and that the others have a
// problem of their own. The pod is nil if the release has none.
func (s rolloutState) verdict() (*corev1.Pod, *Verdict) {
	if s.set != nil && len(s.pods) == 0 {
		return nil, replicaSetVerdict(s.set)
	}
	var first *corev1.Pod
	var worst *Verdict
	for _, pod := range s.pods {
		verdict := podVerdict(pod, s.events)
		if verdict == nil || !verdict.Fatal {
			return nil, nil
		}
		if first == nil {
			first, worst = pod, verdict
		}
	}
	return first, worst
}

// suspect is the pod of the new release that is to blame when time is up: one
// with a verdict, or else any that is not ready.
func (s rolloutState) suspect() (*corev1.Pod, *Verdict) {
	var unready *corev1.Pod
	for _, pod := range s.pods {
		if podReady(pod) {
			continue
		}
		if verdict := podVerdict(pod, s.events); verdict != nil {
			return pod, verdict
		}
		unready = pod
	}
	return unready, nil
}

// String is a line of progress.
func (s rolloutState) String() string {
	line := fmt.Sprintf("web: %d of %d new pods available", availableOf(s), replicas(s.web.Spec.Replicas))
	if len(s.old) > 0 {
		line += fmt.Sprintf(", %d old", len(s.old))
	}
	if _, verdict := s.suspect(); verdict != nil && verdict.Reason != "Unhealthy" {
		line += fmt.Sprintf(" (%s)", verdict.Reason)
	}
	return line
}

func availableOf(s rolloutState) int32 {
	if s.set == nil {
		return 0
	}
	return s.set.Status.AvailableReplicas
}

// serving says what answers requests while the new release does not.
func (s rolloutState) serving() string {
	ready := slices.DeleteFunc(slices.Clone(s.old), func(pod *corev1.Pod) bool { return !podReady(pod) })
	if len(ready) == 0 {
		return "nothing else serves the site"
	}
	return fmt.Sprintf("release %s keeps serving (pods ready: %d)", ready[0].Labels["app.kubernetes.io/version"], len(ready))
}

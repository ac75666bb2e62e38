package deployer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Data returns when the database and the cache are ready. One that cannot
// become ready is a *RolloutError.
func (d *Deployer) Data(ctx context.Context) error {
	var waiting []*appsv1.StatefulSet
	for _, name := range statefulSetNames(d) {
		set, err := d.client.AppsV1().StatefulSets(d.site.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("read StatefulSet %s: %w", name, err)
		}
		if !statefulSetReady(set) {
			waiting = append(waiting, set)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	seen, err := d.observe(ctx, statefulSets, pods, events)
	if err != nil {
		return err
	}
	defer seen.close()
	for _, set := range waiting {
		if err := d.awaitStatefulSet(ctx, seen, set); err != nil {
			return err
		}
	}
	return nil
}

func statefulSetNames(d *Deployer) []string {
	var names []string
	if d.site.Database != nil && d.site.Database.MariaDB != nil {
		names = append(names, "mysql")
	}
	if d.site.Cache != nil && d.site.Cache.Memcached != nil {
		names = append(names, "memcache")
	}
	if d.site.Cache != nil && d.site.Cache.Redis != nil {
		names = append(names, "redis")
	}
	return names
}

func (d *Deployer) awaitStatefulSet(ctx context.Context, seen *observation, applied *appsv1.StatefulSet) error {
	watch := &statefulSetWatch{deployer: d, seen: seen, applied: applied, moved: time.Now()}
	state, err := watch.state()
	if err != nil {
		return err
	}
	if err := d.replaceDoomed(ctx, seen, state.pods, state.events); err != nil {
		return err
	}
	return seen.until(func(now time.Time) (bool, error) { return watch.look(ctx, now) })
}

// statefulSetWatch follows one StatefulSet until it is ready.
type statefulSetWatch struct {
	deployer *Deployer
	seen     *observation
	applied  *appsv1.StatefulSet
	doubt    doubt
	line     string    // last line of progress
	ready    int32     // pods
	moved    time.Time // when ready last changed
}

// statefulSetState is one consistent view of a StatefulSet.
type statefulSetState struct {
	set    *appsv1.StatefulSet
	pods   []*corev1.Pod // without those that are going
	events []*corev1.Event
}

func (w *statefulSetWatch) state() (statefulSetState, error) {
	namespace, all := w.applied.Namespace, labels.Everything()
	set, err := w.seen.informers.Apps().V1().StatefulSets().Lister().StatefulSets(namespace).Get(w.applied.Name)
	if err != nil {
		return statefulSetState{}, fmt.Errorf("read StatefulSet %s: %w", w.applied.Name, err)
	}
	pods, err := w.seen.informers.Core().V1().Pods().Lister().Pods(namespace).List(all)
	if err != nil {
		return statefulSetState{}, err
	}
	events, err := w.seen.informers.Core().V1().Events().Lister().Events(namespace).List(all)
	pods = slices.DeleteFunc(pods, func(pod *corev1.Pod) bool { return replaced(pod) || !metav1.IsControlledBy(pod, set) })
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return statefulSetState{set, pods, events}, err
}

func (w *statefulSetWatch) look(ctx context.Context, now time.Time) (bool, error) {
	state, err := w.state()
	if err != nil || state.set.Generation < w.applied.Generation {
		return false, err // the copy is older than what was applied
	}
	w.report(state, now)
	if statefulSetReady(state.set) {
		return true, nil
	}
	workload := "StatefulSet " + w.applied.Name
	pod, verdict := state.verdict()
	if w.doubt.settled(verdict, now) {
		return false, w.deployer.workloadError(ctx, workload, pod, verdict, state.events)
	}
	if limit := w.deployer.site.Web.Rollout.ProgressDeadline; now.Sub(w.moved) > limit.Duration() {
		late := Verdict{Reason: "NotReady", Message: fmt.Sprintf("nothing moved for %s", limit)}
		if verdict != nil {
			late = *verdict
		}
		return false, w.deployer.workloadError(ctx, workload, pod, &late, state.events)
	}
	return false, nil
}

// report tells what has changed. A reason that comes and goes is no movement.
func (w *statefulSetWatch) report(state statefulSetState, now time.Time) {
	if ready := state.set.Status.ReadyReplicas; ready != w.ready {
		w.ready, w.moved = ready, now
	}
	if line := state.String(); line != w.line {
		w.line = line
		w.deployer.progress(line)
	}
}

// verdict is about the first pod that is not ready. Unlike those of a
// Deployment, each pod of a StatefulSet is needed.
func (s statefulSetState) verdict() (*corev1.Pod, *Verdict) {
	for _, pod := range s.pods {
		if verdict := podVerdict(pod, s.events); verdict != nil {
			return pod, verdict
		}
	}
	for _, pod := range s.pods {
		if !podReady(pod) {
			return pod, nil
		}
	}
	return nil, nil
}

// String is a line of progress.
func (s statefulSetState) String() string {
	line := fmt.Sprintf("%s: %d of %d pods ready", s.set.Name, s.set.Status.ReadyReplicas, replicas(s.set.Spec.Replicas))
	if _, verdict := s.verdict(); verdict != nil && verdict.Reason != "Unhealthy" {
		line += fmt.Sprintf(" (%s)", verdict.Reason)
	}
	return line
}

// statefulSetReady judges a StatefulSet by its own status:
//
//	metadata:
//	  generation: 2
//	spec:
//	  replicas: 1
//	status:
//	  observedGeneration: 2
//	  readyReplicas: 1
//	  updatedReplicas: 1
func statefulSetReady(set *appsv1.StatefulSet) bool {
	wanted := replicas(set.Spec.Replicas)
	return set.Status.ObservedGeneration >= set.Generation &&
		set.Status.ReadyReplicas == wanted &&
		set.Status.UpdatedReplicas == wanted
}

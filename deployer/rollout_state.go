package deployer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// rolloutState is one consistent view of the rollout of one Deployment.
type rolloutState struct {
	deployment *appsv1.Deployment // nil if there is none
	set        *appsv1.ReplicaSet // of the new release; nil until it is created
	pods       []*corev1.Pod      // of set, without those that are going
	gone       []*corev1.Pod      // of set, which have ended as a whole and are replaced
	old        []*corev1.Pod      // of other ReplicaSets, without those that are going
	all        []*corev1.Pod      // of all ReplicaSets, with those that have ended and those that are going
	events     []*corev1.Event
}

// rolloutCopies are the local copies at one time.
type rolloutCopies struct {
	deployments []*appsv1.Deployment
	sets        []*appsv1.ReplicaSet
	pods        []*corev1.Pod
	events      []*corev1.Event
}

func (w *rolloutWatch) copies() (rolloutCopies, error) {
	namespace, all := w.deployer.site.Namespace, labels.Everything()
	apps, core := w.seen.informers.Apps().V1(), w.seen.informers.Core().V1()
	var c rolloutCopies
	var errs [4]error
	c.deployments, errs[0] = apps.Deployments().Lister().Deployments(namespace).List(all)
	c.sets, errs[1] = apps.ReplicaSets().Lister().ReplicaSets(namespace).List(all)
	c.pods, errs[2] = core.Pods().Lister().Pods(namespace).List(all)
	c.events, errs[3] = core.Events().Lister().Events(namespace).List(all)
	slices.SortFunc(c.pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return c, errors.Join(errs[:]...)
}

// state is what the copies show of one Deployment.
func (c rolloutCopies) state(name string) rolloutState {
	i := slices.IndexFunc(c.deployments, func(d *appsv1.Deployment) bool { return d.Name == name })
	if i < 0 {
		return rolloutState{}
	}
	state := rolloutState{deployment: c.deployments[i], events: c.events}
	state.set = newReplicaSet(state.deployment, c.sets)
	state.divide(c.sets, c.pods)
	return state
}

// divide tells the pods of the new ReplicaSet from those of the older ones.
func (s *rolloutState) divide(sets []*appsv1.ReplicaSet, pods []*corev1.Pod) {
	for _, pod := range pods {
		if !slices.ContainsFunc(sets, func(set *appsv1.ReplicaSet) bool {
			return metav1.IsControlledBy(set, s.deployment) && metav1.IsControlledBy(pod, set)
		}) {
			continue
		}
		s.all = append(s.all, pod)
		switch fresh := s.isNew(pod); {
		case fresh && over(pod):
			s.gone = append(s.gone, pod)
		case replaced(pod):
		case fresh:
			s.pods = append(s.pods, pod)
		default:
			s.old = append(s.old, pod)
		}
	}
}

// isNew says whether a pod is of the new ReplicaSet.
func (s rolloutState) isNew(pod *corev1.Pod) bool {
	return s.set != nil && metav1.IsControlledBy(pod, s.set)
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
func (s rolloutState) done() bool { return complete(s.deployment) && s.set != nil && len(s.old) == 0 }

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
	if pod, verdict := replacedVerdict(s.gone, s.events); verdict != nil && !slices.ContainsFunc(s.pods, podReady) {
		return pod, verdict
	}
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
// with a verdict, or else any that is not ready, or none if all that there are
// are well and the cluster refuses more.
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
	if unready == nil && s.set != nil {
		return nil, replicaSetVerdict(s.set)
	}
	return unready, nil
}

// ready are the pods of the new release that serve.
func (s rolloutState) ready() []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(s.pods), func(pod *corev1.Pod) bool { return !podReady(pod) })
}

// String is a line of progress.
func (s rolloutState) String() string {
	line := fmt.Sprintf("%s: %d of %d new pods available", s.deployment.Name, availableOf(s), replicas(s.deployment.Spec.Replicas))
	return line + s.aside()
}

// aside is the end of a line of progress.
func (s rolloutState) aside() string {
	text := ""
	if len(s.old) > 0 {
		text = fmt.Sprintf(", %d old", len(s.old))
	}
	if _, verdict := s.suspect(); verdict != nil && verdict.Reason != "Unhealthy" {
		text += fmt.Sprintf(" (%s)", verdict.Reason)
	}
	return text
}

func availableOf(s rolloutState) int32 {
	if s.set == nil {
		return 0
	}
	return s.set.Status.AvailableReplicas
}

// serving says what answers requests, or does the work of another Deployment
// than web, while the new release does not.
func (s rolloutState) serving() string {
	nothing, keeps := "nothing else serves the site", "keeps serving"
	if s.deployment.Name != "web" {
		nothing, keeps = "nothing else does its work", "of it keeps running"
	}
	ready := slices.DeleteFunc(slices.Clone(s.old), func(pod *corev1.Pod) bool { return !podReady(pod) })
	if len(ready) == 0 {
		return nothing
	}
	return fmt.Sprintf("release %s %s (pods ready: %d)", releaseTag(ready[0]), keeps, len(ready))
}

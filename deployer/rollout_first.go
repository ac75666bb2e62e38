package deployer

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sitectl/sitectl/site"
)

// longHold is how long the first pods would have to be ready until the
// Deployment's controller went on by itself: a year, in seconds. To hold it so
// needs no second request, as pausing it would, which might come too late: the
// pods are ready and serve, but are not available, and there may be no more of
// that sort. A ship that is killed meanwhile leaves the site to both releases,
// and the next one goes on.
const longHold = 365 * 24 * 60 * 60

// rollFirst lets a few pods of web come, beside all the old ones or, if the
// site has no room for more, instead of as many, and verifies each of them. A
// site that does not run yet has nothing to lose.
func (d *Deployer) rollFirst(ctx context.Context, seen *observation, objects []Object, step site.RolloutStep) error {
	watch := &rolloutWatch{deployer: d, seen: seen}
	copies, err := watch.copies()
	if err != nil || copies.state("web").deployment == nil {
		return err
	}
	web := slices.IndexFunc(objects, func(o Object) bool { return o.GetKind() == "Deployment" && o.GetName() == "web" })
	if web < 0 {
		return nil
	}
	held, err := hold(objects[web], step.Pods)
	if err != nil {
		return err
	}
	if err := d.applyAll(ctx, objects[:web]); err != nil { // what it reads
		return err
	}
	live, err := d.apply(ctx, held)
	if err != nil {
		return err
	}
	load, err := watch.add(live)
	if err != nil {
		return fmt.Errorf("read %s: %w", held, err)
	}
	rollout := d.site.Web.Rollout
	load.deadline = rollout.ProgressDeadline.Duration()
	load.first = &firstPods{number: step.Pods, settle: time.Duration(rollout.MinReadySeconds) * time.Second}
	if err := watch.wait(ctx); err != nil {
		return err
	}
	return d.verifyFirst(ctx, load.first.pods)
}

// verifyFirst asks each of the pods for the page of web.verify.
func (d *Deployer) verifyFirst(ctx context.Context, pods []*corev1.Pod) error {
	for _, pod := range pods {
		err := d.verify(ctx, releaseTag(pod), func(context.Context) ([]string, error) {
			return []string{pod.Name}, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// hold is a Deployment that goes no further than to its first pods. None of
// what it changes is of the pods, so that the whole rollout goes on with them.
func hold(deployment Object, pods int32) (Object, error) {
	held := Object{deployment.Stage, deployment.DeepCopy()}
	surge, unavailable := int64(pods), int64(0)
	rollingUpdate := []string{"spec", "strategy", "rollingUpdate"}
	if most, found, _ := unstructured.NestedInt64(held.Object, append(rollingUpdate, "maxSurge")...); found && most == 0 {
		surge, unavailable = unavailable, surge
	}
	for _, field := range []struct {
		value int64
		path  []string
	}{
		{surge, append(slices.Clone(rollingUpdate), "maxSurge")},
		{unavailable, append(slices.Clone(rollingUpdate), "maxUnavailable")},
		{longHold, []string{"spec", "minReadySeconds"}},
		{math.MaxInt32, []string{"spec", "progressDeadlineSeconds"}}, // none, says the API; sitectl minds the site's own
	} {
		if err := unstructured.SetNestedField(held.Object, field.value, field.path...); err != nil {
			return Object{}, fmt.Errorf("hold %s: %w", deployment, err)
		}
	}
	return held, nil
}

// firstPods waits for the first pods of a release.
type firstPods struct {
	number int32         // how many there are to be
	settle time.Duration // how long they must be ready without a break
	since  time.Time     // when they were seen to be; zero if they are not
	pods   []*corev1.Pod // so many that are ready, in the end
}

// done judges the pods rather than the Deployment, which is not to be complete.
func (f *firstPods) done(state rolloutState, now time.Time) bool {
	if f == nil {
		return false
	}
	wanted := f.wanted(state)
	if f.pods = state.ready(); len(f.pods) < wanted {
		f.since = time.Time{}
		return false
	}
	f.pods = f.pods[:wanted]
	if f.since.IsZero() {
		f.since = now
	}
	return now.Sub(f.since) >= f.settle
}

// wanted is how many pods are to come: no more than the site has.
func (f *firstPods) wanted(state rolloutState) int {
	return int(min(f.number, replicas(state.deployment.Spec.Replicas)))
}

// describe is a line of progress.
func (f *firstPods) describe(state rolloutState) string {
	return fmt.Sprintf("web: %d of %d first pods ready", len(state.ready()), f.wanted(state)) + state.aside()
}

package deployer

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sitectl/sitectl/site"
)

// startSteps begins to roll out a release with a first pod, beside one that
// serves.
func startSteps(t *testing.T, forward forwarder) *rollout {
	return startRollout(t, serving, func(r *rollout) {
		r.site.Web.Rollout.Steps = []site.RolloutStep{{Pods: 1}}
		r.forward = forward
		r.put(&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: r.site.Namespace, Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
			Ports:      []discoveryv1.EndpointPort{{Name: ptr.To("http"), Port: ptr.To[int32](80)}},
			Endpoints:  []discoveryv1.Endpoint{endpointOf("web-old-1", true), endpointOf("web-new-1", true)},
		})
	})
}

func TestRollVerifiesTheFirstPodBeforeTheRest(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	defer server.Close()
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		r := startSteps(t, func(_ context.Context, _, pod string, _ int32) (string, func(), error) {
			asked = append(asked, pod)
			return strings.TrimPrefix(server.URL, "http://"), func() {}, nil
		})
		web := r.deployment()
		assert.Equal(t, int32(longHold), web.Spec.MinReadySeconds)
		assert.Equal(t, int32(math.MaxInt32), *web.Spec.ProgressDeadlineSeconds)
		assert.Equal(t, "1", web.Spec.Strategy.RollingUpdate.MaxSurge.String())
		assert.Equal(t, "0", web.Spec.Strategy.RollingUpdate.MaxUnavailable.String())

		set := r.set("web-new")
		r.pod(set, "web-new-1", starting)
		time.Sleep(time.Minute)
		assert.True(t, r.going())
		r.pod(set, "web-new-1", ready)
		time.Sleep(time.Second)
		assert.Equal(t, int32(longHold), r.deployment().Spec.MinReadySeconds, "it has not been ready for minReadySeconds")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Equal(t, []string{"web-new-1"}, asked)
		assert.Equal(t, int32(5), r.deployment().Spec.MinReadySeconds, "the rest may come")
		assert.Equal(t, web.Spec.Template, r.deployment().Spec.Template, "and the first pod stays")
		assert.Contains(t, r.lines, "web: 1 of 1 first pods ready, 1 old")

		require.NoError(t, r.clients.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), r.site.Namespace, "web-old-1"))
		r.status(2, 2, 2)
		require.NoError(t, <-r.result)
	})
}

func TestRollStopsAtAFirstPodThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startSteps(t, func(context.Context, string, string, int32) (string, func(), error) {
			return "", nil, errors.New("connection refused")
		})
		r.pod(r.set("web-new"), "web-new-1", ready)
		var failure *VerifyError
		require.ErrorAs(t, <-r.result, &failure)
		assert.Equal(t, "web-new-1", failure.Pod)
		assert.Equal(t, int32(longHold), r.deployment().Spec.MinReadySeconds, "no more pods come")
	})
}

func TestRollStopsAtAFirstPodThatCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startSteps(t, nil)
		r.pod(r.set("web-new"), "web-new-1", crashing(3))
		assert.Equal(t, "CrashLoopBackOff", r.failure().Reason)
	})
}

func TestRollGivesUpOnAFirstPodThatDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startSteps(t, nil)
		start := time.Now()
		failure := r.failure()
		assert.Equal(t, "ProgressDeadlineExceeded", failure.Reason)
		assert.Contains(t, failure.Message, "nothing moved for 5m")
		assert.InDelta(t, (5*time.Minute + slack).Seconds(), time.Since(start).Seconds(), 2)
	})
}

func TestRollHasNoFirstPodOfANewSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRollout(t, func(r *rollout) { r.site.Web.Rollout.Steps = []site.RolloutStep{{Pods: 1}} })
		assert.Equal(t, int32(5), r.deployment().Spec.MinReadySeconds)
		r.set("web-new")
		r.status(2, 2, 2)
		require.NoError(t, <-r.result)
	})
}

func TestHoldOfASiteWithoutRoomForMorePods(t *testing.T) {
	s := readSite(t, "plain", "")
	s.Web.Rollout.MaxSurge, s.Web.Rollout.MaxUnavailable = 0, 1
	r := &rollout{fakeCluster: newFakeCluster(t, s), name: "web", image: testImage(s)}
	for _, object := range in(StageWeb, mustObjects(t, s)) {
		if object.GetKind() != "Deployment" {
			continue
		}
		held, err := hold(object, 1)
		require.NoError(t, err)
		require.NoError(t, r.applyAll(t.Context(), []Object{held}))
	}
	strategy := r.deployment().Spec.Strategy.RollingUpdate
	assert.Equal(t, "0", strategy.MaxSurge.String())
	assert.Equal(t, "1", strategy.MaxUnavailable.String())
}

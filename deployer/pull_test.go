package deployer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
)

func pulling(image, message string) corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		Name: "web", Image: image,
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: message}},
	}}}
}

func TestRollAsksTheRegistryForAnImageThatDoesNotCome(t *testing.T) {
	const missing, refused = "rpc error: code = NotFound desc = r/i:t: not found", "failed to authorize: 401 Unauthorized"
	for name, test := range map[string]struct {
		message string
		found   bool
		err     error
		after   time.Duration
		hint    string
	}{
		"gone":                        {missing, false, nil, lookAgain, "somebody has deleted the image"},
		"not there for the nodes yet": {missing, true, nil, graceMirrored, "the registry has the image"},
		"the pods' login is wrong":    {refused, true, nil, graceRefused, "lets sitectl have the image, and not the pods"},
		"the registry does not say":   {missing, false, errors.New("i/o timeout"), graceNotFound, "check that the image is in the registry"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				r := startRollout(t, func(r *rollout) {
					r.opts.HasImage = func(_ context.Context, reference string) (bool, error) {
						asked++
						assert.Equal(t, r.image.Reference(), reference)
						return test.found, test.err
					}
				})
				start := time.Now()
				r.pod(r.set("web-new"), "web-new-1", pulling(r.image.Reference(), test.message))
				failure := r.failure()
				assert.Equal(t, test.after, time.Since(start).Round(time.Second))
				assert.Contains(t, failure.Hint(), test.hint)
				if test.err == nil {
					assert.Equal(t, 1, asked, "an answer is remembered")
				}
			})
		})
	}
}

func TestConsultLeavesOtherImagesAlone(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	c.opts.HasImage = func(context.Context, string) (bool, error) { panic("nobody needs to know") }
	assert.Nil(t, c.consult(t.Context(), nil))
	for _, verdict := range []*Verdict{
		{Image: "varnish:7.7", Pull: pullMissing},
		{Image: testImage(s).Reference()},
	} {
		assert.Same(t, verdict, c.consult(t.Context(), verdict))
	}
}

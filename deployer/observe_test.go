package deployer

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"
)

var never = func(time.Time) (bool, error) { return false, nil }

// cut makes the API server answer pod requests with err, while it is on.
func cut(c *fakeCluster, err error) (on *atomic.Bool) {
	on = &atomic.Bool{}
	c.clients.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return on.Load(), nil, err
	})
	c.clients.PrependWatchReactor("pods", func(clienttesting.Action) (bool, watch.Interface, error) {
		return on.Load(), nil, err
	})
	return on
}

func TestObservationEndsWhenTheClusterIsOutOfReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t, readSite(t, "plain", ""))
		off := cut(c, errors.New("connection refused"))
		o, err := c.observe(t.Context(), pods)
		require.NoError(t, err)
		defer o.close()

		off.Store(true)
		o.failing.Store(true)
		start := time.Now()
		var unreachable *UnreachableError
		require.ErrorAs(t, o.until(never), &unreachable)
		assert.Equal(t, c.server, unreachable.Server)
		assert.Greater(t, time.Since(start), outage)
	})
}

func TestObservationSurvivesAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t, readSite(t, "plain", ""))
		off := cut(c, errors.New("connection refused"))
		o, err := c.observe(t.Context(), pods)
		require.NoError(t, err)
		defer o.close()

		off.Store(true)
		o.failing.Store(true)
		start := time.Now()
		err = o.until(func(now time.Time) (bool, error) {
			if now.Sub(start) > outage/2 {
				off.Store(false)
			}
			return now.Sub(start) > 2*outage, nil
		})
		require.NoError(t, err)
		assert.False(t, o.failing.Load())
	})
}

func TestObservationNeedsPermission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t, readSite(t, "plain", ""))
		cut(c, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("no role"))).Store(true)
		_, err := c.observe(t.Context(), pods)
		require.True(t, apierrors.IsForbidden(err), "%v", err)
	})
}

func TestReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t, readSite(t, "plain", ""))
		start := time.Now()
		err := c.reach(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		var unreachable *UnreachableError
		require.ErrorAs(t, err, &unreachable)
		assert.Equal(t, reachTimeout, time.Since(start))
		assert.Equal(t, "cluster at https://cluster.example.com:6443 is unreachable: no answer within 8s", err.Error())

		err = c.reach(t.Context(), func(context.Context) error { return errors.New("connection refused") })
		require.ErrorAs(t, err, &unreachable)

		answer := apierrors.NewUnauthorized("who are you?")
		assert.Same(t, answer, c.reach(t.Context(), func(context.Context) error { return answer }))

		interrupted := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(interrupted)
		assert.Same(t, interrupted, c.reach(ctx, func(ctx context.Context) error { return ctx.Err() }))
	})
}

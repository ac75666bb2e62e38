package deployer

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"github.com/sitectl/sitectl/site"
)

// lockServer is a fake cluster that refuses to change a Lease which is not as
// it was read, and that can be made to fail.
type lockServer struct {
	*fakeCluster
	mu      sync.Mutex
	version int
	fault   func(verb string) error // nil for none
	landed  bool                    // what is answered with a fault was done
}

func newLockServer(t *testing.T) *lockServer {
	l := &lockServer{fakeCluster: newFakeCluster(t, readSite(t, "plain", ""))}
	l.opts.By = "ada@laptop"
	l.clients.PrependReactor("*", "leases", l.reactLease)
	return l
}

func (l *lockServer) reactLease(action clienttesting.Action) (bool, runtime.Object, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var fault error
	if l.fault != nil {
		fault = l.fault(action.GetVerb())
	}
	if fault != nil && !l.landed {
		return true, nil, fault
	}
	written, err := l.write(action)
	if fault != nil {
		err = fault
	}
	return written != nil || err != nil, written, err
}

func (l *lockServer) write(action clienttesting.Action) (runtime.Object, error) {
	resource, namespace := action.GetResource(), action.GetNamespace()
	next := func(object runtime.Object) *coordinationv1.Lease {
		l.version++
		lease := object.(*coordinationv1.Lease).DeepCopy()
		lease.Namespace, lease.UID, lease.ResourceVersion = namespace, "lease", strconv.Itoa(l.version)
		return lease
	}
	switch action := action.(type) {
	case clienttesting.CreateActionImpl:
		lease := next(action.GetObject())
		return lease, l.clients.Tracker().Create(resource, lease, namespace)
	case clienttesting.UpdateActionImpl:
		written := action.GetObject().(*coordinationv1.Lease)
		live, err := l.clients.Tracker().Get(resource, namespace, written.Name)
		if err != nil {
			return nil, err
		}
		if live.(*coordinationv1.Lease).ResourceVersion != written.ResourceVersion {
			return nil, apierrors.NewConflict(resource.GroupResource(), written.Name, errors.New("it was changed"))
		}
		lease := next(written)
		return lease, l.clients.Tracker().Update(resource, lease, namespace)
	default:
		return nil, nil
	}
}

// fails makes requests about the lock fail, or not.
func (l *lockServer) fails(landed bool, fault func(verb string) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault, l.landed = fault, landed
}

func (l *lockServer) lease() *coordinationv1.Lease {
	l.t.Helper()
	lease, err := l.clients.Tracker().Get(coordinationv1.SchemeGroupVersion.WithResource("leases"), l.site.Namespace, lockName)
	require.NoError(l.t, err)
	return lease.(*coordinationv1.Lease).DeepCopy()
}

// other is somebody else at the same site.
func (l *lockServer) other(by string) *Deployer {
	return &Deployer{site: l.site, client: l.clients, dynamic: l.dyn, opts: Options{By: by}, fence: &fence{}, mu: &sync.Mutex{}}
}

// leave is a lock that somebody holds who does not renew it.
func (l *lockServer) leave(renewed time.Time) {
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name:        lockName,
			Annotations: map[string]string{holderAnnotation: `{"by":"grace@ship","doing":"ship","commit":"0ddba11"}`},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity:       ptr.To("grace@ship_1"),
			LeaseDurationSeconds: ptr.To[int32](30),
			AcquireTime:          ptr.To(metav1.NewMicroTime(renewed)),
			RenewTime:            ptr.To(metav1.NewMicroTime(renewed)),
		},
	}
	_, err := l.clients.CoordinationV1().Leases(l.site.Namespace).Create(l.t.Context(), lease, metav1.CreateOptions{})
	require.NoError(l.t, err)
}

var shipping = Claim{Doing: "ship", Commit: site.Commit{Tag: "1a2b3c4"}}

func TestLockIsRenewedAndReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLockServer(t)
		begun := time.Now()
		held, release, err := l.Lock(t.Context(), shipping)
		require.NoError(t, err)
		assert.Equal(t, l.site.Namespace, l.lease().Labels["app.kubernetes.io/instance"])

		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.NoError(t, held.Err())
		holder, err := l.LockHolder(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "ada@laptop", holder.By)
		assert.Equal(t, "ship", holder.Doing)
		assert.Equal(t, "1a2b3c4", holder.Commit)
		assert.WithinDuration(t, begun, holder.Since, 0)
		assert.WithinDuration(t, time.Now(), holder.Renewed, lockRenewal+lookAgain)
		assert.LessOrEqual(t, len(l.requests("update")), 60, "a request each 10 seconds")

		release()
		release()
		assert.ErrorIs(t, context.Cause(held), context.Canceled)
		holder, err = l.LockHolder(t.Context())
		require.NoError(t, err)
		assert.Nil(t, holder)

		_, again, err := l.Lock(t.Context(), shipping)
		require.NoError(t, err)
		again()
		assert.WithinDuration(t, begun.Add(10*time.Minute), time.Now(), 0, "a free lock is taken at once")
	})
}

func TestLockIsReleasedAfterCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLockServer(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		held, release, err := l.Lock(ctx, shipping)
		require.NoError(t, err)
		why := errors.New("Ctrl-C")
		cancel(why)
		assert.ErrorIs(t, context.Cause(held), why)

		time.Sleep(time.Minute)
		assert.WithinDuration(t, time.Now(), l.lease().Spec.RenewTime.Time, lockRenewal+lookAgain, "the end of the work is under the lock")
		release()
		assert.Empty(t, holderIdentity(l.lease()))
	})
}

func TestLockMakesTheNamespaceOfANewSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLockServer(t)
		l.fails(false, func(verb string) error {
			if verb == "create" && len(l.dyn.Actions()) == 0 {
				return apierrors.NewNotFound(coordinationv1.Resource("namespaces"), l.site.Namespace)
			}
			return nil
		})
		_, release, err := l.Lock(t.Context(), shipping)
		require.NoError(t, err)
		release()
		assert.Equal(t, []string{"patch namespaces plain-example-com"}, l.requests("patch"))
	})
}

func TestTwoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLockServer(t)
		const takers = 8
		for _, name := range []string{"free", "left by a dead holder"} {
			begun := time.Now()
			errs := make([]error, takers)
			var held sync.WaitGroup // until all have had their answer
			var all sync.WaitGroup
			held.Add(takers)
			for i := range takers {
				all.Go(func() {
					_, release, err := l.other("taker"+strconv.Itoa(i)).Lock(t.Context(), shipping)
					errs[i] = err
					held.Done()
					held.Wait()
					if err == nil {
						release()
					}
				})
			}
			all.Wait()
			var locked *LockedError
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
					continue
				}
				require.ErrorAs(t, err, &locked, name)
			}
			assert.Equal(t, 1, won, name)
			assert.Contains(t, locked.Error(), "locked by taker")
			assert.Contains(t, locked.Error(), "ship of 1a2b3c4")
			assert.Contains(t, locked.Hint(), "--lock-wait")
			assert.Less(t, time.Since(begun), lockDuration+2*lockRenewal, name)

			require.NoError(t, l.clients.CoordinationV1().Leases(l.site.Namespace).Delete(t.Context(), lockName, metav1.DeleteOptions{}))
			l.leave(time.Now())
		}
	})
}

// TestClocks has a dead and a living holder whose clocks are wrong by an hour.
func TestClocks(t *testing.T) {
	for _, wrong := range []time.Duration{-time.Hour, 0, time.Hour} {
		t.Run(wrong.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLockServer(t)
				l.leave(time.Now().Add(wrong))
				begun := time.Now()
				_, release, err := l.Lock(t.Context(), shipping)
				require.NoError(t, err)
				release()
				assert.InDelta(t, lockDuration.Seconds(), time.Since(begun).Seconds(), 2)
				require.Len(t, l.lines, 2)
				assert.Contains(t, l.lines[0], "locked by grace@ship (ship of 0ddba11, since ")
				assert.Contains(t, l.lines[1], "taking over the lock of grace@ship (ship of 0ddba11")
			})
			synctest.Test(t, func(t *testing.T) {
				l := newLockServer(t)
				l.leave(time.Now().Add(wrong))
				time.AfterFunc(lockRenewal, func() {
					lease := l.lease()
					lease.Spec.RenewTime = ptr.To(metav1.NewMicroTime(time.Now().Add(wrong)))
					_, err := l.leases().Update(t.Context(), lease, metav1.UpdateOptions{})
					assert.NoError(t, err)
				})
				var locked *LockedError
				_, _, err := l.Lock(t.Context(), shipping)
				require.ErrorAs(t, err, &locked)
				assert.Equal(t, "0ddba11", locked.Holder.Commit)
			})
		})
	}
}

func TestLockWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLockServer(t)
		_, release, err := l.other("grace@ship").Lock(t.Context(), shipping)
		require.NoError(t, err)
		patient := shipping
		patient.Wait = time.Minute

		begun := time.Now()
		_, _, err = l.Lock(t.Context(), patient)
		var locked *LockedError
		require.ErrorAs(t, err, &locked)
		assert.Equal(t, time.Minute, time.Since(begun))

		time.AfterFunc(50*time.Second, release)
		_, mine, err := l.Lock(t.Context(), patient)
		require.NoError(t, err)
		mine()

		ctx, cancel := context.WithCancelCause(t.Context())
		_, release, err = l.other("grace@ship").Lock(t.Context(), shipping)
		require.NoError(t, err)
		defer release()
		why := errors.New("Ctrl-C")
		time.AfterFunc(5*time.Second, func() { cancel(why) })
		_, _, err = l.Lock(ctx, patient)
		assert.ErrorIs(t, err, why)
	})
}

func TestWhatPreflightHasSeenCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLockServer(t)
		l.leave(time.Now())
		require.NoError(t, l.sightLock(t.Context()))
		time.Sleep(lockDuration) // a build
		begun := time.Now()
		_, release, err := l.Lock(t.Context(), shipping)
		require.NoError(t, err)
		release()
		assert.LessOrEqual(t, time.Since(begun), 2*lookAgain)
	})
}

func TestRenewalThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLockServer(t)
		held, release, err := l.Lock(t.Context(), shipping)
		require.NoError(t, err)
		begun := time.Now()
		l.fails(false, func(string) error {
			return apierrors.NewForbidden(coordinationv1.Resource("leases"), lockName, errors.New("no more"))
		})
		<-held.Done()
		assert.Less(t, time.Since(begun), lockDuration, "before anybody else may take it")
		var lost *LockLostError
		require.ErrorAs(t, context.Cause(held), &lost)
		assert.Contains(t, lost.Error(), "not renewed for 25s")
		assert.Contains(t, lost.Error(), "no more")
		assert.ErrorIs(t, l.fence.pass(t.Context()), lost, "nothing is changed any more")
		release()
		assert.NotEmpty(t, holderIdentity(l.lease()), "what is lost is not released")
	})
}

// TestOutage has an API server that is away: what changes something waits
// until the lock is known to be held, or lost.
func TestOutage(t *testing.T) {
	away := func(string) error { return errors.New("connection refused") }
	synctest.Test(t, func(t *testing.T) {
		l := newLockServer(t)
		held, release, err := l.Lock(t.Context(), shipping)
		require.NoError(t, err)
		defer release()
		l.fails(false, away)
		time.Sleep(fenceClosed - time.Second)
		require.NoError(t, l.fence.pass(t.Context()))
		time.Sleep(2 * time.Second)

		passed := make(chan error, 1)
		go func() { passed <- l.fence.pass(held) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Empty(t, passed, "it waits")
		l.fails(false, nil)
		require.NoError(t, <-passed)
		require.NoError(t, held.Err())
	})
	synctest.Test(t, func(t *testing.T) {
		l := newLockServer(t)
		held, release, err := l.Lock(t.Context(), shipping)
		require.NoError(t, err)
		defer release()
		begun := time.Now()
		l.fails(false, away)
		passed := make(chan error, 1)
		time.AfterFunc(time.Minute, func() { passed <- l.fence.pass(t.Context()) })
		<-held.Done()
		assert.InDelta(t, outage.Seconds(), time.Since(begun).Seconds(), 2)
		var lost *LockLostError
		require.ErrorAs(t, context.Cause(held), &lost)
		assert.ErrorIs(t, <-passed, lost)
	})
	// Meanwhile somebody else, who could reach the API server, has taken it.
	synctest.Test(t, func(t *testing.T) {
		l := newLockServer(t)
		held, release, err := l.Lock(t.Context(), shipping)
		require.NoError(t, err)
		defer release()
		l.fails(false, away)
		time.Sleep(lockDuration)
		passed := make(chan error, 1)
		go func() { passed <- l.fence.pass(t.Context()) }()
		synctest.Wait()
		l.fails(false, nil)
		lease := l.lease()
		require.NoError(t, l.clients.CoordinationV1().Leases(l.site.Namespace).Delete(t.Context(), lease.Name, metav1.DeleteOptions{}))
		l.leave(time.Now())
		<-held.Done()
		var taken *LockedError
		require.ErrorAs(t, context.Cause(held), &taken)
		assert.Contains(t, taken.Error(), "taken from this run by grace@ship")
		assert.ErrorIs(t, <-passed, taken)
	})
}

func TestAnAnswerThatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLockServer(t)
		lose := func(verb string) error {
			if verb == "get" {
				return nil
			}
			l.fault = nil // once
			return context.DeadlineExceeded
		}
		l.fails(true, lose)
		begun := time.Now()
		held, release, err := l.Lock(t.Context(), shipping)
		require.NoError(t, err)
		assert.LessOrEqual(t, time.Since(begun), lookAgain, "the lock is recognised")

		l.fails(true, lose)
		time.Sleep(lockRenewal + 3*lookAgain)
		require.NoError(t, held.Err())
		assert.WithinDuration(t, time.Now(), l.lease().Spec.RenewTime.Time, 2*lookAgain)

		lease := l.lease()
		lease.Labels["somebody"] = "was-here"
		_, err = l.leases().Update(t.Context(), lease, metav1.UpdateOptions{})
		require.NoError(t, err)
		release()
		assert.Empty(t, holderIdentity(l.lease()))
	})
}

func TestUnlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLockServer(t)
		holder, err := l.Unlock(t.Context(), false)
		require.NoError(t, err)
		assert.Nil(t, holder, "there is no lock")

		held, release, err := l.other("grace@ship").Lock(t.Context(), shipping)
		require.NoError(t, err)
		_, err = l.Unlock(t.Context(), false)
		var locked *LockedError
		require.ErrorAs(t, err, &locked)
		assert.Contains(t, locked.Hint(), "unlock --force")
		require.NoError(t, held.Err())

		holder, err = l.Unlock(t.Context(), true)
		require.NoError(t, err)
		assert.Equal(t, "grace@ship", holder.By)
		<-held.Done()
		var lost *LockLostError
		require.ErrorAs(t, context.Cause(held), &lost)
		assert.ErrorIs(t, lost, errLockRemoved)
		release()
		holder, err = l.Unlock(t.Context(), false)
		require.NoError(t, err)
		assert.Nil(t, holder)
	})
	synctest.Test(t, func(t *testing.T) {
		l := newLockServer(t)
		l.leave(time.Now())
		begun := time.Now()
		holder, err := l.Unlock(t.Context(), false)
		require.NoError(t, err)
		assert.Equal(t, "grace@ship", holder.By)
		assert.InDelta(t, lockDuration.Seconds(), time.Since(begun).Seconds(), 2)
		assert.Empty(t, holderIdentity(l.lease()))
	})
}

func TestFence(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = append(asked, r.Method) }))
	defer server.Close()
	f := &fence{}
	client := &http.Client{Transport: f.around(http.DefaultTransport)}
	send := func(ctx context.Context, method string) error {
		request, err := http.NewRequestWithContext(ctx, method, server.URL, nil)
		require.NoError(t, err)
		response, err := client.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		return err
	}
	require.NoError(t, send(t.Context(), http.MethodPatch), "without a lock there is no fence")
	lost := errors.New("it is somebody else's")
	f.set(true, time.Now().Add(-time.Hour), lost)
	require.NoError(t, send(t.Context(), http.MethodGet))
	require.ErrorIs(t, send(t.Context(), http.MethodPatch), lost)
	require.NoError(t, send(withoutFence(t.Context()), http.MethodPut))

	f.set(true, time.Now().Add(-time.Hour), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, send(ctx, http.MethodPost), context.Canceled)
	assert.Equal(t, []string{http.MethodPatch, http.MethodGet, http.MethodPut}, asked)
}

package deployer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// LockLostError says that the lock could not be renewed any more, and that
// nobody is known to have taken it.
type LockLostError struct{ Err error }

func (e *LockLostError) Error() string { return fmt.Sprintf("the lock of the site is lost: %v", e.Err) }

func (e *LockLostError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *LockLostError) Hint() string {
	return "look at what runs with sitectl status; the next ship, or sitectl recover, finishes what was begun"
}

var errLockRemoved = errors.New("somebody has removed it, with sitectl unlock --force")

// keeper renews a lock that is held.
type keeper struct {
	deployer *Deployer
	lease    *coordinationv1.Lease // as it was last written
	renewed  time.Time             // when that was begun, by our own clock
	lose     context.CancelCauseFunc
	done     chan struct{} // closed when it does not renew any more
}

// keep renews a lock until release is called or it is lost, whether or not
// ctx has ended: what is done at the end is done under the lock.
func (d *Deployer) keep(ctx context.Context, lease *coordinationv1.Lease) (held context.Context, release func()) {
	held, lose := context.WithCancelCause(ctx)
	k := &keeper{
		deployer: d,
		lease:    lease,
		renewed:  lease.Spec.RenewTime.Time,
		lose:     lose,
		done:     make(chan struct{}),
	}
	d.fence.set(true, k.renewed, nil)
	own := withoutFence(context.WithoutCancel(ctx))
	renewing, stop := context.WithCancel(own)
	go k.run(renewing)
	return held, sync.OnceFunc(func() {
		stop()
		<-k.done
		k.release(own)
	})
}

func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookAgain):
		}
		if age(k.renewed, time.Now()) < lockRenewal {
			continue
		}
		if lost := k.judge(k.renew(ctx)); lost != nil {
			k.deployer.fence.set(true, k.renewed, lost)
			k.lose(lost)
			return
		}
	}
}

// judge says why the lock is lost, if it is. An API server that cannot be
// reached is given time, behind the fence; one that refuses is not.
func (k *keeper) judge(err error) error {
	var taken *LockedError
	since := age(k.renewed, time.Now())
	switch {
	case err == nil:
		return nil
	case errors.As(err, &taken):
		return taken
	case errors.Is(err, errLockRemoved), refused(err) && since >= fenceClosed, since > outage:
		return &LockLostError{Err: err}
	default:
		return nil
	}
}

// renew writes the time into the Lease, unless somebody else has it.
func (k *keeper) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lockRequest)
	defer cancel()
	begun := time.Now()
	lease := k.lease.DeepCopy()
	lease.Spec.RenewTime = ptr.To(metav1.NewMicroTime(begun))
	written, err := k.deployer.writeLock(ctx, lease)
	if written == nil && err == nil {
		return k.review(ctx)
	}
	if err != nil {
		return fmt.Errorf("not renewed for %s: %w", age(k.renewed, begun).Round(time.Second), err)
	}
	k.lease, k.renewed = written, begun
	k.deployer.fence.set(true, begun, nil)
	return nil
}

// review looks at a Lease that is not as it was last written. It may still be
// ours: somebody has put a label on it, or the answer to a renewal was lost.
func (k *keeper) review(ctx context.Context) error {
	lease, err := k.deployer.leases().Get(ctx, lockName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return errLockRemoved
	case err != nil:
		return fmt.Errorf("read Lease %s: %w", lockName, err)
	case holderIdentity(lease) == "":
		return errLockRemoved
	case holderIdentity(lease) != holderIdentity(k.lease):
		return &LockedError{Holder: holderOf(lease), Lost: true}
	}
	k.lease = lease // and the next renewal is a second away
	return nil
}

// release frees the lock. If it cannot, the lock frees itself in a while.
func (k *keeper) release(ctx context.Context) {
	defer k.lose(nil)
	if k.deployer.fence.isLost() {
		return
	}
	defer k.deployer.fence.set(false, time.Time{}, nil)
	ctx, cancel := context.WithTimeout(ctx, lockRelease)
	defer cancel()
	freed, err := k.deployer.writeLock(ctx, free(k.lease))
	if freed == nil && err == nil && k.review(ctx) == nil {
		_, err = k.deployer.writeLock(ctx, free(k.lease))
	}
	if err != nil {
		k.deployer.progress(fmt.Sprintf("the lock could not be released, and frees itself within %s: %v", lockDuration, err))
	}
}

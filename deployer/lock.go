package deployer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/utils/ptr"

	"github.com/sitectl/sitectl/site"
)

// The lock of a site is a Lease in its namespace, and its rules are those of
// client-go's leaderelection: whoever holds it renews it, and it may be taken
// over when it was seen to stand still for its whole duration, by the clock of
// whoever looks. No two clocks are compared. The LeaderElector itself is made
// for processes that wait for ever: it does not say who else leads, what went
// wrong, or why it stopped.
const (
	lockName         = "sitectl"
	holderAnnotation = "sitectl.dev/holder" // a Holder, for whoever meets the lock
)

// Periods of the lock.
const (
	lockDuration = 30 * time.Second // of standing still, after which a holder counts as dead
	lockRenewal  = 10 * time.Second // between two renewals
	lockRequest  = 5 * time.Second  // for one request about it
	lockRelease  = 2 * time.Second  // for its end: whoever cancels a pipeline has little patience
)

// Holder is who holds the lock, and for what. The times are by its own clock.
type Holder struct {
	By      string    `json:"by"`               // a person or the address of a pipeline job
	Doing   string    `json:"doing"`            // the command: "ship"
	Commit  string    `json:"commit,omitempty"` // tag of the commit it is about
	Since   time.Time `json:"since"`
	Renewed time.Time `json:"renewed"`
}

// String names the holder: "ada@laptop (ship of 1a2b3c4, since 2026-01-02 15:04:05)".
func (h Holder) String() string {
	doing := h.Doing
	if h.Commit != "" {
		doing += " of " + h.Commit
	}
	return fmt.Sprintf("%s (%s, since %s)", h.By, doing, h.Since.Local().Format(time.DateTime))
}

// LockedError says that somebody else holds the lock, and lives.
type LockedError struct {
	Holder Holder
	Lost   bool // it was ours, and was taken from us
}

func (e *LockedError) Error() string {
	if e.Lost {
		return "the lock of the site was taken from this run by " + e.Holder.String()
	}
	return "the site is locked by " + e.Holder.String()
}

// Hint says what to do next.
func (e *LockedError) Hint() string {
	if e.Lost {
		return "look at what runs with sitectl status; the next ship, or sitectl recover, finishes what was begun"
	}
	return "wait for it with --lock-wait 10m; one that dies is noticed within 30 seconds; sitectl unlock --force takes the lock from one that hangs"
}

// Claim is what the lock is taken for.
type Claim struct {
	Doing  string        // the command, for whoever meets the lock: "ship"
	Commit site.Commit   // it is about; the zero value for none
	Wait   time.Duration // for a holder that lives
}

// Lock takes the lock of the site, and makes its namespace if there is none:
// until release is called, nobody else changes the site. The context it
// returns ends with ctx, or when the lock is lost, with the reason as its
// cause; after that, nothing more is changed through this Deployer.
//
// A holder that lives is a *LockedError. To see that it does may take as long
// as it takes it to renew the lock, 10 seconds; one that is seen to be dead
// for 30 seconds loses it. What Preflight has seen of it counts.
func (d *Deployer) Lock(ctx context.Context, claim Claim) (held context.Context, release func(), err error) {
	wanted, err := d.wantedLock(claim)
	if err != nil {
		return nil, nil, err
	}
	lease, err := d.take(ctx, wanted, claim.Wait)
	if err != nil {
		return nil, nil, fmt.Errorf("lock the site: %w", err)
	}
	held, release = d.keep(ctx, lease)
	return held, release, nil
}

// wantedLock is the Lease as this run would hold it. Its identity is of this
// run alone: one whose answer was lost is recognised.
func (d *Deployer) wantedLock(claim Claim) (*coordinationv1.Lease, error) {
	holder, err := json.Marshal(map[string]string{"by": d.opts.By, "doing": claim.Doing, "commit": claim.Commit.Tag})
	if err != nil {
		return nil, err
	}
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: lockName,
			Labels: map[string]string{
				"app.kubernetes.io/instance":   d.site.Namespace,
				"app.kubernetes.io/managed-by": fieldManager,
			},
			Annotations: map[string]string{holderAnnotation: string(holder)},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity:       ptr.To(d.opts.By + "_" + string(uuid.NewUUID())),
			LeaseDurationSeconds: ptr.To(int32(lockDuration.Seconds())),
		},
	}, nil
}

// take returns the Lease as soon as it is held. A cluster that does not answer
// now is asked again, as whoever watches a rollout does.
func (d *Deployer) take(ctx context.Context, wanted *coordinationv1.Lease, patience time.Duration) (*coordinationv1.Lease, error) {
	begun, answered := time.Now(), time.Now()
	var met string // the holder that was told of
	for {
		lease, err := d.tryLock(ctx, wanted)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil && (refused(err) || time.Since(answered) > outage):
			return nil, err
		case lease != nil:
			return lease, nil
		case err == nil:
			answered = time.Now()
			if d.sighting.lives && time.Since(begun) >= patience {
				return nil, &LockedError{Holder: d.sighting.holder()}
			}
			met = d.tell(met)
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookAgain):
		}
	}
}

// refused says whether asking again would get the same answer.
func refused(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsInvalid(err) || apierrors.IsNotFound(err)
}

// tell names the holder that is waited for, once.
func (d *Deployer) tell(met string) string {
	if d.sighting.lease == nil {
		return met
	}
	identity := holderIdentity(d.sighting.lease)
	if identity != "" && identity != met {
		d.progress(fmt.Sprintf("locked by %s: waiting until it is done, or is seen to be alive or dead", d.sighting.holder()))
	}
	return identity
}

// tryLock returns nil if somebody else holds the lock or was faster.
func (d *Deployer) tryLock(ctx context.Context, wanted *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	if err := d.sightLock(ctx); err != nil {
		return nil, err
	}
	now := time.Now()
	lease := wanted.DeepCopy()
	lease.Spec.AcquireTime = ptr.To(metav1.NewMicroTime(now))
	lease.Spec.RenewTime = lease.Spec.AcquireTime
	seen := d.sighting.lease
	switch {
	case seen == nil:
		return d.createLock(ctx, lease)
	case holderIdentity(seen) == holderIdentity(wanted):
		return seen, nil
	case holderIdentity(seen) != "" && !d.sighting.dead(now):
		return nil, nil
	case holderIdentity(seen) != "":
		d.progress(fmt.Sprintf("taking over the lock of %s, who has not renewed it for %s", d.sighting.holder(), d.sighting.duration()))
	}
	lease.ResourceVersion = seen.ResourceVersion
	return d.writeLock(ctx, lease)
}

// createLock makes the Lease, and before it the namespace of a new site.
func (d *Deployer) createLock(ctx context.Context, lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	create := func() (*coordinationv1.Lease, error) {
		ctx, cancel := context.WithTimeout(ctx, lockRequest)
		defer cancel()
		return d.leases().Create(ctx, lease, metav1.CreateOptions{FieldManager: fieldManager})
	}
	created, err := create()
	if apierrors.IsNotFound(err) {
		if err := d.ensureNamespace(ctx); err != nil {
			return nil, err
		}
		created, err = create()
	}
	if apierrors.IsAlreadyExists(err) {
		return nil, nil
	}
	return created, err
}

// writeLock changes the Lease if it still is as it was seen. It returns nil if
// it is not.
func (d *Deployer) writeLock(ctx context.Context, lease *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, lockRequest)
	defer cancel()
	written, err := d.leases().Update(ctx, lease, metav1.UpdateOptions{FieldManager: fieldManager})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil, nil
	}
	return written, err
}

func (d *Deployer) leases() coordinationclient.LeaseInterface {
	return d.client.CoordinationV1().Leases(d.site.Namespace)
}

// sighting is a lock as it was last seen, and since when it stands still.
type sighting struct {
	lease *coordinationv1.Lease // nil if there is none
	since time.Time             // by our own clock
	lives bool                  // it has changed since it was first seen
}

// sightLock looks at the lock.
func (d *Deployer) sightLock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lockRequest)
	defer cancel()
	lease, err := d.leases().Get(ctx, lockName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		d.sighting = sighting{}
		return nil
	}
	if err != nil {
		return err
	}
	last := d.sighting.lease
	if last != nil && last.UID == lease.UID && last.ResourceVersion == lease.ResourceVersion {
		return nil
	}
	d.sighting = sighting{lease: lease, since: time.Now(), lives: last != nil}
	return nil
}

// dead says whether the holder has had its time.
func (s sighting) dead(now time.Time) bool { return now.Sub(s.since) > s.duration() }

// duration is what the holder has promised to renew the lock within.
func (s sighting) duration() time.Duration {
	if seconds := s.lease.Spec.LeaseDurationSeconds; seconds != nil {
		return time.Duration(*seconds) * time.Second
	}
	return lockDuration
}

func (s sighting) holder() Holder { return holderOf(s.lease) }

// holderOf reads who holds a Lease, which may be somebody who knows nothing
// of our annotation.
func holderOf(lease *coordinationv1.Lease) Holder {
	holder := Holder{}
	if json.Unmarshal([]byte(lease.Annotations[holderAnnotation]), &holder) != nil || holder.By == "" {
		holder = Holder{By: holderIdentity(lease), Doing: "unknown"}
	}
	if at := lease.Spec.AcquireTime; at != nil {
		holder.Since = at.Time
	}
	if at := lease.Spec.RenewTime; at != nil {
		holder.Renewed = at.Time
	}
	return holder
}

// holderIdentity is empty if nobody holds the Lease.
func holderIdentity(lease *coordinationv1.Lease) string {
	return ptr.Deref(lease.Spec.HolderIdentity, "")
}

// Unlock frees the lock of a holder that is dead, which takes as long to see
// as in Lock; with force, of any. It returns who held it, nil if nobody did. A
// holder that lives is a *LockedError.
func (d *Deployer) Unlock(ctx context.Context, force bool) (*Holder, error) {
	var met string
	err := d.reach(ctx, d.sightLock)
	for ; err == nil; err = d.sightLock(ctx) {
		seen := d.sighting.lease
		if seen == nil || holderIdentity(seen) == "" {
			return nil, nil
		}
		holder := d.sighting.holder()
		if force || d.sighting.dead(time.Now()) {
			freed, err := d.writeLock(ctx, free(seen))
			if freed != nil || err != nil {
				return &holder, err
			}
			continue
		}
		if d.sighting.lives {
			return nil, &LockedError{Holder: holder}
		}
		met = d.tell(met)
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(lookAgain):
		}
	}
	return nil, fmt.Errorf("read Lease %s: %w", lockName, err)
}

// free is a Lease that nobody holds.
func free(lease *coordinationv1.Lease) *coordinationv1.Lease {
	lease = lease.DeepCopy()
	delete(lease.Annotations, holderAnnotation)
	lease.Spec = coordinationv1.LeaseSpec{}
	return lease
}

// LockHolder returns who holds the lock; nil if nobody does, or if we may not
// know.
func (d *Deployer) LockHolder(ctx context.Context) (*Holder, error) {
	lease, err := d.leases().Get(ctx, lockName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read Lease %s: %w", lockName, err)
	case holderIdentity(lease) == "":
		return nil, nil
	}
	holder := holderOf(lease)
	return &holder, nil
}

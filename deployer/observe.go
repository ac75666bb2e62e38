package deployer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
)

// Periods of an observation.
const (
	syncTimeout = time.Minute     // for the first copy; an API server that restarts is back by then
	lookAgain   = time.Second     // a grace period ends without any change to an object
	askAgain    = 5 * time.Second // whether the API server answers, while a watch fails
	outage      = 2 * time.Minute // how long it may not
	watchPeriod = 30              // seconds after which a watch is ended and begun anew: one that says nothing may be dead
)

// observation keeps local copies of the objects of a namespace up to date by
// watches. Each look at them sees one state, asks the API server nothing, and
// survives watches that are dropped: the informers list and watch again.
type observation struct {
	informers informers.SharedInformerFactory
	changed   chan struct{} // holds one element after any number of changes
	ctx       context.Context
	cancel    context.CancelCauseFunc

	silence *silence                    // of the API server
	looked  time.Time                   // when was last looked whether it is silent
	saw     bool                        // what was seen then: it was not
	blind   time.Duration               // how long it has been silent in all
	ask     func(context.Context) error // a request that shows whether the API server answers
	server  string                      // its address
	failing atomic.Bool                 // a watch has failed since it last answered
	asked   time.Time                   // when it was last asked
	silent  time.Time                   // since when it does not answer; zero if it does
}

// observed is a kind of object to keep copies of.
type observed func(informers.SharedInformerFactory) cache.SharedIndexInformer

func deployments(f informers.SharedInformerFactory) cache.SharedIndexInformer {
	return f.Apps().V1().Deployments().Informer()
}

func replicaSets(f informers.SharedInformerFactory) cache.SharedIndexInformer {
	return f.Apps().V1().ReplicaSets().Informer()
}

func statefulSets(f informers.SharedInformerFactory) cache.SharedIndexInformer {
	return f.Apps().V1().StatefulSets().Informer()
}

func jobs(f informers.SharedInformerFactory) cache.SharedIndexInformer {
	return f.Batch().V1().Jobs().Informer()
}

func pods(f informers.SharedInformerFactory) cache.SharedIndexInformer {
	return f.Core().V1().Pods().Informer()
}

func events(f informers.SharedInformerFactory) cache.SharedIndexInformer {
	return f.Core().V1().Events().Informer()
}

// observe returns when the first copies are there. The caller closes the
// observation.
func (d *Deployer) observe(ctx context.Context, kinds ...observed) (*observation, error) {
	ctx, cancel := context.WithCancelCause(klog.NewContext(ctx, klog.New(nil))) // a broken watch is no news to people
	o := &observation{
		informers: informers.NewSharedInformerFactoryWithOptions(d.client, 0,
			informers.WithNamespace(d.site.Namespace),
			informers.WithTransform(withoutManagedFields),
			informers.WithTweakListOptions(func(options *metav1.ListOptions) { options.TimeoutSeconds = ptr.To[int64](watchPeriod) })),
		changed: make(chan struct{}, 1),
		ctx:     ctx,
		cancel:  cancel,
		server:  d.server,
		silence: d.silence,
		looked:  time.Now(),
		saw:     true,
		ask: func(ctx context.Context) error {
			_, err := d.client.CoreV1().Pods(d.site.Namespace).List(ctx, metav1.ListOptions{Limit: 1})
			return err
		},
	}
	for _, kind := range kinds {
		if err := o.add(kind(o.informers)); err != nil {
			cancel(err)
			return nil, err
		}
	}
	o.informers.StartWithContext(ctx)
	if err := o.sync(); err != nil {
		o.close()
		return nil, fmt.Errorf("watch namespace %s: %w", d.site.Namespace, err)
	}
	return o, nil
}

// withoutManagedFields leaves out of the copies what is often half of an
// object and nobody looks at.
func withoutManagedFields(object any) (any, error) {
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}

func (o *observation) add(informer cache.SharedIndexInformer) error {
	err := informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		// Everything else passes: the reflector tries again, with back-off.
		if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
			o.cancel(err)
		}
		o.failing.Store(true)
	})
	if err != nil {
		return err
	}
	notify := func(any) {
		select {
		case o.changed <- struct{}{}:
		default:
		}
	}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    notify,
		UpdateFunc: func(_, object any) { notify(object) },
		DeleteFunc: notify,
	})
	return err
}

func (o *observation) sync() error {
	ctx, cancel := context.WithTimeoutCause(o.ctx, syncTimeout, errors.New("no answer within a minute"))
	defer cancel()
	o.informers.WaitForCacheSyncWithContext(ctx)
	return context.Cause(ctx)
}

// until looks again and again, after every change and at least every second,
// until look says that it is done or fails, the context ends, or the API
// server has been out of reach for too long.
//
// While the API server is silent the copies are old and nobody looks; the
// clock that look is told stands still, so that what lasts for some time was
// seen all that time.
func (o *observation) until(look func(now time.Time) (done bool, err error)) error {
	for {
		if now := time.Now(); o.sees(now) {
			if done, err := look(now.Add(-o.blind)); done || err != nil {
				return err
			}
		}
		if err := o.reachable(time.Now()); err != nil {
			return err
		}
		select {
		case <-o.ctx.Done():
			return context.Cause(o.ctx)
		case <-o.changed:
		case <-time.After(lookAgain):
		}
	}
}

// sees says whether the API server answers. The time before and after it did
// not is blind as well: the watches may have been the first to break, and
// take a moment to be there again.
func (o *observation) sees(now time.Time) bool {
	sees := o.silence.began().IsZero()
	if !sees || !o.saw {
		o.blind += now.Sub(o.looked)
	}
	o.looked, o.saw = now, sees
	return sees
}

// reachable asks for the API server when a watch has failed. The copies do
// not tell a cluster in which nothing happens from one that is cut off.
func (o *observation) reachable(now time.Time) error {
	if began := o.silence.began(); !began.IsZero() && now.Sub(began) > outage {
		return &UnreachableError{Server: o.server, Err: fmt.Errorf("no answer for %s", outage)}
	}
	if !o.failing.Load() || now.Sub(o.asked) < askAgain {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(o.ctx, reachTimeout, errNoAnswer)
	defer cancel()
	err := o.ask(ctx)
	o.asked = time.Now()
	switch {
	case err == nil:
		o.failing.Store(false)
		o.silent = time.Time{}
	case o.silent.IsZero():
		o.silent = now
	case o.ctx.Err() == nil && o.asked.Sub(o.silent) > outage:
		return &UnreachableError{Server: o.server, Err: err}
	}
	return nil
}

// gone says whether a pod's copy is gone, going or another pod of the name.
func (o *observation) gone(pod *corev1.Pod) bool {
	copied, err := o.informers.Core().V1().Pods().Lister().Pods(pod.Namespace).Get(pod.Name)
	return err != nil || copied.UID != pod.UID || copied.DeletionTimestamp != nil
}

// close stops the watches and waits for them.
func (o *observation) close() {
	o.cancel(nil)
	o.informers.Shutdown()
}

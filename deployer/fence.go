package deployer

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// fence keeps whoever holds the lock from changing anything while the lock
// may be somebody else's. A lock that could not be renewed for a while, because
// the API server restarts or the network is down, is not lost yet: requests
// that change something wait behind the fence until it is renewed or lost.
// Reading is always possible.
type fence struct {
	mu      sync.Mutex
	held    bool          // there is a lock; without one, everything passes
	renewed time.Time     // when the lock was renewed last
	lost    error         // why the lock is lost for good
	changed chan struct{} // closed when any of these changes
}

// fenceClosed is when the fence closes after a renewal: before anybody else
// may take the lock, with time for what is under way to arrive.
const fenceClosed = lockDuration - lockRequest

// set notes what has become of the lock.
func (f *fence) set(held bool, renewed time.Time, lost error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held, f.renewed, f.lost = held, renewed, lost
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

func (f *fence) isLost() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost != nil
}

// pass returns when a request that changes something may be made.
func (f *fence) pass(ctx context.Context) error {
	for {
		f.mu.Lock()
		if f.lost != nil || !f.held || age(f.renewed, time.Now()) < fenceClosed {
			defer f.mu.Unlock()
			return f.lost
		}
		if f.changed == nil {
			f.changed = make(chan struct{})
		}
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// age is how long ago a time was, by the clock that shows more: one stands
// still while a laptop sleeps, the other may be set back.
func age(then, now time.Time) time.Duration {
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0)))
}

// around puts the fence in front of a transport.
func (f *fence) around(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.Method != http.MethodGet && !unfenced(request.Context()) {
			if err := f.pass(request.Context()); err != nil {
				if request.Body != nil {
					_ = request.Body.Close() // as http.RoundTripper demands
				}
				return nil, err
			}
		}
		return next.RoundTrip(request)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

type unfencedKey struct{}

// withoutFence is for what renews the lock.
func withoutFence(ctx context.Context) context.Context {
	return context.WithValue(ctx, unfencedKey{}, true)
}

func unfenced(ctx context.Context) bool { return ctx.Value(unfencedKey{}) != nil }

package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// What failed and may pass is tried again by go-containerregistry, which knows
// what has to be repeated as a whole: a request that reads, or all requests
// that upload a blob. It does so at once. The pauses are made here, below it
// and for each host, because a pause has to end with the context, has to be as
// long as the registry asks for, and is for all requests that run at the same
// time.

// backoff says how often something is tried and how long the pauses are.
type backoff struct {
	tries   int
	first   time.Duration // pause after the first failure; it doubles with each one that follows
	last    time.Duration // and stops growing here
	longest time.Duration // pause that a registry may ask for; to a longer one we say no
}

// defaultBackoff gives up after 15 to 24 seconds, or after five minutes of
// pauses that the registry asked for.
var defaultBackoff = backoff{tries: 6, first: 500 * time.Millisecond, last: 8 * time.Second, longest: time.Minute}

// pause is how long to wait after so many failures in a row. A half of it is
// up to chance, so that jobs that failed together do not come back together.
func (b backoff) pause(failures int) time.Duration {
	pause := min(b.first<<min(failures-1, 10), b.last)
	return pause + rand.N(pause/2+1)
}

// options have go-containerregistry try again.
func (b backoff) options() []remote.Option {
	return []remote.Option{
		remote.WithRetryBackoff(remote.Backoff{Steps: b.tries}),
		remote.WithRetryPredicate(mayPass),
		remote.WithRetryStatusCodes(passingStatuses...),
	}
}

// transportOptions are options for the layer of go-containerregistry below.
func (b backoff) transportOptions() []transport.Option {
	return []transport.Option{
		transport.WithRetryBackoff(transport.Backoff{Steps: b.tries}),
		transport.WithRetryPredicate(mayPass),
		transport.WithRetryStatusCodes(passingStatuses...),
	}
}

// passingStatuses are what an overloaded, restarting or unreachable registry
// answers. 499 and 52x are those of nginx and Cloudflare.
var passingStatuses = []int{
	http.StatusRequestTimeout,
	http.StatusTooManyRequests,
	http.StatusInternalServerError,
	http.StatusBadGateway,
	http.StatusServiceUnavailable,
	http.StatusGatewayTimeout,
	499, 520, 521, 522, 523, 524,
}

// passingError is a failure that may be gone when one tries again.
type passingError struct{ error }

func (e passingError) Unwrap() error { return e.error }

// mayPass tells whether it makes sense to try again.
func mayPass(err error) bool {
	var busy *busyError
	if errors.As(err, &busy) {
		return false
	}
	var answered *transport.Error
	if errors.As(err, &answered) {
		return slices.Contains(passingStatuses, answered.StatusCode)
	}
	var passing passingError
	return errors.As(err, &passing)
}

// brokenOff tells whether a connection ended that had been there.
func brokenOff(err error) bool {
	var local sendError
	if errors.As(err, &local) {
		return false
	}
	for _, reason := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE,
	} {
		if errors.Is(err, reason) {
			return true
		}
	}
	// The types of net/http's own HTTP/2 are not exported.
	for _, words := range []string{
		"server sent GOAWAY", "http2: client connection lost", "http2: client connection force closed",
		"stream error: ", "http: server closed idle connection",
	} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

// busyError says that there was no point in waiting for a host any longer.
type busyError struct {
	cause error         // what it answered last
	asked time.Duration // the pause it asks for; 0 if it did not, and time was up
}

func (e *busyError) Error() string {
	if e.asked > 0 {
		return fmt.Sprintf("%v (it asks to try again in %s)", e.cause, e.asked.Round(time.Second))
	}
	return fmt.Sprintf("%v (there was no time to try again)", e.cause)
}

func (e *busyError) Unwrap() error { return e.cause }

// pace is how fast a host may be asked. After a failure that may pass, nothing
// is sent to it for a while: it needs the rest, whichever request noticed.
type pace struct {
	backoff backoff

	mutex    sync.Mutex
	until    time.Time // nothing is sent before
	asked    bool      // the host itself named that time
	cause    error     // why
	failures map[string]int
	answered bool // it has, at least once
}

// wait ends when something may be sent, with an error if that takes longer
// than we are ready to wait.
func (p *pace) wait(ctx context.Context) error {
	for {
		p.mutex.Lock()
		until, asked, cause := p.until, p.asked, p.cause
		p.mutex.Unlock()
		pause := time.Until(until)
		if pause <= 0 {
			return context.Cause(ctx)
		}
		if asked && pause > p.backoff.longest {
			return &busyError{cause: cause, asked: pause}
		}
		if asked {
			extend(ctx, until)
		}
		if deadline, ok := answerDeadline(ctx); ok && deadline.Before(until) {
			return &busyError{cause: cause}
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// succeeded ends a row of failures of the same kind of request.
func (p *pace) succeeded(kind string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.answered = true
	delete(p.failures, kind)
}

// failed begins a pause, at least as long as the host asks for. It returns how
// many requests of that kind have failed in a row, and how long the pause is:
// 0 if it was there already.
func (p *pace) failed(kind string, cause error, asked time.Duration) (row int, pause time.Duration) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.failures[kind]++
	pause = p.backoff.pause(p.failures[kind])
	p.cause = cause
	until := time.Now().Add(max(pause, asked))
	if until.Before(p.until) {
		return p.failures[kind], 0
	}
	p.until, p.asked = until, asked > pause
	return p.failures[kind], max(pause, asked)
}

// lost tells whether a host cannot be reached that could be before: it is
// being restarted. One that never could is more likely a wrong address.
func (p *pace) lost(err error) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var operation *net.OpError
	return p.answered && errors.As(err, &operation) && operation.Op == "dial"
}

// retryAfter reads the header of that name, which has seconds or a date
// (RFC 9110, section 10.2.3). It is 0 if there is none.
func retryAfter(response *http.Response) time.Duration {
	value := response.Header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return time.Until(date)
	}
	return 0
}

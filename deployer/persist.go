package deployer

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// How long a request is persisted with.
const (
	answerTimeout = 65 * time.Second       // for a whole answer; the API server itself gives up after a minute (--request-timeout)
	watchSlack    = 5 * time.Second        // for the end of a watch, after the time that it was to last
	maxRefusals   = 5                      // how often a request is sent that is answered with an error
	firstPause    = 250 * time.Millisecond // before a request is sent again; each pause is twice the one before it
	longestPause  = 2 * time.Second
)

// persistent sends a request to the API server again if it was lost, or was
// answered with what may pass in a moment: the API server is restarted, the
// load balancer before it knows of none, two requests changed an object at a
// time. client-go does that for a GET whose connection was reset, and for
// answers with a Retry-After, which are left to it.
//
// A deploy applies, patches and deletes objects by name, and does so as well
// twice. What it creates has a name, too: if it is there already, it may be
// what a request has made whose answer was lost.
type persistent struct {
	next    http.RoundTripper
	silence *silence
	tell    func(string)
}

// impatient marks the context of a command's first request, which shows
// whether there is a cluster at all: whoever has a wrong address wants to
// know at once.
type impatient struct{}

func (p *persistent) RoundTrip(r *http.Request) (*http.Response, error) {
	for sent, wait := 1, firstPause; ; sent, wait = sent+1, 2*wait {
		response, err := p.arrive(r)
		if err != nil || sent == maxRefusals || !repeatable(r) || !passes(r, response) {
			return response, err
		}
		response.Body.Close()
		if err := pause(r.Context(), wait); err != nil {
			return nil, err
		}
	}
}

// arrive sends the request until there is an answer to it.
func (p *persistent) arrive(r *http.Request) (response *http.Response, err error) {
	if response, err = p.send(r); err == nil {
		p.silence.answered()
		return response, nil
	}
	if r.Context().Err() != nil || !repeatable(r) || lasts(r, err) {
		return nil, err
	}
	if p.silence.begin() {
		p.tell(fmt.Sprintf("the API server does not answer, and is asked again for up to %s: %v", outage, err))
	}
	defer func() {
		if p.silence.end(err == nil) {
			p.tell("the API server answers again")
		}
	}()
	for began, wait := time.Now(), firstPause; time.Since(began) < outage; wait = min(2*wait, longestPause) {
		if stopped := pause(r.Context(), wait); stopped != nil {
			return nil, fmt.Errorf("%w (%w)", stopped, err)
		}
		if response, err = p.send(r); err == nil {
			return response, nil
		}
	}
	return nil, err
}

func repeatable(r *http.Request) bool { return r.Body == nil || r.GetBody != nil }

func pause(ctx context.Context, length time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(length):
		return nil
	}
}

// send sends the request once and gives up on an answer that does not come in
// time: a connection can be dead without a word. All but streams is read to
// its end, so that an answer is whole or lost.
func (p *persistent) send(r *http.Request) (*http.Response, error) {
	query := r.URL.Query()
	watch := query.Get("watch") != ""
	limit := answerTimeout
	if seconds, err := strconv.Atoi(query.Get("timeoutSeconds")); watch && err == nil {
		limit = time.Duration(seconds)*time.Second + watchSlack
	} else if watch || strings.HasSuffix(r.URL.Path, "/log") {
		return p.next.RoundTrip(r)
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), limit, fmt.Errorf("no answer within %s", limit))
	response, err := p.sendCopy(r.Clone(ctx))
	if err == nil && watch {
		response.Body = &limitedBody{response.Body, cancel}
		return response, nil
	}
	defer cancel()
	if err == nil {
		err = readWhole(response)
	}
	if err != nil {
		return nil, cause(ctx, err)
	}
	return response, nil
}

// sendCopy sends a copy of a request, which has its own body to read.
func (p *persistent) sendCopy(r *http.Request) (*http.Response, error) {
	if r.GetBody != nil {
		var err error
		if r.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	return p.next.RoundTrip(r)
}

// limitedBody is the body of an answer that has so much time to come. The
// time is given back when it is closed.
type limitedBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *limitedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

func readWhole(response *http.Response) error {
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	return err
}

// lasts tells an error that stays from one that may pass.
func lasts(r *http.Request, err error) bool {
	var (
		name        *net.DNSError
		network     *net.OpError
		certificate *tls.CertificateVerificationError
		alert       tls.AlertError
		plaintext   tls.RecordHeaderError
		taken       *LockedError // by the fence
		lost        *LockLostError
	)
	if errors.As(err, &network) && network.Op == "dial" && r.Context().Value(impatient{}) != nil {
		return true
	}
	return errors.As(err, &taken) || errors.As(err, &lost) || errors.As(err, &name) && name.IsNotFound ||
		errors.As(err, &certificate) || errors.As(err, &alert) || errors.As(err, &plaintext)
}

// passes says whether the next request may get a better answer.
func passes(r *http.Request, response *http.Response) bool {
	switch code := response.StatusCode; {
	case response.Header.Get("Retry-After") != "":
		return false
	case code == http.StatusConflict:
		return r.Method == http.MethodPatch && !conditional(r) && !ownedByOthers(response)
	default:
		return code == http.StatusTooManyRequests || code >= http.StatusInternalServerError
	}
}

// conditional says whether a patch is meant for one version of an object, so
// that a conflict is an answer.
func conditional(r *http.Request) bool {
	if r.GetBody == nil {
		return false
	}
	body, err := r.GetBody()
	if err != nil {
		return false
	}
	defer body.Close()
	var patch struct {
		Metadata struct{ ResourceVersion string }
	}
	return json.NewDecoder(body).Decode(&patch) == nil && patch.Metadata.ResourceVersion != ""
}

// ownedByOthers tells a conflict with other managers of an object's fields,
// which conflictsOf lists, from one with a request of the same moment.
func ownedByOthers(response *http.Response) bool {
	var status metav1.Status
	body, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return err != nil || json.Unmarshal(body, &status) != nil || status.Details != nil && len(status.Details.Causes) > 0
}

// silence is the time in which the API server does not answer, as requests
// find out that are lost.
type silence struct {
	mu    sync.Mutex
	lost  int       // requests that were lost, and are sent again and again
	since time.Time // when the first of them was lost; zero if there was an answer since
}

// begin is for a request that was lost. It is true if the silence begins.
func (s *silence) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost++
	begins := s.since.IsZero()
	if begins {
		s.since = time.Now()
	}
	return begins
}

// end is for a request that was lost and is answered now, or given up. It is
// true if the silence ends.
func (s *silence) end(answered bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost--
	ends := answered && s.lost == 0
	if ends {
		s.since = time.Time{}
	}
	return ends
}

// answered is for a request that was not lost. Others may still be.
func (s *silence) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost == 0 {
		s.since = time.Time{}
	}
}

// began is when the silence began; zero if there is none.
func (s *silence) began() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since
}

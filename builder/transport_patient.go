package builder

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// patient keeps to the pace of each host, and says which failures may pass.
// What is to be tried again then, go-containerregistry decides.
type patient struct {
	next    http.RoundTripper
	backoff backoff
	log     func(line string)

	mutex  sync.Mutex
	paces  map[string]*pace // by host: a registry may send one elsewhere for tokens and blobs
	mounts map[string]error // as in failedMount
}

func newPatient(next http.RoundTripper, backoff backoff, log func(string)) *patient {
	return &patient{next: next, backoff: backoff, log: log, paces: map[string]*pace{}, mounts: map[string]error{}}
}

// RoundTrip implements http.RoundTripper. A failure that may pass is a
// passingError or an answer with one of the passingStatuses.
func (t *patient) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := t.failedMount(request); err != nil {
		closeBody(request)
		return nil, err
	}
	response, err := t.send(request)
	if err != nil || request.Method != http.MethodGet {
		return response, err
	}
	return t.receive(request, response)
}

// send sends a request when its time has come.
func (t *patient) send(request *http.Request) (*http.Response, error) {
	ctx, pace := request.Context(), t.pace(request.URL.Host)
	if err := pace.wait(ctx); err != nil {
		closeBody(request)
		return nil, err
	}
	response, err := t.next.RoundTrip(request)
	if request.GetBody != nil {
		// go-containerregistry sends the same request again, also when it has
		// got a new token, and does not mind that the body has been read.
		request.Body = &unread{open: request.GetBody}
	}
	switch {
	case err != nil && ctx.Err() == nil && (brokenOff(err) || pace.lost(err)):
		err = passingError{err}
		t.failed(request, err, 0)
		return nil, err
	case err != nil:
		return nil, err
	case slices.Contains(passingStatuses, response.StatusCode):
		t.failed(request, refusal(response), retryAfter(response))
	default:
		pace.succeeded(kind(request))
	}
	return response, nil
}

func (t *patient) pace(host string) *pace {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	p, ok := t.paces[host]
	if !ok {
		p = &pace{backoff: t.backoff, failures: map[string]int{}}
		t.paces[host] = p
	}
	return p
}

// noticeable is a pause in which one begins to wonder.
const noticeable = 2 * time.Second

// failed takes note of a failure that may pass.
func (t *patient) failed(request *http.Request, err error, asked time.Duration) {
	row, pause := t.pace(request.URL.Host).failed(kind(request), err, asked)
	if pause >= noticeable {
		t.log(fmt.Sprintf("%s: %v: next try in %s", request.URL.Host, err, pause.Round(time.Second)))
	}
	if isMount(request) && row <= mountTries {
		t.mutex.Lock()
		defer t.mutex.Unlock()
		t.mounts[request.URL.Path] = err
	}
}

// mountTries is how often in a row a mount may fail before a blob is uploaded
// instead.
const mountTries = 3

// failedMount is why the mount failed in whose place go-containerregistry is
// about to upload a blob (#1404, #1679). If the failure may pass, an upload is
// far too much: the failure is told once more, so that the mount is repeated.
func (t *patient) failedMount(request *http.Request) error {
	if request.Method != http.MethodPost || isMount(request) {
		return nil
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	err := t.mounts[request.URL.Path]
	delete(t.mounts, request.URL.Path)
	return err
}

func isMount(request *http.Request) bool {
	return request.Method == http.MethodPost && request.URL.Query().Has("mount")
}

// kind is what requests have in common that fail for the same reason.
func kind(request *http.Request) string {
	for _, endpoint := range []string{"/blobs/uploads/", "/blobs/", "/manifests/"} {
		if strings.Contains(request.URL.Path, endpoint) {
			return request.Method + " " + endpoint
		}
	}
	return request.Method + " " + request.URL.Path
}

// refusal is what an answer says about a failure. The answer can still be
// read.
func refusal(response *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(response.Body, smallAnswer))
	_ = response.Body.Close()
	if err != nil {
		body = nil // it says enough by its status
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	err = transport.CheckError(response)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return err
}

// unread is a body that is opened when it is read.
type unread struct {
	open func() (io.ReadCloser, error)
	body io.ReadCloser
}

func (u *unread) Read(p []byte) (int, error) {
	if u.body == nil {
		var err error
		if u.body, err = u.open(); err != nil {
			return 0, err
		}
	}
	return u.body.Read(p)
}

func (u *unread) Close() error {
	if u.body == nil {
		return nil
	}
	return u.body.Close()
}

// closeBody is what a RoundTripper owes to a request that it does not send.
func closeBody(request *http.Request) {
	if request.Body != nil {
		_ = request.Body.Close()
	}
}

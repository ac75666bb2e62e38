package deployer

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// exchange answers requests by a script.
type exchange struct {
	script []func(*http.Request) (*http.Response, error) // the last one answers all that come later
	bodies []string                                      // that were sent
}

func (e *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	line := e.script[min(len(e.bodies), len(e.script)-1)]
	e.bodies = append(e.bodies, string(body))
	return line(r)
}

func answers(code int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		response := &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
		for i := 0; i < len(header); i += 2 {
			response.Header.Set(header[i], header[i+1])
		}
		return response, nil
	}
}

func breaks(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// stalls answers and then says nothing more.
func stalls(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(silentReader{r.Context()})}, nil
}

type silentReader struct{ ctx context.Context }

func (s silentReader) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// truncates ends its answer in the middle.
func truncates(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(io.MultiReader(strings.NewReader("a ha"), cutReader{}))}, nil
}

type cutReader struct{}

func (cutReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

const (
	crowded = `{"kind":"Status","status":"Failure","reason":"Conflict","code":409,"message":"the object has been modified"}`
	owned   = `{"kind":"Status","status":"Failure","reason":"Conflict","code":409,"details":{"causes":[{"reason":"FieldManagerConflict","field":".spec.replicas"}]}}`
)

func TestPersistent(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	reset := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	good := answers(http.StatusOK, "a whole answer")
	for _, test := range []struct {
		name   string
		script []func(*http.Request) (*http.Response, error)
		method string // PATCH unless it says something else
		body   string // "content" unless it says something else
		query  string
		sent   int           // requests
		took   time.Duration // at most, and at least a half of it
		code   int           // of the answer; 0 for none
		told   int           // lines of progress
	}{
		{name: "good", script: list(good), sent: 1, code: 200},
		{name: "refused by the server", script: list(answers(400, "no")), sent: 1, code: 400},
		{name: "500", script: list(answers(500, ""), answers(503, ""), good), sent: 3, took: time.Second, code: 200},
		{name: "500 that stays", script: list(answers(500, "broken")), sent: maxRefusals, took: 4 * time.Second, code: 500},
		{name: "429 with Retry-After", script: list(answers(429, "", "Retry-After", "1")), sent: 1, code: 429},
		{name: "429 without", script: list(answers(429, ""), good), sent: 2, took: 300 * time.Millisecond, code: 200},
		{name: "two changes at a time", script: list(answers(409, crowded), good), sent: 2, took: 300 * time.Millisecond, code: 200},
		{name: "a change of one version", body: `{"metadata":{"resourceVersion":"7"}}`, script: list(answers(409, crowded)), sent: 1, code: 409},
		{name: "fields of others", script: list(answers(409, owned)), sent: 1, code: 409},
		{name: "409 to a creation", method: http.MethodPost, script: list(answers(409, crowded)), sent: 1, code: 409},
		{name: "connection reset", script: list(breaks(reset), good), sent: 2, took: 300 * time.Millisecond, code: 200, told: 2},
		{name: "answer cut off", script: list(truncates, good), sent: 2, took: 300 * time.Millisecond, code: 200, told: 2},
		{name: "answer that stalls", script: list(stalls, good), sent: 2, took: answerTimeout + time.Second, code: 200, told: 2},
		{name: "restart", script: list(breaks(refused), breaks(refused), breaks(io.EOF), answers(500, ""), good), sent: 5, took: 3 * time.Second, code: 200, told: 2},
		{name: "out of reach", script: list(breaks(refused)), sent: 64, took: outage + longestPause, told: 1},
		{name: "unknown authority", script: list(breaks(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})), sent: 1},
		{name: "unknown name", script: list(breaks(&net.DNSError{IsNotFound: true})), sent: 1},
		{name: "watch", method: http.MethodGet, query: "watch=true&timeoutSeconds=30", script: list(stalls), sent: 1, code: 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &exchange{script: test.script}
				var silence silence
				var told []string
				p := &persistent{next: server, silence: &silence, tell: func(line string) { told = append(told, line) }}
				method := test.method
				if method == "" {
					method = http.MethodPatch
				}
				r, err := http.NewRequestWithContext(t.Context(), method, "https://cluster/api?"+test.query, strings.NewReader(cmp.Or(test.body, "content")))
				require.NoError(t, err)
				began := time.Now()
				response, err := p.RoundTrip(r)
				took := time.Since(began)

				assert.LessOrEqual(t, took, test.took)
				assert.GreaterOrEqual(t, took, test.took/2)
				assert.Len(t, server.bodies, test.sent)
				assert.Len(t, told, test.told)
				for _, body := range server.bodies {
					assert.Equal(t, cmp.Or(test.body, "content"), body, "every request is whole")
				}
				if test.code == 0 {
					require.Error(t, err)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, test.code, response.StatusCode)
				assert.True(t, silence.began().IsZero())
				if test.code == http.StatusConflict {
					body, err := io.ReadAll(response.Body)
					require.NoError(t, err)
					assert.Contains(t, string(body), `"Conflict"`, "the answer can still be read")
				}
				response.Body.Close()
			})
		})
	}
}

func list(script ...func(*http.Request) (*http.Response, error)) []func(*http.Request) (*http.Response, error) {
	return script
}

// TestPersistentWatch: one that says nothing more is given up soon after the
// time for which it was asked.
func TestPersistentWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &persistent{next: &exchange{script: list(stalls)}, silence: &silence{}, tell: func(string) {}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://cluster/api?watch=true&timeoutSeconds=30", nil)
		require.NoError(t, err)
		began := time.Now()
		response, err := p.RoundTrip(r)
		require.NoError(t, err)
		_, err = io.ReadAll(response.Body)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 30*time.Second+watchSlack, time.Since(began))
		response.Body.Close()
	})
}

// TestPersistentStops: whoever presses Ctrl-C, or only wants to know whether
// there is a cluster, does not wait.
func TestPersistentStops(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for name, change := range map[string]func(context.Context) context.Context{
		"first request": func(ctx context.Context) context.Context { return context.WithValue(ctx, impatient{}, true) },
		"interrupted": func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(100*time.Millisecond, func() { cancel(errors.New("interrupted")) })
			return ctx
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &persistent{next: &exchange{script: list(breaks(refused))}, silence: &silence{}, tell: func(string) {}}
				r, err := http.NewRequestWithContext(change(t.Context()), http.MethodGet, "https://cluster/api", nil)
				require.NoError(t, err)
				began := time.Now()
				_, err = p.RoundTrip(r)
				require.ErrorIs(t, err, syscall.ECONNREFUSED)
				assert.Less(t, time.Since(began), time.Second)
			})
		})
	}
}

// What the copies show while the API server is silent is old.
func TestObservationIsBlindWhileTheClusterIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t, readSite(t, "plain", ""))
		o, err := c.observe(t.Context(), pods)
		require.NoError(t, err)
		defer o.close()

		const length = 30 * time.Second
		began := time.Now()
		time.AfterFunc(5*time.Second, func() { c.silence.begin() })
		time.AfterFunc(5*time.Second+length, func() { c.silence.end(true) })
		doubt := doubt{}
		require.NoError(t, o.until(func(now time.Time) (bool, error) {
			real := time.Since(began)
			assert.False(t, real > 5*time.Second && real < 5*time.Second+length, "nobody looks")
			return doubt.settled(&Verdict{Fatal: true, Grace: graceCrash}, now), nil
		}))
		assert.InDelta(t, (graceCrash + length).Seconds(), time.Since(began).Seconds(), 3, "it was seen for all its grace")
	})
}

func TestObservationEndsWhenTheClusterStaysSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFakeCluster(t, readSite(t, "plain", ""))
		o, err := c.observe(t.Context(), pods)
		require.NoError(t, err)
		defer o.close()
		c.silence.begin()
		began := time.Now()
		var unreachable *UnreachableError
		require.ErrorAs(t, o.until(never), &unreachable)
		assert.InDelta(t, outage.Seconds(), time.Since(began).Seconds(), 2)
	})
}

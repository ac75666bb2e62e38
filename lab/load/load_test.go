package load

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// runLoad puts a handler under load until it has seen enough requests.
func runLoad(t *testing.T, keepAlive bool, enough int64, handler http.HandlerFunc) *Tally {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen.Add(1) == enough {
			cancel()
		}
		handler(w, r)
	}))
	defer server.Close()
	return Load{
		Ingress:  strings.TrimPrefix(server.URL, "http://"),
		Host:     "site.localhost:8088",
		Workers:  3,
		Interval: time.Millisecond,
		Timeout:  time.Minute,
		Request:  func(int) Request { return Request{Method: http.MethodGet, Path: "/a?b=c", Right: Page("fine")} },
	}.Run(ctx, keepAlive)
}

func answerFine(w http.ResponseWriter, r *http.Request) {
	if r.Host == "site.localhost:8088" && r.URL.String() == "/a?b=c" {
		w.Write([]byte("all is fine"))
	}
}

func TestLoadKeepsConnections(t *testing.T) {
	got := runLoad(t, true, 30, answerFine)
	assert.Zero(t, got.Failed, got.Failures)
	assert.GreaterOrEqual(t, got.Served, 30)
	assert.LessOrEqual(t, got.Connections, 3, "one for each worker")
}

func TestLoadMakesAConnectionForEachRequest(t *testing.T) {
	got := runLoad(t, false, 30, func(w http.ResponseWriter, r *http.Request) {
		if r.Close {
			answerFine(w, r)
		}
	})
	assert.Zero(t, got.Failed, got.Failures)
	assert.Equal(t, got.Served, got.Connections)
}

func TestLoadTakesAnAnnouncedCloseForNoFailure(t *testing.T) {
	got := runLoad(t, true, 30, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		answerFine(w, r)
	})
	assert.Zero(t, got.Failed, got.Failures)
	assert.Equal(t, got.Served, got.Connections)
}

func TestLoadCountsWhatATransportWouldHide(t *testing.T) {
	var requests atomic.Int64
	got := runLoad(t, true, 30, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1)%10 != 0 {
			answerFine(w, r)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if assert.NoError(t, err) {
			conn.Close()
		}
	})
	assert.GreaterOrEqual(t, got.Failed, 3)
	require.NotEmpty(t, got.Failures)
	assert.Regexp(t, `^\d+\.\d s after the start: GET /a\?b=c: .*EOF`, got.Failures[0])
}

func TestLoadCountsWrongAnswers(t *testing.T) {
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		failure string
	}{
		{
			name:    "status",
			handler: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no\nserver ", http.StatusBadGateway) },
			failure: "502 Bad Gateway: no server",
		},
		{
			name:    "content",
			handler: func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("another page")) },
			failure: `"fine" is not in the 12 bytes of the answer`,
		},
		{
			name: "cut off",
			handler: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				w.Write([]byte("all is fine"))
			},
			failure: "200 OK, then: unexpected EOF",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := runLoad(t, true, 10, test.handler)
			assert.Zero(t, got.Served)
			assert.GreaterOrEqual(t, got.Failed, 10)
			require.Len(t, got.Failures, maxFailures, "not more than are worth reading")
			assert.Contains(t, got.Failures[0], test.failure)
		})
	}
}

func TestLoadCountsRefusedConnections(t *testing.T) {
	server := httptest.NewServer(nil)
	address := strings.TrimPrefix(server.URL, "http://")
	server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	got := Load{
		Ingress: address, Workers: 1, Interval: time.Millisecond, Timeout: time.Minute,
		Request: func(n int) Request {
			if n == 3 {
				cancel()
			}
			return Request{Method: http.MethodGet, Path: "/"}
		},
	}.Run(ctx, true)
	assert.Equal(t, 3, got.Failed)
	assert.Zero(t, got.Connections)
}

func TestTallyRemembersTheSlowest(t *testing.T) {
	got := newTally()
	got.add(2*time.Second, nil)
	got.add(3*time.Second, errors.New("cut"))
	got.add(time.Second, nil)
	assert.Equal(t, 3*time.Second, got.Slowest)
	assert.Equal(t, []int{2, 1}, []int{got.Served, got.Failed})
}

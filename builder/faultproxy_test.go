package builder

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// faultProxy stands between its clients and a registry, and does to their
// requests what it has been told to.
type faultProxy struct {
	host     string
	ca       string // PEM file; empty without TLS
	registry http.Handler

	mutex  sync.Mutex
	faults []*fault
	turns  []misbehaviour // of every fifth request
	seen   []string       // requests, as "PUT /v2/agency/example-com/manifests/c0f"; a mount has the word after it
}

// fault is something that happens to requests.
type fault struct {
	on    string // part of the request, as faultProxy.seen has it
	times int    // how often it still happens
	do    misbehaviour
}

// misbehaviour is what happens instead of an answer of the registry.
type misbehaviour func(w http.ResponseWriter, r *http.Request, registry http.Handler)

// The protocols of a faultProxy.
const (
	plain = "http"
	http1 = "https"
	http2 = "h2"
)

func newFaultProxy(t *testing.T, protocol string, registry http.Handler) *faultProxy {
	t.Helper()
	p := &faultProxy{registry: registry}
	server := httptest.NewUnstartedServer(p)
	server.Config.ErrorLog = discard()
	server.Config.ConnContext = func(ctx context.Context, connection net.Conn) context.Context {
		return context.WithValue(ctx, connectionKey{}, connection)
	}
	t.Cleanup(server.Close)
	p.host = server.Listener.Addr().String()
	if protocol == plain {
		server.Start()
		return p
	}
	server.EnableHTTP2 = protocol == http2
	server.StartTLS()
	p.ca = filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	require.NoError(t, os.WriteFile(p.ca, pem.EncodeToMemory(block), 0o600))
	return p
}

type connectionKey struct{}

// fault makes something happen to the next requests of a kind.
func (p *faultProxy) fault(on string, times int, do misbehaviour) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.faults = append(p.faults, &fault{on, times, do})
}

// left is how often faults still have to happen.
func (p *faultProxy) left() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var left int
	for _, fault := range p.faults {
		left += fault.times
	}
	return left
}

// requests are those that have been seen and contain the words.
func (p *faultProxy) requests(words string) []string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return slices.DeleteFunc(slices.Clone(p.seen), func(request string) bool { return !strings.Contains(request, words) })
}

func (p *faultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if do := p.next(r); do != nil {
		do(w, r, p.registry)
		return
	}
	p.registry.ServeHTTP(w, r)
}

func (p *faultProxy) next(r *http.Request) misbehaviour {
	request := r.Method + " " + r.URL.Path
	if isMount(r) {
		request += " mount"
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.seen = append(p.seen, request)
	for _, fault := range p.faults {
		if fault.times > 0 && strings.Contains(request, fault.on) {
			fault.times--
			return fault.do
		}
	}
	if n := len(p.seen); len(p.turns) > 0 && n%5 == 0 {
		return p.turns[n/5%len(p.turns)]
	}
	return nil
}

// registryCodes are those that registries answer with by themselves. Everything
// else comes from a proxy, which does not know of codes.
var registryCodes = map[int]string{
	http.StatusUnauthorized: "UNAUTHORIZED", http.StatusForbidden: "DENIED", http.StatusNotFound: "NAME_UNKNOWN",
	http.StatusMethodNotAllowed: "UNSUPPORTED", http.StatusTooManyRequests: "TOOMANYREQUESTS",
	http.StatusInternalServerError: "UNKNOWN", http.StatusServiceUnavailable: "UNAVAILABLE",
}

// answering does not even read the request.
func answering(status int, header ...string) misbehaviour {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		body := fmt.Sprintf("the proxy says %d", status)
		if code, ok := registryCodes[status]; ok {
			w.Header().Set("Content-Type", "application/json")
			body = fmt.Sprintf(`{"errors":[{"code":%q,"message":%q}]}`, code, body)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// resetting ends the connection without an answer.
func resetting(w http.ResponseWriter, r *http.Request, _ http.Handler) { reset(w, r) }

// resettingRequests ends the connection in the middle of what is sent.
func resettingRequests(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.CopyN(io.Discard, r.Body, max(r.ContentLength/2, 0))
	reset(w, r)
}

// resettingAnswers ends the connection in the middle of the answer.
func resettingAnswers(w http.ResponseWriter, r *http.Request, registry http.Handler) {
	beginAnswer(w, r, registry)
	reset(w, r)
}

// truncatingAnswers says good-bye in the middle of the answer, as a proxy does
// that has lost who is behind it.
func truncatingAnswers(w http.ResponseWriter, r *http.Request, registry http.Handler) {
	beginAnswer(w, r, registry)
	panic(http.ErrAbortHandler)
}

// goingAway ends an HTTP/2 connection as a server does that is being
// restarted (RFC 9113, section 6.8), and HTTP/1 without a word.
func goingAway(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	connection, ok := r.Context().Value(connectionKey{}).(*tls.Conn)
	if !ok || r.ProtoMajor < 2 {
		panic(http.ErrAbortHandler)
	}
	// The first frame has to be SETTINGS. Every stream has been seen, so none
	// may be repeated unasked.
	settings := []byte{0, 0, 0, 4, 0, 0, 0, 0, 0}
	goAway := []byte{0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0}
	_, _ = connection.Write(append(settings, goAway...))
	_ = connection.Close()
	panic(http.ErrAbortHandler)
}

// beginAnswer has the registry answer, and passes on a half of what it says.
func beginAnswer(w http.ResponseWriter, r *http.Request, registry http.Handler) {
	recorder := httptest.NewRecorder()
	registry.ServeHTTP(recorder, r)
	body := recorder.Body.Bytes()
	if len(body) == 0 || r.Method == http.MethodHead {
		return // there is no middle
	}
	for name, values := range recorder.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(recorder.Code)
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
}

// reset has the client's kernel report a connection reset by peer, or HTTP/2
// a stream that ended with an error.
func reset(w http.ResponseWriter, r *http.Request) {
	connection, ok := r.Context().Value(connectionKey{}).(net.Conn)
	if encrypted, isTLS := connection.(*tls.Conn); isTLS {
		connection = encrypted.NetConn()
	}
	if tcp, isTCP := connection.(*net.TCPConn); ok && isTCP && r.ProtoMajor < 2 {
		_ = tcp.SetLinger(0)
		_ = tcp.Close()
	}
	panic(http.ErrAbortHandler)
}

func TestFaultProxy(t *testing.T) {
	p := newFaultProxy(t, plain, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "the whole answer")
	}))
	get := func(path string) (int, string, error) {
		response, err := http.Get("http://" + p.host + path)
		if err != nil {
			return 0, "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return response.StatusCode, string(body), err
	}
	p.fault("GET /busy", 2, answering(http.StatusServiceUnavailable))
	p.fault("GET /cut", 1, truncatingAnswers)
	p.fault("GET /reset", 1, resetting)
	for range 2 {
		status, _, err := get("/busy")
		require.NoError(t, err)
		assert.Equal(t, http.StatusServiceUnavailable, status)
	}
	_, body, err := get("/cut")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, "the whol", body)
	_, _, err = get("/reset")
	require.Error(t, err)
	assert.Zero(t, p.left())
	for _, path := range []string{"/busy", "/cut", "/reset", "/else"} {
		status, body, err := get(path)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, "the whole answer", body)
	}
	assert.Len(t, p.requests("/busy"), 3)
}

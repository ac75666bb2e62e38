//go:build lab

package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// apiProxy stands between sitectl and the API server, and does to its requests
// what it has been told to. It speaks HTTP/2, as the API server does.
type apiProxy struct {
	kubeconfig string // path: whoever takes it goes through the proxy
	api        http.Handler

	mu     sync.Mutex
	server *httptest.Server
	decide func(request) fault
	count  map[string]int // requests and watches, and how often each fault was met
}

// request is what a fault is decided by.
type request struct {
	*http.Request
	number int // of the requests, or of the watches if it is one, from 1
	watch  bool
	tunnel bool // a port is forwarded
}

// fault is what happens to a request. The zero value is none.
type fault struct {
	name string
	do   func(w http.ResponseWriter, r *http.Request, api http.Handler)
}

func newAPIProxy(t *testing.T) *apiProxy {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", lab(t, "KUBECONFIG"))
	require.NoError(t, err)
	p := &apiProxy{api: passOn(t, config), kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	p.behave(nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.start(listener)
	t.Cleanup(p.stop)

	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	require.NoError(t, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"proxy": {Server: p.server.URL, CertificateAuthorityData: authority}},
		Contexts:       map[string]*clientcmdapi.Context{"proxy": {Cluster: "proxy"}},
		CurrentContext: "proxy",
	}, p.kubeconfig))
	return p
}

// passOn makes requests with the rights of a kubeconfig.
func passOn(t *testing.T, config *rest.Config) http.Handler {
	t.Helper()
	target, err := url.Parse(config.Host)
	require.NoError(t, err)
	upgrading := rest.CopyConfig(config)
	upgrading.NextProtos = []string{"http/1.1"} // HTTP/2 has no Upgrade
	handler := func(config *rest.Config) http.Handler {
		transport, err := rest.TransportFor(config)
		require.NoError(t, err)
		return &httputil.ReverseProxy{
			Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
			Transport:     transport,
			FlushInterval: -1,
			ErrorLog:      log.New(io.Discard, "", 0),
			ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		}
	}
	requests, tunnels := handler(config), handler(upgrading)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			tunnels.ServeHTTP(w, r)
			return
		}
		requests.ServeHTTP(w, r)
	})
}

func (p *apiProxy) start(listener net.Listener) {
	server := httptest.NewUnstartedServer(p)
	_ = server.Listener.Close()
	server.Listener = listener
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = server
}

// stop ends all connections and does not listen any more.
func (p *apiProxy) stop() {
	p.mu.Lock()
	server := p.server
	p.mu.Unlock()
	_ = server.Listener.Close()
	server.CloseClientConnections()
	server.Close()
}

// outage stops the proxy for some time.
func (p *apiProxy) outage(t *testing.T, length time.Duration) {
	address := p.server.Listener.Addr().String()
	p.stop()
	t.Logf("the API server is out of reach for %s", length)
	time.Sleep(length)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Errorf("listen again: %v", err)
		return
	}
	p.start(listener)
	t.Log("the API server is back")
}

// behave decides from now on what happens to requests, and counts anew.
func (p *apiProxy) behave(decide func(request) fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide, p.count = decide, map[string]int{}
}

// counted is how often each fault was met.
func (p *apiProxy) counted(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count[name]
}

func (p *apiProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f := p.next(r); f.do != nil {
		f.do(w, r, p.api)
		return
	}
	p.api.ServeHTTP(w, r)
}

func (p *apiProxy) next(r *http.Request) fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := request{Request: r, watch: r.URL.Query().Get("watch") != "", tunnel: strings.HasSuffix(r.URL.Path, "/portforward")}
	kind := "requests"
	if asked.watch {
		kind = "watches"
	}
	p.count[kind]++
	asked.number = p.count[kind]
	if p.decide == nil {
		return fault{}
	}
	f := p.decide(asked)
	if f.do != nil {
		p.count[f.name]++
	}
	return f
}

// answering answers as the API server would if it were out of sorts.
func answering(code int, reason metav1.StatusReason, header ...string) fault {
	status := metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure,
		Reason:   reason,
		Code:     int32(code),
		Message:  "the proxy says " + strconv.Itoa(code),
	}
	return fault{name: strconv.Itoa(code), do: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(status)
	}}
}

// lost never arrives at the API server.
var lost = fault{name: "request lost", do: func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }}

// unanswered has the API server do what it is asked for, and loses the answer.
var unanswered = fault{name: "answer lost", do: func(_ http.ResponseWriter, r *http.Request, api http.Handler) {
	api.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}}

// dropped ends a watch soon after it has begun.
func dropped(after time.Duration) fault {
	return fault{name: "watch dropped", do: func(w http.ResponseWriter, r *http.Request, api http.Handler) {
		ctx, cancel := context.WithTimeout(r.Context(), after)
		defer cancel()
		api.ServeHTTP(w, r.WithContext(ctx))
	}}
}

// stalled passes on what a watch says at first, and then nothing more.
func stalled(after time.Duration) fault {
	return fault{name: "watch stalled", do: func(w http.ResponseWriter, r *http.Request, api http.Handler) {
		api.ServeHTTP(&stalling{ResponseWriter: w, since: time.Now().Add(after)}, r)
		<-r.Context().Done()
	}}
}

type stalling struct {
	http.ResponseWriter
	since time.Time
}

func (s *stalling) Write(text []byte) (int, error) {
	if time.Now().After(s.since) {
		return len(text), nil
	}
	return s.ResponseWriter.Write(text)
}

func (s *stalling) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// slow delays a request.
func slow(by time.Duration) fault {
	return fault{name: "delayed", do: func(w http.ResponseWriter, r *http.Request, api http.Handler) {
		time.Sleep(by)
		api.ServeHTTP(w, r)
	}}
}

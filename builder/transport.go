package builder

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/moby/buildkit/session/auth/authprovider"
)

// certsDir is where Docker, containerd and Podman look for the CAs of single
// registries: <certsDir>/<host:port>/*.crt.
const certsDir = "/etc/docker/certs.d"

// longestAnswer is how long a registry may take to answer a request that it
// has got in full. To store a large blob for good may take minutes.
const longestAnswer = 5 * time.Minute

// transport returns the way to a registry: with the system's CAs, the one
// that Options name, and those of certsDir.
func (b *Builder) transport(host string) (http.RoundTripper, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if transport, ok := b.transports[host]; ok {
		return transport, nil
	}
	roots, err := b.roots(host)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns // all that is asked is one host
	transport.ResponseHeaderTimeout = longestAnswer
	// Over HTTP/2, a connection that died would be noticed by the kernel only,
	// after a quarter of an hour.
	transport.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second}
	// What is sent compressed for the way could not be taken up where it broke off.
	transport.DisableCompression = true
	b.transports[host] = newPatient(&metered{next: transport, meter: &b.meter}, b.backoff, b.options.Log)
	return b.transports[host], nil
}

// ReadAuthorities reads the CAs of the system, which takes about as long as a
// request to a registry, so that it can be done while something else is waited
// for. They are read once for the whole program, and what is wrong with them is
// said by whoever needs them.
func ReadAuthorities() { _, _ = x509.SystemCertPool() }

func (b *Builder) roots(host string) (*x509.CertPool, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's CAs: %w", err)
	}
	paths, err := b.authorities(host)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, unreadableCA(host, err)
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, unreadableCA(host, fmt.Errorf("%s has no PEM certificate", path))
		}
	}
	return roots, nil
}

func unreadableCA(host string, err error) error {
	return &RegistryError{
		Host: host, Doing: "read the CA of " + host, Err: err, unread: true,
		hint: "name a PEM file with --registry-ca or the variable SITECTL_REGISTRY_CA, or leave both out",
	}
}

// authorities are the PEM files of the CAs to trust for a registry, besides
// the system's.
func (b *Builder) authorities(host string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(certsDir, host, "*.crt"))
	if err != nil {
		return nil, fmt.Errorf("look for CAs of %s: %w", host, err)
	}
	if b.options.RegistryCA != "" {
		paths = append(paths, b.options.RegistryCA)
	}
	return paths, nil
}

// tokenTLS has the CAs of the registries of this run for whoever asks them for
// tokens in BuildKit's name.
func (b *Builder) tokenTLS() map[string]*authprovider.AuthTLSConfig {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	configs := map[string]*authprovider.AuthTLSConfig{}
	for host := range b.transports {
		if paths, err := b.authorities(host); err == nil && len(paths) > 0 {
			configs[host] = &authprovider.AuthTLSConfig{RootCAs: paths}
		}
	}
	return configs
}

// bounded ends the requests of a library call that takes no context when ours
// does.
type bounded struct {
	http.RoundTripper
	ctx context.Context
}

func (t bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := t.ctx
	if request.Method == http.MethodDelete {
		// An upload that was only begun is given up in the background, when
		// we have the answer already.
		ctx = context.WithoutCancel(ctx)
	}
	return t.RoundTripper.RoundTrip(request.WithContext(ctx))
}

// Traffic is what went to registries: from here, so without what BuildKit
// itself pulls and pushes.
type Traffic struct {
	Requests int64 `json:"requests"`
	Sent     int64 `json:"sent"` // in bodies, in bytes
}

// traffic is what went to registries so far.
func (b *Builder) traffic() Traffic {
	return Traffic{Requests: b.meter.requests.Load(), Sent: b.meter.sent.Load()}
}

type meter struct{ requests, sent atomic.Int64 }

// metered counts what passes.
type metered struct {
	next  http.RoundTripper
	meter *meter
}

func (t *metered) RoundTrip(request *http.Request) (*http.Response, error) {
	t.meter.requests.Add(1)
	if request.Body != nil && request.Body != http.NoBody {
		// A RoundTripper must leave the request alone.
		request = request.Clone(request.Context())
		request.Body = sentBody{request.Body, t.meter}
		if again := request.GetBody; again != nil {
			request.GetBody = func() (io.ReadCloser, error) {
				body, err := again()
				return sentBody{body, t.meter}, err
			}
		}
	}
	return t.next.RoundTrip(request)
}

type sentBody struct {
	io.ReadCloser
	meter *meter
}

func (b sentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.meter.sent.Add(int64(n))
	if err != nil && err != io.EOF {
		err = sendError{err}
	}
	return n, err
}

// sendError says that there was nothing to send: the fault is on our side.
type sendError struct{ error }

func (e sendError) Unwrap() error { return e.error }

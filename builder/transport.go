package builder

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
)

// certsDir is where Docker, containerd and Podman look for the CAs of single
// registries: <certsDir>/<host:port>/*.crt.
const certsDir = "/etc/docker/certs.d"

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
	b.transports[host] = transport
	return transport, nil
}

func (b *Builder) roots(host string) (*x509.CertPool, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's CAs: %w", err)
	}
	paths, err := filepath.Glob(filepath.Join(certsDir, host, "*.crt"))
	if err != nil {
		return nil, fmt.Errorf("look for CAs of %s: %w", host, err)
	}
	if b.options.RegistryCA != "" {
		paths = append(paths, b.options.RegistryCA)
	}
	for _, path := range paths {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read CA of %s: %w", host, err)
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read CA of %s: %s has no PEM certificate", host, path)
		}
	}
	return roots, nil
}

// bounded ends the requests of a library call that takes no context when ours
// does.
type bounded struct {
	http.RoundTripper
	ctx context.Context
}

func (t bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	return t.RoundTripper.RoundTrip(request.WithContext(t.ctx))
}

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// registry is one with its own empty storage, like that of the lab, behind a
// proxy that counts what passes. The lab's own keeps all that was ever pushed
// to it, and a run pushes gigabytes.
type registry struct {
	host     string // of the proxy, host:port; without TLS, which all clients allow for an address of this machine
	user     string
	password string
	daemon   *daemon
	proxy    *http.Server

	requests, sent, received atomic.Int64
}

func startRegistry(ctx context.Context, program, folder string) (*registry, error) {
	r := &registry{user: "bench", password: rand.Text()}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, err
	}
	certificate, err := writeCertificate(folder)
	if err != nil {
		return nil, err
	}
	// The registry compares it with every request, so it is hashed with the
	// lowest cost.
	hash, err := bcrypt.GenerateFromPassword([]byte(r.password), bcrypt.MinCost)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(folder, "htpasswd"), fmt.Appendf(nil, "%s:%s\n", r.user, hash), 0o600); err != nil {
		return nil, err
	}
	address, mirror, err := freeAddresses()
	if err != nil {
		return nil, err
	}
	r.daemon, err = startDaemon(ctx, program, []string{
		"-address=" + address, "-mirror=" + mirror, "-storage=" + filepath.Join(folder, "storage"),
		"-htpasswd=htpasswd", "-cert=cert.pem", "-key=key.pem",
	}, folder, "tcp", address)
	if err != nil {
		return nil, err
	}
	if err := r.listen(address, certificate); err != nil {
		return nil, errors.Join(err, r.daemon.stop())
	}
	return r, nil
}

// listen starts the proxy.
func (r *registry) listen(registry string, certificate *x509.Certificate) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.host = listener.Addr().String()
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns
	transport.DisableCompression = true // what is counted is what the registry sends
	target := &url.URL{Scheme: "https", Host: registry}
	quiet := log.New(io.Discard, "", 0) // a client that ends in the middle of an answer
	forward := &httputil.ReverseProxy{Transport: transport, ErrorLog: quiet, Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		p.Out.Host = p.In.Host
	}, ModifyResponse: func(response *http.Response) error {
		response.Body = counted{response.Body, &r.received}
		return nil
	}}
	r.proxy = &http.Server{ReadHeaderTimeout: 10 * time.Second, ErrorLog: quiet, Handler: http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.requests.Add(1)
		request.Body = counted{request.Body, &r.sent}
		forward.ServeHTTP(w, request)
	})}
	go func() { _ = r.proxy.Serve(listener) }() // until it is closed
	return nil
}

// counted counts what is read.
type counted struct {
	io.ReadCloser
	count *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.count.Add(int64(n))
	return n, err
}

// traffic is what went to and came from a registry: bodies, without headers.
type traffic struct {
	requests, sent, received int64
}

// traffic is that of all since the registry was started.
func (r *registry) traffic() traffic {
	return traffic{r.requests.Load(), r.sent.Load(), r.received.Load()}
}

func (t traffic) since(before traffic) traffic {
	return traffic{t.requests - before.requests, t.sent - before.sent, t.received - before.received}
}

// writeLogin writes a docker configuration with the login of the registry.
func (r *registry) writeLogin(folder string) error {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	auth := base64.StdEncoding.EncodeToString([]byte(r.user + ":" + r.password))
	return os.WriteFile(filepath.Join(folder, "config.json"), fmt.Appendf(nil, "{\"auths\": {%q: {\"auth\": %q}}}\n", r.host, auth), 0o600)
}

func (r *registry) close() error { return errors.Join(r.proxy.Close(), r.daemon.stop()) }

// freeAddresses finds two addresses where nobody listens.
func freeAddresses() (string, string, error) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer first.Close()
	second, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer second.Close()
	return first.Addr().String(), second.Addr().String(), nil
}

// writeCertificate writes a certificate for this machine, cert.pem and key.pem.
func writeCertificate(folder string) (*x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(folder, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
		os.WriteFile(filepath.Join(folder, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

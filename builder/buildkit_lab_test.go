//go:build lab

package builder

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session/grpchijack"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// authority issues certificates for a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	serial      int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.certificate, a.key = a.issue(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) issue(t *testing.T, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a.serial++
	template.SerialNumber, template.Subject = big.NewInt(a.serial), pkix.Name{CommonName: "test"}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, parentKey := a.certificate, a.key
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate, key
}

// folder makes a folder as --builder-tls takes it, with a new certificate.
func (a *authority) folder(t *testing.T, usage x509.ExtKeyUsage) string {
	t.Helper()
	dir := t.TempDir()
	certificate, key := a.issue(t, &x509.Certificate{
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{
		"ca.pem":   {Type: "CERTIFICATE", Bytes: a.certificate.Raw},
		"cert.pem": {Type: "CERTIFICATE", Bytes: certificate.Raw},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: der},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	return dir
}

// serveBuildKit runs a buildkitd that serves at a socket and at a port, there
// only for who has a certificate. It returns the two addresses.
func serveBuildKit(t *testing.T, certificates string) (socket, port string) {
	t.Helper()
	labPrograms(t)
	dir := shortDir(t)
	launch, err := launcher()
	require.NoError(t, err)
	socket = "unix://" + filepath.Join(dir, "s")
	command := launch.command(dir, "--root="+filepath.Join(dir, "root"), "--containerd-worker=false", "--otel-socket-path="+filepath.Join(dir, "o"),
		"--addr="+socket, "--addr=tcp://127.0.0.1:0", "--tlscacert="+filepath.Join(certificates, "ca.pem"),
		"--tlscert="+filepath.Join(certificates, "cert.pem"), "--tlskey="+filepath.Join(certificates, "key.pem"))
	output, write, err := os.Pipe()
	require.NoError(t, err)
	command.Stdout, command.Stderr = write, write
	d := &daemon{command: command, exited: make(chan struct{})}
	require.NoError(t, d.run())
	require.NoError(t, write.Close())
	t.Cleanup(func() {
		require.NoError(t, command.Process.Kill())
		<-d.exited
	})
	log := bufio.NewScanner(output)
	for serving := 0; serving < 2; {
		require.True(t, log.Scan(), "buildkitd has ended")
		_, at, ok := strings.Cut(log.Text(), "running server on ")
		if !ok {
			continue
		}
		serving++
		if at = strings.Trim(at, `"`); strings.HasPrefix(at, "127.0.0.1:") {
			port = "tcp://" + at
		}
	}
	go func() { _, _ = io.Copy(io.Discard, output) }()
	return socket, port
}

// buildsAndSends has a builder build something and send it back.
func buildsAndSends(t *testing.T, b *Builder) {
	t.Helper()
	buildkit, err := b.connect(t.Context())
	require.NoError(t, err)
	built := filepath.Join(t.TempDir(), "built.tar")
	_, _, err = buildDockerfile(t.Context(), t, b, buildkit, "FROM scratch\nCOPY Dockerfile /\n", client.ExportEntry{
		Type: client.ExporterTar, Output: func(map[string]string) (io.WriteCloser, error) { return os.Create(built) },
	})
	require.NoError(t, err)
	assert.FileExists(t, built)
	assert.NoError(t, b.Close())
}

func TestLabAddresses(t *testing.T) {
	issuer := newAuthority(t)
	socket, port := serveBuildKit(t, issuer.folder(t, x509.ExtKeyUsageServerAuth))
	ours := issuer.folder(t, x509.ExtKeyUsageClientAuth)
	ca, certificate, key := filepath.Join(ours, "ca.pem"), filepath.Join(ours, "cert.pem"), filepath.Join(ours, "key.pem")

	works := map[string]Options{
		"unix":              {Address: socket},
		"tcp, a folder":     {Address: port, BuilderTLS: ours},
		"tcp, single files": {Address: port, BuilderCA: ca, BuilderCert: certificate, BuilderKey: key},
	}
	for name, options := range works {
		t.Run(name, func(t *testing.T) { buildsAndSends(t, newBuilder(t, options)) })
	}

	others := newAuthority(t).folder(t, x509.ExtKeyUsageClientAuth)
	fails := map[string]struct {
		options Options
		says    string
	}{
		// In TLS 1.3 the client may hear that its certificate is refused, or that
		// the connection is closed.
		"no certificate":             {Options{Address: port, BuilderCA: ca}, "reach BuildKit at " + port},
		"without TLS":                {Options{Address: port}, "reach BuildKit at " + port},
		"certificate of another CA":  {Options{Address: port, BuilderCA: ca, BuilderCert: others + "/cert.pem", BuilderKey: others + "/key.pem"}, "reach BuildKit at " + port},
		"BuildKit of another CA":     {Options{Address: port, BuilderTLS: others}, "certificate signed by unknown authority"},
		"BuildKit, the system's CAs": {Options{Address: port, BuilderCert: certificate, BuilderKey: key}, "certificate signed by unknown authority"},
		"BuildKit of another name":   {Options{Address: strings.Replace(port, "127.0.0.1", "localhost", 1), BuilderTLS: ours}, "localhost"},
		"key of another certificate": {Options{Address: port, BuilderCA: ca, BuilderCert: certificate, BuilderKey: others + "/key.pem"}, "private key does not match"},
	}
	for name, test := range fails {
		t.Run(name, func(t *testing.T) {
			err := newBuilder(t, test.options).checkBuilder(t.Context())
			var unreachable *BuildError
			require.ErrorAs(t, err, &unreachable)
			assert.ErrorContains(t, err, test.says)
			assert.NotContains(t, err.Error(), "rpc error")
			assert.Contains(t, unreachable.Hint(), "--builder-tls")
		})
	}
}

// The engine's way to BuildKit, with the lab's BuildKit behind it: a
// connection for what we ask, and one for what BuildKit asks us.
func TestLabDockerEngine(t *testing.T) {
	inside := strings.TrimPrefix(os.Getenv("BUILDKIT_HOST"), "unix://")
	lab, err := client.New(t.Context(), os.Getenv("BUILDKIT_HOST"))
	require.NoError(t, err)
	t.Cleanup(func() { lab.Close() })
	engine, host := listen(t)
	sessions := make(chan http.Header, 10)
	handler := http.NewServeMux()
	handler.HandleFunc("POST /grpc", func(w http.ResponseWriter, _ *http.Request) {
		there, err := net.Dial("unix", inside)
		if assert.NoError(t, err) {
			turnOver(t, w, "h2c", there)
		}
	})
	handler.HandleFunc("POST /session", func(w http.ResponseWriter, r *http.Request) {
		sessions <- r.Header
		// As the engine does, BuildKit's session manager gets the headers.
		there, err := grpchijack.Dialer(lab.ControlClient())(context.WithoutCancel(r.Context()), r.Header.Get("Upgrade"), sessionHeaders(r.Header))
		if assert.NoError(t, err) {
			turnOver(t, w, r.Header.Get("Upgrade"), there)
		}
	})
	server := &http.Server{Handler: handler, ErrorLog: discard()}
	go func() { _ = server.Serve(engine) }()
	t.Cleanup(func() { server.Close() })

	b, said := lonely(t, Options{})
	t.Setenv("DOCKER_HOST", host)
	buildsAndSends(t, b)
	assert.Equal(t, "builder: the Docker engine at "+host+", because no buildkitd is running, and the engine has BuildKit", last(said))
	assert.NotEmpty(t, (<-sessions).Get("X-Docker-Expose-Session-Uuid"), "files went through a session of the engine")
}

func sessionHeaders(all http.Header) map[string][]string {
	headers := map[string][]string{}
	for name, values := range all {
		if strings.HasPrefix(name, "X-Docker-Expose-Session-") {
			headers[name] = values
		}
	}
	return headers
}

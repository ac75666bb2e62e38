package builder

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	workerapi "github.com/moby/buildkit/api/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serveEngine serves what a Docker engine has in front of its BuildKit: an
// HTTP server that turns a connection over to it.
func serveEngine(t *testing.T, listener net.Listener, buildkit smallBuildKit) {
	t.Helper()
	inside, address := listen(t)
	buildkit.serve(t, inside)
	handler := http.NewServeMux()
	handler.HandleFunc("POST /grpc", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "h2c" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		there, err := net.Dial("unix", address[len("unix://"):])
		if !assert.NoError(t, err) {
			return
		}
		turnOver(t, w, "h2c", there)
	})
	server := &http.Server{Handler: handler, ErrorLog: discard()}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
}

// turnOver answers with 101 and connects the two connections.
func turnOver(t *testing.T, w http.ResponseWriter, protocol string, there net.Conn) {
	t.Helper()
	here, buffered, err := w.(http.Hijacker).Hijack()
	if !assert.NoError(t, err) {
		return
	}
	_, _ = fmt.Fprintf(here, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", protocol)
	go func() {
		_, _ = io.Copy(there, buffered)
		_ = there.Close()
	}()
	_, _ = io.Copy(here, there)
	_ = here.Close()
}

func TestDockerEngine(t *testing.T) {
	closed, closedHost := listen(t)
	require.NoError(t, closed.Close())
	silent, silentHost := listen(t)
	_ = silent
	without, withoutHost := listen(t)
	podman := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: discard()}
	go func() { _ = podman.Serve(without) }()
	t.Cleanup(func() { podman.Close() })
	old, oldHost := listen(t)
	serveEngine(t, old, smallBuildKit{workers: []*workerapi.WorkerRecord{worker("org.mobyproject.buildkit.worker.moby.host-gateway-ip")}})
	good, goodHost := listen(t)
	serveEngine(t, good, smallBuildKit{workers: []*workerapi.WorkerRecord{worker(pushLabel)}})

	tests := map[string]struct{ host, says string }{
		"not there":       {closedHost, "no such file or directory"},
		"says nothing":    {silentHost, "no answer within 200ms"},
		"has no BuildKit": {withoutHost, "it has no BuildKit"},
		"cannot push":     {oldHost, "its BuildKit cannot push: that takes the containerd image store"},
		"usable":          {goodHost, ""},
		"nonsense":        {"nonsense", "unable to parse docker host"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b, _ := lonely(t, Options{})
			t.Setenv("DOCKER_HOST", test.host)
			if name == "says nothing" {
				b.reach /= 20 // of which the engine has half
			}
			err := b.checkBuilder(t.Context())
			if test.says == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, "the Docker engine at "+test.host+": ")
			assert.ErrorContains(t, err, test.says)
		})
	}
}

func TestDockerContext(t *testing.T) {
	engine, host := listen(t)
	serveEngine(t, engine, smallBuildKit{workers: []*workerapi.WorkerRecord{worker(pushLabel)}})
	config := t.TempDir()
	hash := sha256.Sum256([]byte("colima"))
	stored := filepath.Join(config, "contexts", "meta", hex.EncodeToString(hash[:]))
	require.NoError(t, os.MkdirAll(stored, 0o700))
	meta := fmt.Sprintf(`{"Name": "colima", "Metadata": {}, "Endpoints": {"docker": {"Host": %q}}}`, host)
	require.NoError(t, os.WriteFile(filepath.Join(stored, "meta.json"), []byte(meta), 0o600))

	b, _ := lonely(t, Options{DockerConfig: config})
	elsewhere := os.Getenv("DOCKER_HOST")
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONTEXT", "colima")
	assert.Equal(t, fmt.Sprintf(`the Docker engine of the context "colima" at %s`, host), b.engine().name)
	assert.NoError(t, b.checkBuilder(t.Context()))

	t.Setenv("DOCKER_CONTEXT", "other")
	assert.ErrorContains(t, b.checkBuilder(t.Context()), `context "other"`)

	t.Setenv("DOCKER_CONTEXT", "")
	b.logins.CurrentContext = "colima"
	assert.NoError(t, b.checkBuilder(t.Context()), "as docker context use has it")

	t.Setenv("DOCKER_HOST", elsewhere)
	assert.Equal(t, "the Docker engine at "+elsewhere, b.engine().name, "DOCKER_HOST wins, as with docker")
}

func TestDockerCertificates(t *testing.T) {
	b, _ := lonely(t, Options{})
	t.Setenv("DOCKER_HOST", "tcp://docker:2376")
	t.Setenv("DOCKER_TLS_VERIFY", "1")
	certificates := t.TempDir()
	t.Setenv("DOCKER_CERT_PATH", certificates)
	assert.ErrorContains(t, b.checkBuilder(t.Context()), filepath.Join(certificates, "ca.pem"))
	for _, name := range []string{"ca.pem", "cert.pem", "key.pem"} {
		require.NoError(t, os.WriteFile(filepath.Join(certificates, name), []byte(name), 0o600))
	}
	engine := b.engine()
	require.NoError(t, engine.err)
	assert.Equal(t, "ca.pem", string(engine.endpoint.TLSData.CA))
}

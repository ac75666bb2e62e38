package images

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testRegistry is a registry with TLS and a login, which counts what it is
// asked to store.
type testRegistry struct {
	address string
	opts    PushOptions

	mu     sync.Mutex
	writes int
}

func newTestRegistry(t *testing.T) *testRegistry {
	t.Helper()
	r := &testRegistry{}
	store := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if user, password, _ := request.BasicAuth(); user != "lab" || password != t.Name() {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if request.Method != http.MethodGet && request.Method != http.MethodHead {
			r.mu.Lock()
			r.writes++
			r.mu.Unlock()
		}
		store.ServeHTTP(w, request)
	}))
	t.Cleanup(server.Close)
	r.address = strings.TrimPrefix(server.URL, "https://")

	folder := t.TempDir()
	r.opts = PushOptions{CA: filepath.Join(folder, "ca.pem"), DockerConfig: folder}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(r.opts.CA, certificate, 0o600))
	login, err := json.Marshal(map[string]any{"auths": map[string]any{r.address: map[string]string{
		"auth": base64.StdEncoding.EncodeToString([]byte("lab:" + t.Name())),
	}}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.json"), login, 0o600))
	return r
}

func TestPush(t *testing.T) {
	r := newTestRegistry(t)
	folder := t.TempDir()
	cache, err := openStore(folder)
	require.NoError(t, err)
	fill(t, cache, recipes())

	require.NoError(t, Push(t.Context(), folder, r.address, r.opts))
	assert.NotZero(t, r.writes)

	r.writes = 0
	require.NoError(t, Push(t.Context(), folder, r.address, r.opts))
	assert.Zero(t, r.writes, "what is there is not sent again")
}

func TestPushFails(t *testing.T) {
	r := newTestRegistry(t)
	folder := t.TempDir()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))

	tests := map[string]struct {
		opts PushOptions
		want string
	}{
		"no such CA":     {PushOptions{CA: filepath.Join(folder, "missing")}, "read CA of registry"},
		"empty CA":       {PushOptions{CA: empty}, "no certificate in " + empty},
		"unbuilt images": {r.opts, "is not in the image cache"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.ErrorContains(t, Push(t.Context(), folder, r.address, test.opts), test.want)
		})
	}

	cache, err := openStore(folder)
	require.NoError(t, err)
	fill(t, cache, recipes())
	err = Push(t.Context(), folder, r.address, PushOptions{CA: r.opts.CA})
	assert.ErrorContains(t, err, "push image "+r.address)
	assert.ErrorContains(t, Push(t.Context(), folder, r.address, PushOptions{}), "certificate")
}

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

func TestMain(m *testing.M) {
	logrus.SetOutput(io.Discard)
	os.Exit(m.Run())
}

// registry is both handlers over one storage folder, behind TLS, with a user
// whose password is made for the test.
type registry struct {
	private, mirror *httptest.Server
	login           authn.Authenticator
}

func newRegistry(t *testing.T) registry {
	t.Helper()
	folder := t.TempDir()
	password := rand.Text()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(t, err)
	users := filepath.Join(folder, "users")
	require.NoError(t, os.WriteFile(users, []byte("lab:"+string(hash)+"\n"), 0o600))
	opts := options{Storage: filepath.Join(folder, "storage"), Htpasswd: users}

	r := registry{
		private: httptest.NewTLSServer(privateHandler(t.Context(), opts)),
		mirror:  httptest.NewTLSServer(mirrorHandler(t.Context(), opts)),
		login:   &authn.Basic{Username: "lab", Password: password},
	}
	t.Cleanup(r.private.Close)
	t.Cleanup(r.mirror.Close)
	return r
}

func (r registry) push(t *testing.T, repository string) string {
	t.Helper()
	image, err := random.Image(1<<10, 2)
	require.NoError(t, err)
	require.NoError(t, remote.Write(reference(t, r.private, repository), image, r.options(r.private, r.login)...))
	digest, err := image.Digest()
	require.NoError(t, err)
	return digest.String()
}

func (r registry) options(server *httptest.Server, login authn.Authenticator) []remote.Option {
	return []remote.Option{remote.WithTransport(server.Client().Transport), remote.WithAuth(login)}
}

func reference(t *testing.T, server *httptest.Server, repository string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "https://") + "/" + repository)
	require.NoError(t, err)
	return ref
}

func TestPrivateRegistryNeedsALogin(t *testing.T) {
	r := newRegistry(t)
	digest := r.push(t, "agency/site:1")

	image, err := remote.Image(reference(t, r.private, "agency/site:1"), r.options(r.private, r.login)...)
	require.NoError(t, err)
	got, err := image.Digest()
	require.NoError(t, err)
	assert.Equal(t, digest, got.String())

	for _, login := range []authn.Authenticator{authn.Anonymous, &authn.Basic{Username: "lab", Password: "wrong"}} {
		_, err = remote.Image(reference(t, r.private, "agency/site:1"), r.options(r.private, login)...)
		assert.ErrorContains(t, err, "UNAUTHORIZED")
	}
}

func TestPrivateRegistryDeletes(t *testing.T) {
	r := newRegistry(t)
	digest := r.push(t, "agency/site:1")

	require.NoError(t, remote.Delete(reference(t, r.private, "agency/site@"+digest), r.options(r.private, r.login)...))
	_, err := remote.Head(reference(t, r.private, "agency/site:1"), r.options(r.private, r.login)...)
	assert.ErrorContains(t, err, "404")
}

func TestMirrorServesPublicImages(t *testing.T) {
	r := newRegistry(t)
	for _, repository := range []string{"library/debian:trixie-slim", "pause:1"} {
		r.push(t, repository)
		image, err := remote.Image(reference(t, r.mirror, repository), r.options(r.mirror, authn.Anonymous)...)
		require.NoError(t, err)
		layers, err := image.Layers()
		require.NoError(t, err)
		for _, layer := range layers {
			content, err := layer.Compressed()
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, content)
			require.NoError(t, err)
		}
	}
}

func TestMirrorRefuses(t *testing.T) {
	r := newRegistry(t)
	r.push(t, "library/debian:trixie-slim")
	digest := r.push(t, "agency/site:1")

	tests := map[string]struct {
		method, path string
		status       int
	}{
		"login probe": {http.MethodGet, "/v2/", http.StatusOK},
		"public manifest with containerd's query":             {http.MethodHead, "/v2/library/debian/manifests/trixie-slim?ns=docker.io", http.StatusOK},
		"private manifest":                                    {http.MethodGet, "/v2/agency/site/manifests/1", http.StatusNotFound},
		"private manifest by detour":                          {http.MethodGet, "/v2/library/../agency/site/manifests/1", http.StatusNotFound},
		"private manifest by escaped detour":                  {http.MethodGet, "/v2/library/%2e%2e/agency/site/manifests/1", http.StatusNotFound},
		"private manifest in public place":                    {http.MethodGet, "/v2/library/debian/manifests/" + digest, http.StatusNotFound},
		"private blob in public place":                        {http.MethodGet, "/v2/library/debian/blobs/" + digest, http.StatusNotFound},
		"repository whose name only begins like a public one": {http.MethodGet, "/v2/pauses/manifests/1", http.StatusNotFound},
		"catalog":  {http.MethodGet, "/v2/_catalog", http.StatusNotFound},
		"upload":   {http.MethodPost, "/v2/library/debian/blobs/uploads/", http.StatusMethodNotAllowed},
		"manifest": {http.MethodPut, "/v2/library/debian/manifests/2", http.StatusMethodNotAllowed},
		"delete":   {http.MethodDelete, "/v2/library/debian/manifests/" + digest, http.StatusMethodNotAllowed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), test.method, r.mirror.URL+test.path, nil)
			require.NoError(t, err)
			response, err := r.mirror.Client().Transport.RoundTrip(request)
			require.NoError(t, err)
			defer response.Body.Close()
			assert.Equal(t, test.status, response.StatusCode)
		})
	}
}

func TestUploadLocationIsRelative(t *testing.T) {
	r := newRegistry(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.private.URL+"/v2/agency/site/blobs/uploads/", nil)
	require.NoError(t, err)
	login, err := r.login.Authorization()
	require.NoError(t, err)
	request.SetBasicAuth(login.Username, login.Password)
	response, err := r.private.Client().Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, http.StatusAccepted, response.StatusCode)
	assert.Regexp(t, "^/v2/agency/site/blobs/uploads/", response.Header.Get("Location"))
}

func TestRunStopsWithItsContext(t *testing.T) {
	folder := t.TempDir()
	opts := options{Address: "127.0.0.1:0", Mirror: "127.0.0.1:0", Storage: filepath.Join(folder, "storage"), Htpasswd: filepath.Join(folder, "users")}
	opts.Cert, opts.Key = writeCertificate(t, folder)

	ctx, cancel := context.WithCancel(t.Context())
	assert.ErrorContains(t, run(ctx, opts, nil), "find users", "a missing file of users must not be made up")
	require.NoError(t, os.WriteFile(opts.Htpasswd, nil, 0o600))
	cancel()
	assert.NoError(t, run(ctx, opts, nil))
}

func TestRunRefuses(t *testing.T) {
	assert.ErrorContains(t, run(t.Context(), options{}, nil), "are required")
	assert.ErrorContains(t, run(t.Context(), options{}, []string{"serve"}), `unexpected argument "serve"`)
}

func writeCertificate(t *testing.T, folder string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "registry"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	certificate, key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	for file, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600), fmt.Sprintf("write %s", file))
	}
	return certificate, key
}

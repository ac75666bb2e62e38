package builder

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newBuilder makes a Builder that knows no login unless options say so.
func newBuilder(t *testing.T, options Options) *Builder {
	t.Helper()
	if options.DockerConfig == "" {
		options.DockerConfig = t.TempDir()
	}
	b, err := New(options)
	require.NoError(t, err)
	return b
}

// testRegistry is a registry with TLS, a CA of its own and one user.
type testRegistry struct {
	host string
	ca   string // PEM file
}

const testUser, testPassword = "agency", "correct horse"

func newTestRegistry(t *testing.T) testRegistry {
	t.Helper()
	images := registry.New(registry.Logger(discard()))
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != testUser || password != testPassword {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`))
			return
		}
		images.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = discard()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(block), 0o600))
	return testRegistry{host: server.Listener.Addr().String(), ca: ca}
}

func (r testRegistry) site() site.Site {
	s := phpSite()
	s.Image = r.host + "/agency/example-com"
	return s
}

// dockerConfig writes a docker config with one login and returns its folder.
func dockerConfig(t *testing.T, host, user, password string) string {
	t.Helper()
	dir := t.TempDir()
	content, err := json.Marshal(map[string]any{"auths": map[string]any{
		host:                map[string]string{"username": user, "password": password},
		"other.example.com": map[string]string{"username": "other", "password": "other"},
	}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), content, 0o600))
	return dir
}

// builder is one with the right login and CA.
func (r testRegistry) builder(t *testing.T) *Builder {
	t.Helper()
	return newBuilder(t, Options{
		DockerConfig: dockerConfig(t, r.host, testUser, testPassword), RegistryCA: r.ca,
	})
}

// push puts an image of some layers under a tag and returns its digest.
func (r testRegistry) push(t *testing.T, tag string, layers int64) string {
	t.Helper()
	repo, err := r.builder(t).repository(r.site().Image)
	require.NoError(t, err)
	image, err := random.Image(100, layers)
	require.NoError(t, err)
	require.NoError(t, remote.Write(repo.name.Tag(tag), image, repo.options(t.Context())...))
	digest, err := image.Digest()
	require.NoError(t, err)
	return digest.String()
}

func TestFind(t *testing.T) {
	r := newTestRegistry(t)
	commit := site.Commit{SHA: "c0ffee", Tag: "c0f"}
	image, found, err := r.builder(t).Find(t.Context(), r.site(), commit)
	require.NoError(t, err)
	assert.False(t, found)
	assert.Zero(t, image)

	digest := r.push(t, "c0f", 1)
	image, found, err = r.builder(t).Find(t.Context(), r.site(), commit)
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, site.Image{Repository: r.site().Image, Tag: "c0f", Digest: digest, Commit: commit}, image)
}

func TestCheckPush(t *testing.T) {
	r := newTestRegistry(t)
	require.NoError(t, r.builder(t).checkPush(t.Context(), r.site().Image))
}

func TestRegistryErrors(t *testing.T) {
	r := newTestRegistry(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())

	login := func(host, password string) string { return dockerConfig(t, host, testUser, password) }
	tests := map[string]struct {
		host    string
		options Options
		says    []string
		hint    string
	}{
		"wrong password": {
			r.host,
			Options{DockerConfig: login(r.host, "wrong battery"), RegistryCA: r.ca},
			[]string{r.host, `as user "agency"`},
			"docker login " + r.host,
		},
		"no login": {
			r.host,
			Options{RegistryCA: r.ca},
			[]string{r.host, "without a login"},
			"docker login " + r.host,
		},
		"unknown CA": {
			r.host,
			Options{DockerConfig: login(r.host, testPassword)},
			[]string{r.host, "certificate"},
			"--registry-ca",
		},
		"nobody listens": {
			closed.Addr().String(),
			Options{DockerConfig: login(closed.Addr().String(), testPassword)},
			[]string{closed.Addr().String(), "connection refused"},
			"",
		},
		"nobody answers": {
			silent.Addr().String(),
			Options{DockerConfig: login(silent.Addr().String(), testPassword)},
			[]string{silent.Addr().String(), "no answer within 200ms"},
			"reachable",
		},
		"no such host": {
			"registry.invalid",
			Options{DockerConfig: login("registry.invalid", testPassword)},
			[]string{"registry.invalid"},
			"",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBuilder(t, test.options)
			b.reach = 200 * time.Millisecond
			if name != "nobody answers" {
				b.reach = 10 * time.Second
			}
			s := phpSite()
			s.Image = test.host + "/agency/example-com"
			_, _, findErr := b.Find(t.Context(), s, site.Commit{Tag: "c0f"})
			for _, err := range []error{findErr, b.checkPush(t.Context(), s.Image)} {
				var refused *RegistryError
				require.ErrorAs(t, err, &refused)
				assert.Equal(t, test.host, refused.Host)
				assert.Contains(t, refused.Hint(), test.hint)
				for _, words := range test.says {
					assert.ErrorContains(t, err, words)
				}
				assert.NotContains(t, err.Error()+refused.Hint(), testPassword)
				assert.NotContains(t, err.Error()+refused.Hint(), "wrong battery")
			}
		})
	}
}

func TestRegistryQuestionsEndWithTheContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	s := phpSite()
	s.Image = silent.Addr().String() + "/agency/example-com"
	b := newBuilder(t, Options{})
	stopped := errors.New("stopped by a person")
	for name, ask := range map[string]func(context.Context) error{
		"push": func(ctx context.Context) error { return b.checkPush(ctx, s.Image) },
		"find": func(ctx context.Context) error {
			_, _, err := b.Find(ctx, s, site.Commit{Tag: "c0f"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(50*time.Millisecond, func() { cancel(stopped) })
			require.ErrorIs(t, ask(ctx), stopped)
		})
	}
}

func TestBadCA(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(path, []byte("not a certificate"), 0o600))
	for _, ca := range []string{path, filepath.Join(t.TempDir(), "missing.pem")} {
		_, _, err := newBuilder(t, Options{RegistryCA: ca}).Find(t.Context(), phpSite(), site.Commit{Tag: "c0f"})
		assert.ErrorContains(t, err, ca)
	}
}

func TestBadDockerConfig(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths": {`), 0o600))
	_, err := New(Options{DockerConfig: dir})
	assert.ErrorContains(t, err, dir)
}

func TestPullConfig(t *testing.T) {
	tests := map[string]struct {
		image string
		host  string // of the login
		want  string
	}{
		"a private registry": {
			"registry.example.com:5000/a/b", "registry.example.com:5000",
			`{"auths":{"registry.example.com:5000":{"auth":"YWdlbmN5OmNvcnJlY3QgaG9yc2U="}}}`,
		},
		"docker hub": {
			"agency/b", "https://index.docker.io/v1/",
			`{"auths":{"https://index.docker.io/v1/":{"auth":"YWdlbmN5OmNvcnJlY3QgaG9yc2U="}}}`,
		},
		"no login": {"registry.example.com/a/b", "elsewhere.example.com", `{"auths":{}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := phpSite()
			s.Image = test.image
			b := newBuilder(t, Options{DockerConfig: dockerConfig(t, test.host, testUser, testPassword)})
			got, err := b.PullConfig(s)
			require.NoError(t, err)
			assert.JSONEq(t, test.want, string(got))
			assert.NotContains(t, string(got), "other")
		})
	}
}

func TestPullConfigNeedsAPassword(t *testing.T) {
	dir := t.TempDir()
	content := `{"auths":{"registry.example.com":{"identitytoken":"refresh-me"}}}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(content), 0o600))
	_, err := newBuilder(t, Options{DockerConfig: dir}).PullConfig(phpSite())
	var refused *RegistryError
	require.ErrorAs(t, err, &refused)
	assert.NotContains(t, err.Error(), "refresh-me")
	assert.Contains(t, refused.Hint(), "docker login registry.example.com")
}

func TestConfirm(t *testing.T) {
	r := newTestRegistry(t)
	digest := r.push(t, "c0f", 1)
	repo, err := r.builder(t).repository(r.site().Image)
	require.NoError(t, err)
	require.NoError(t, repo.confirm(t.Context(), "c0f", digest))

	var refused *RegistryError
	require.ErrorAs(t, repo.confirm(t.Context(), "c0f", "sha256:"+strings.Repeat("0", 64)), &refused)
	assert.ErrorContains(t, refused, "the registry has "+digest)
	require.ErrorAs(t, repo.confirm(t.Context(), "missing", digest), &refused)
	assert.ErrorContains(t, refused, "does not have it")
}

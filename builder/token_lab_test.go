//go:build lab

package builder

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tonistiigi/fsutil"
)

// briefRegistry is a registry that takes tokens of a short life, as GitLab's
// does, and gives them to who has the password of the moment.
type briefRegistry struct {
	t      *testing.T
	images http.Handler
	host   string
	life   time.Duration

	mutex    sync.Mutex
	password string
	tokens   []briefToken
}

type briefToken struct {
	text, scope string
	expires     time.Time
}

func newBriefRegistry(t *testing.T, life time.Duration) *briefRegistry {
	t.Helper()
	r := &briefRegistry{t: t, images: registry.New(registry.Logger(discard())), life: life, password: rand.Text()}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.host = server.Listener.Addr().String()
	return r
}

func (r *briefRegistry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.URL.Path == "/token" {
		r.giveToken(w, request)
		return
	}
	scope := scopeOf(request)
	text := strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer ")
	if r.accepts(text, scope) {
		r.images.ServeHTTP(w, request)
		return
	}
	challenge := fmt.Sprintf(`Bearer realm="http://%s/token",service="test",scope="%s"`, r.host, scope)
	if text != "" {
		challenge += `,error="invalid_token"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
}

// scopeOf is what a request needs, by
// https://distribution.github.io/distribution/spec/auth/scope/.
func scopeOf(request *http.Request) string {
	path := strings.TrimPrefix(request.URL.Path, "/v2/")
	if path == "" {
		return ""
	}
	for _, kind := range []string{"/manifests/", "/blobs/", "/tags/", "/referrers/"} {
		if repository, _, ok := strings.Cut(path, kind); ok {
			path = repository
		}
	}
	if request.Method == http.MethodGet || request.Method == http.MethodHead {
		return "repository:" + path + ":pull"
	}
	return "repository:" + path + ":pull,push"
}

// accepts tells whether a token is one of ours, has not expired and is enough.
func (r *briefRegistry) accepts(text, scope string) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, given := range r.tokens {
		if given.text != text || time.Now().After(given.expires) {
			continue
		}
		repository := strings.TrimSuffix(strings.TrimSuffix(scope, ",push"), "pull")
		if strings.Contains(given.scope, repository) && (!strings.HasSuffix(scope, ",push") || strings.Contains(given.scope, "push")) {
			return true
		}
	}
	return false
}

// giveToken takes what buildkitd and go-containerregistry ask with: a form
// (OAuth 2), or basic authentication.
func (r *briefRegistry) giveToken(w http.ResponseWriter, request *http.Request) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	_, password, basic := request.BasicAuth()
	if !basic {
		password = request.PostFormValue("password")
	}
	if password != r.password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_ = request.ParseForm()
	now := time.Now()
	given := briefToken{rand.Text(), strings.Join(request.Form["scope"], " "), now.Add(r.life)}
	r.tokens = append(r.tokens, given)
	assert.NoError(r.t, json.NewEncoder(w).Encode(map[string]any{
		"token": given.text, "access_token": given.text, "expires_in": r.life.Seconds(), "issued_at": now.Format(time.RFC3339Nano),
	}))
}

// turn lets no token of before be of use: it waits until all have expired, and
// there is a new password. It returns how many tokens there were.
func (r *briefRegistry) turn(passwordFile string) int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var last time.Time
	for _, given := range r.tokens {
		if given.expires.After(last) {
			last = given.expires
		}
	}
	<-time.After(time.Until(last))
	r.password = rand.Text()
	assert.NoError(r.t, os.WriteFile(passwordFile, []byte(r.password), 0o600))
	return len(r.tokens)
}

// A build step that takes longer than a registry's tokens live, and than the
// password for them, is followed by a push that succeeds. GitLab's identity
// tokens live two minutes; here it is seconds.
func TestLabShortLivedTokens(t *testing.T) {
	base := labImage(t)
	t.Run("a password that is read again", func(t *testing.T) {
		r := newBriefRegistry(t, 3*time.Second)
		target, digest, before, err := pushAfterTokens(t, r, base, time.Second)
		require.NoError(t, err)
		_, found, err := target.headReference(t.Context(), target.name.Digest(digest))
		require.NoError(t, err)
		assert.True(t, found)
		assert.Positive(t, before, "BuildKit has pulled with a token")
		assert.Greater(t, len(r.tokens), before, "and pushed with another one")
	})
	t.Run("a password that is kept too long", func(t *testing.T) {
		_, _, _, err := pushAfterTokens(t, newBriefRegistry(t, time.Second), base, time.Hour)
		var refused *RegistryError
		require.ErrorAs(t, err, &refused)
		assert.ErrorContains(t, err, "401 Unauthorized")
	})
}

// pushAfterTokens builds an image with a step that outlasts all tokens that
// were given until then, and pushes it. Passwords are read again after an age.
// It returns how many tokens were given before.
func pushAfterTokens(t *testing.T, r *briefRegistry, base string, age time.Duration) (target *repository, digest string, before int, err error) {
	t.Helper()
	passwordFile := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(passwordFile, []byte(r.password), 0o600))
	lab, _ := labBuilder(t)
	b := newBuilder(t, Options{
		Address: os.Getenv("BUILDKIT_HOST"), Progress: "plain",
		Login: Login{Image: r.host + "/site", User: "ci", PasswordFile: passwordFile},
	})
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	b.credentials.age = age
	target, err = b.repository(r.host + "/site")
	require.NoError(t, err)
	copyImage(t, lab, base, target)

	steps, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { steps.Close() })
	turned := make(chan int, 1)
	go func() {
		connection, err := steps.Accept()
		if !assert.NoError(t, err) {
			return
		}
		turned <- r.turn(passwordFile)
		_ = connection.Close()
	}()
	dockerfile := staticFiles(map[string]string{
		"Dockerfile": "FROM " + target.name.Tag("base").String() + "\n" + waitingStep(t, steps.Addr().String()),
	})
	shown := newDisplay(b.options)
	defer shown.close()
	response, err := b.solve(t.Context(), shown, "", target, client.SolveOpt{
		FrontendAttrs: map[string]string{},
		LocalMounts:   map[string]fsutil.FS{"dockerfile": dockerfile, "context": dockerfile},
		Exports:       []client.ExportEntry{pushByDigest(target, newest)},
	})
	if err != nil {
		return target, "", <-turned, err
	}
	digest, err = exportedDigest(response)
	return target, digest, <-turned, err
}

// copyImage copies an image of the lab's registry to the tag base.
func copyImage(t *testing.T, lab *Builder, image string, target *repository) {
	t.Helper()
	reference, err := name.ParseReference(image)
	require.NoError(t, err)
	from, err := lab.repository(reference.Context().String())
	require.NoError(t, err)
	found, err := remote.Image(reference, from.options(t.Context())...)
	require.NoError(t, err)
	require.NoError(t, remote.Write(target.name.Tag("base"), found, target.options(t.Context())...))
}

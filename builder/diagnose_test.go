package builder

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	workerapi "github.com/moby/buildkit/api/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindBuilder(t *testing.T) {
	listener, address := listen(t)
	smallBuildKit{workers: []*workerapi.WorkerRecord{worker("any")}}.serve(t, listener)
	b := newBuilder(t, Options{Address: address})
	found, err := b.FindBuilder(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Found{Name: "BuildKit at " + address, Why: "it is named by --builder or BUILDKIT_HOST"}, found,
		"an old one does not tell its version")

	b = newBuilder(t, Options{Address: "tcp://127.0.0.1:1"})
	_, err = b.FindBuilder(t.Context())
	var failed *BuildError
	require.ErrorAs(t, err, &failed)
	assert.ErrorContains(t, err, "reach BuildKit at tcp://127.0.0.1:1: ")
}

func TestFindLogin(t *testing.T) {
	const host = "registry.example.com"
	end := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(end)}).SignedString([]byte("any"))
	require.NoError(t, err)
	for name, test := range map[string]struct {
		options Options
		want    LoginFound
	}{
		"nobody":   {Options{}, LoginFound{Host: host}},
		"password": {Options{Login: Login{Image: host + "/site", User: "ci", Password: "secret"}}, LoginFound{Host: host, User: "ci", Source: "--registry-user"}},
		"token as password": {
			Options{Login: Login{Image: host + "/site", User: "ci", Password: token}},
			LoginFound{Host: host, User: "ci", Source: "--registry-user", Expires: end},
		},
		"a CI job": {
			Options{Getenv: variables("CI_REGISTRY", host, "CI_REGISTRY_USER", "gitlab-ci-token", "CI_REGISTRY_PASSWORD", token)},
			LoginFound{Host: host, User: "gitlab-ci-token", Source: "CI_REGISTRY_USER and CI_REGISTRY_PASSWORD", Job: true, Expires: end},
		},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := newBuilder(t, test.options).FindLogin(host + "/site")
			require.NoError(t, err)
			assert.True(t, test.want.Expires.Equal(found.Expires), found.Expires)
			found.Expires = test.want.Expires
			assert.Equal(t, test.want, found)
			text, err := json.Marshal(found)
			require.NoError(t, err)
			assert.NotContains(t, string(text), token)
		})
	}
}

func TestFindRuntime(t *testing.T) {
	r := newTestRegistry(t)
	s := r.site()
	s.Build.Base = s.Image + ":base"
	s.Build.Runtime = r.host + "/agency/runtime"
	_, _, err := r.builder(t).FindRuntime(t.Context(), s)
	var failed *RegistryError
	require.ErrorAs(t, err, &failed, "there is no base image")

	digest := r.push(t, "base", 1)
	found, err := r.builder(t).Resolve(t.Context(), s.Build.Base)
	require.NoError(t, err)
	assert.Equal(t, digest, found)
	reference, there, err := r.builder(t).FindRuntime(t.Context(), s)
	require.NoError(t, err)
	assert.False(t, there)
	assert.Regexp(t, "^"+r.host+"/agency/runtime:[0-9a-f]{32}$", reference)
}

func TestCheckPushWithoutTheRight(t *testing.T) {
	r := newTestRegistry(t)
	b := newBuilder(t, Options{DockerConfig: dockerConfig(t, r.host, testUser, "wrong"), RegistryCA: r.ca})
	var failed *RegistryError
	require.ErrorAs(t, b.CheckPush(t.Context(), r.site().Image), &failed)
	assert.Contains(t, failed.Hint(), "docker login "+r.host)
	require.NoError(t, r.builder(t).CheckPush(t.Context(), r.site().Image))
}

package builder

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMirrors(t *testing.T) {
	mirror, origin := newFaultProxy(t, plain, newImages()), newFaultProxy(t, http1, newImages())
	image := testImage(t)
	publish := func(p *faultProxy, name string) string {
		b := faultyBuilder(t, p, Options{})
		repo, err := b.repository(p.host + name)
		require.NoError(t, err)
		require.NoError(t, useRegistry(t, repo, image))
		digest, err := image.Digest()
		require.NoError(t, err)
		return digest.String()
	}
	digest := publish(mirror, "/copies/agency/base")
	publish(origin, "/agency/base")
	publish(origin, "/agency/own")
	b := faultyBuilder(t, origin, Options{RegistryMirrors: map[string]string{origin.host: "http://" + mirror.host + "/copies/"}})

	for _, reference := range []string{origin.host + "/agency/base:c0f", origin.host + "/agency/base@" + digest} {
		before := len(origin.requests(""))
		got, err := b.resolve(t.Context(), reference)
		require.NoError(t, err)
		assert.Equal(t, digest, got)
		assert.Len(t, origin.requests(""), before, "the mirror has it")
	}
	got, err := b.resolve(t.Context(), origin.host+"/agency/own:c0f")
	require.NoError(t, err, "the mirror answers 404")
	assert.Equal(t, digest, got)

	_, err = b.resolve(t.Context(), origin.host+"/agency/base:missing")
	var refused *RegistryError
	require.ErrorAs(t, err, &refused)
	assert.ErrorContains(t, err, "there is no such image")
	assert.ErrorContains(t, err, origin.host)
	assert.Contains(t, refused.Hint(), "site.yaml")

	mirror.fault("/v2/", forEver, answering(http.StatusForbidden))
	got, err = b.resolve(t.Context(), origin.host+"/agency/base:c0f")
	require.NoError(t, err, "the mirror does not let us")
	assert.Equal(t, digest, got)

	b = faultyBuilder(t, origin, Options{RegistryMirrors: map[string]string{origin.host: "http://127.0.0.1:1"}})
	got, err = b.resolve(t.Context(), origin.host+"/agency/base:c0f")
	require.NoError(t, err, "nobody is there")
	assert.Equal(t, digest, got)
}

func TestBadMirrors(t *testing.T) {
	for _, address := range []string{"127.0.0.1:5001", "ftp://mirror", "https://", "https://user:word@mirror", "http://mirror?ns=docker.io", "http://a b"} {
		_, err := New(Options{DockerConfig: t.TempDir(), RegistryMirrors: map[string]string{"docker.io": address}})
		assert.ErrorContains(t, err, "mirror of docker.io", address)
	}
}

func TestResolveABase(t *testing.T) {
	p := newFaultProxy(t, http1, newImages())
	repo, err := faultyBuilder(t, p, Options{}).repository(p.host + "/library/debian")
	require.NoError(t, err)
	require.NoError(t, useRegistry(t, repo, testImage(t)))
	tests := map[string]struct {
		base  string
		fault misbehaviour
		says  []string
		hint  []string // empty for no error
	}{
		"it is there":         {base: p.host + "/library/debian:c0f"},
		"it is not":           {base: p.host + "/library/debian:c0", says: []string{"there is no such image"}, hint: []string{"site.yaml"}},
		"not for everybody":   {base: p.host + "/library/debian:c0f", fault: answering(401), says: []string{"401", "without a login"}, hint: []string{"not for everybody", "docker login " + p.host}},
		"nobody is there":     {base: "127.0.0.1:1/debian:c0f", says: []string{"connection refused"}, hint: []string{"reachable", "--registry-mirror 127.0.0.1:1=https://HOST"}},
		"the registry is ill": {base: p.host + "/library/debian:c0f", fault: answering(502), says: []string{"502"}, hint: []string{"a problem of its own"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := faultyBuilder(t, p, Options{})
			p.faults = nil
			if test.fault != nil {
				p.fault("HEAD", forEver, test.fault)
			}
			_, err := b.resolve(t.Context(), test.base)
			if test.hint == nil {
				require.NoError(t, err)
				return
			}
			var refused *RegistryError
			require.ErrorAs(t, err, &refused)
			host, _, _ := strings.Cut(test.base, "/")
			for _, words := range append(test.says, host) {
				assert.ErrorContains(t, err, words)
			}
			for _, words := range test.hint {
				assert.Contains(t, refused.Hint(), words)
			}
		})
	}
}

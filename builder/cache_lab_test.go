//go:build lab

package builder

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A builder that has nothing takes the steps that have not changed from the
// registry: here the installation of Composer, before other packages.
func TestLabEmptyBuilderTakesStepsFromTheRegistry(t *testing.T) {
	s, dir := labSample(t, "composer")
	b, progress := labBuilder(t)
	_, _, err := ship(t, b, s, dir)
	require.NoError(t, err, "%s", progress)

	empty, _ := freshBuilder(t)
	empty.options.RegistryMirrors = labMirrors(t)
	empty.mirrors, err = newMirrors(labMirrors(t))
	require.NoError(t, err)
	var log bytes.Buffer
	empty.options.Stderr, empty.options.Progress = &log, "plain"
	write(t, dir, map[string]string{"web/modules/custom/greeting/src/More.php": "<?php namespace Example\\Greeting; class More {}"})
	_, _, err = ship(t, empty, s, dir)
	require.NoError(t, err, "%s", &log)
	assert.True(t, cached(log.String(), "apt-get"), "%s", &log)
	assert.False(t, cached(log.String(), "composer install"), "the code of the site has changed")
}

// cached tells whether BuildKit's plain progress says that the step with these
// words was taken from a cache.
func cached(log, words string) bool {
	step := ""
	for line := range strings.Lines(log) {
		number, rest, _ := strings.Cut(line, " ")
		if strings.HasPrefix(rest, "[") && strings.Contains(rest, "RUN") && strings.Contains(rest, words) {
			step = number
		}
		if number == step && strings.TrimSpace(rest) == "CACHED" {
			return true
		}
	}
	return false
}

// A registry that takes the image and not the cache is no reason to fail.
func TestLabCacheThatIsRefused(t *testing.T) {
	p := newFaultProxy(t, plain, labRegistry(t))
	b, progress := labBuilder(t)
	options := b.options
	options.DockerConfig = labLogin(t, p.host)
	b = newBuilder(t, options)
	s := labSite(t)
	s.Image = p.host + "/" + labName(t)
	s.Build.Dockerfile = "Dockerfile"
	dir := t.TempDir()
	write(t, dir, map[string]string{"Dockerfile": "FROM debian:trixie-slim\nRUN rm -f /usr/bin/chage\nRUN find / -xdev -perm /6000 -exec chmod ug-s {} +\nUSER 10001:10001\n"})
	p.fault("PUT /v2/"+strings.TrimPrefix(s.Image, p.host+"/")+"/manifests/sitectl-cache", 100, answering(http.StatusForbidden))
	image, _, err := ship(t, b, s, dir)
	require.NoError(t, err, "%s", progress)
	found, ok, err := b.Find(t.Context(), s, image.Commit)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, image.Digest, found.Digest)
	assert.Less(t, p.left(), 100, "the cache was refused")
}

package builder

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The errors are those of BuildKit v0.33.1.
func TestPassesInBuildKit(t *testing.T) {
	const put = "failed to push registry.example.com/agency/site: unexpected status from PUT request to https://registry.example.com/v2/agency/site/blobs/uploads/1?_state=x: "
	tests := map[string]struct {
		err    error
		passes bool
		hint   string
	}{
		"408":             {errors.New(put + "408 Request Timeout"), true, "a problem of its own"},
		"429":             {errors.New(put + "429 Too Many Requests: slow down"), true, "a problem of its own"},
		"503":             {errors.New(put + "503 Service Unavailable: <html>"), true, "a problem of its own"},
		"429, by code":    {errors.New("error writing layer blob: toomanyrequests: slow down"), true, "a problem of its own"},
		"503, by code":    {errors.New("error writing layer blob: unavailable: service unavailable"), true, "a problem of its own"},
		"500, by code":    {errors.New("failed to push registry.example.com/agency/site: unknown: unknown error"), true, "a problem of its own"},
		"reset":           {errors.New(`failed commit on ref "layer-sha256:1": failed to do request: Put "https://registry.example.com/v2/": write: connection reset by peer`), true, "a problem of its own"},
		"closed":          {errors.New(`failed to do request: Put "https://registry.example.com/v2/": EOF`), true, "a problem of its own"},
		"401":             {errors.New("failed to authorize: unexpected status from GET request to https://registry.example.com/token: 401 Unauthorized"), false, "docker login"},
		"401, by code":    {errors.New("error writing layer blob: unauthorized: authentication required"), false, "docker login"},
		"403":             {errors.New(put + "403 Forbidden"), false, "docker login"},
		"403, by code":    {errors.New("error writing layer blob: denied: requested access to the resource is denied"), false, "docker login"},
		"404":             {errors.New(put + "404 Not Found"), false, "has to reach"},
		"404, by code":    {errors.New("failed to push: name unknown: no such repository"), false, "has to reach"},
		"507":             {errors.New(put + "507 Insufficient Storage"), false, "the disk of registry.example.com is full"},
		"unknown CA":      {errors.New(`failed to do request: Head "https://registry.example.com/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`), false, "buildkitd.toml"},
		"nobody is there": {errors.New(`failed to do request: Head "https://registry.example.com/v2/": dial tcp 127.0.0.1:1: connect: connection refused`), false, "has to reach"},
	}
	repo, err := newBuilder(t, Options{}).repository("registry.example.com/agency/site")
	require.NoError(t, err)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			failed := repo.buildKitPush(test.err.Error())
			assert.Equal(t, test.passes, passesInBuildKit(failed))
			assert.Contains(t, failed.Hint(), test.hint)
			assert.NotContains(t, failed.Error(), "_state")
		})
	}
	pull := "failed to resolve source metadata for docker.io/library/debian:trixie-slim: unexpected status from HEAD request to https://registry-1.docker.io/v2/library/debian/manifests/trixie-slim: "
	assert.True(t, passesInBuildKit(&BuildError{Err: errors.New(pull + "429 Too Many Requests")}))
	assert.False(t, passesInBuildKit(&BuildError{Err: errors.New(pull + "401 Unauthorized")}))
	assert.False(t, passesInBuildKit(&BuildError{Step: "RUN make", Err: errors.New("exit code: 1")}))
	assert.False(t, passesInBuildKit(nil))
}

func TestAgain(t *testing.T) {
	repo, err := newBuilder(t, Options{}).repository("registry.example.com/agency/site")
	require.NoError(t, err)
	passing, staying := repo.buildKitPush("toomanyrequests: slow down"), repo.buildKitPush("denied: not you")
	for name, test := range map[string]struct {
		errs  []error
		tries int
		err   error
	}{
		"at once":         {[]error{nil}, 1, nil},
		"the third time":  {[]error{passing, passing, nil}, 3, nil},
		"never":           {[]error{passing, passing, passing, passing, passing, passing, passing}, solveTries, passing},
		"it stays":        {[]error{staying, nil}, 1, staying},
		"first this then": {[]error{passing, staying, nil}, 2, staying},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				err := newBuilder(t, Options{}).again(t.Context(), func() error {
					tries++
					return test.errs[tries-1]
				})
				assert.Equal(t, test.tries, tries)
				assert.Equal(t, test.err, err)
				assert.Less(t, time.Since(begin), 30*time.Second)
			})
		})
	}
	t.Run("stopped", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			stopped := errors.New("stopped by a person")
			ctx, cancel := context.WithCancelCause(t.Context())
			err := newBuilder(t, Options{}).again(ctx, func() error {
				cancel(stopped)
				return passing
			})
			require.ErrorIs(t, err, stopped)
			assert.Zero(t, time.Since(begin))
		})
	})
}

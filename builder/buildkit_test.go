package builder

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func discard() *log.Logger { return log.New(io.Discard, "", 0) }

func TestUnreachableBuilder(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	missing := filepath.Join(t.TempDir(), "buildkitd.sock")

	tests := map[string]struct {
		address string
		says    string
	}{
		"no socket":      {"unix://" + missing, "no such file or directory"},
		"nobody listens": {"tcp://" + closed.Addr().String(), "connection refused"},
		"nobody answers": {"tcp://" + silent.Addr().String(), "no answer within 200ms"},
		"no address":     {"carrier-pigeon://roof", "carrier-pigeon"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBuilder(t, Options{Address: test.address})
			if name == "nobody answers" {
				b.reach = 200 * time.Millisecond
			}
			err := b.checkBuilder(t.Context())
			var unreachable *BuildError
			require.ErrorAs(t, err, &unreachable)
			assert.ErrorContains(t, err, "reach BuildKit at "+test.address)
			assert.ErrorContains(t, err, test.says)
			assert.NotContains(t, err.Error(), "rpc error", "not in gRPC's words")
			assert.Contains(t, unreachable.Hint(), "BUILDKIT_HOST")
		})
	}
}

func TestReachingABuilderEndsWithTheContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	stopped := errors.New("stopped by a person")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(stopped) })
	err = newBuilder(t, Options{Address: "tcp://" + silent.Addr().String()}).checkBuilder(ctx)
	require.ErrorIs(t, err, stopped)
	var unreachable *BuildError
	assert.NotErrorAs(t, err, &unreachable)
}

func TestDefaultAddress(t *testing.T) {
	assert.Equal(t, DefaultAddress, newBuilder(t, Options{}).options.Address)
}

package builder

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	workerapi "github.com/moby/buildkit/api/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
)

func discard() *log.Logger { return log.New(io.Discard, "", 0) }

// shortDir is a folder with a path short enough for sockets in it.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "b")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// smallBuildKit is as much of BuildKit as it takes to be found: it has
// workers. Nothing can be built with it.
type smallBuildKit struct {
	controlapi.UnimplementedControlServer
	workers []*workerapi.WorkerRecord
}

func (s smallBuildKit) ListWorkers(context.Context, *controlapi.ListWorkersRequest) (*controlapi.ListWorkersResponse, error) {
	return &controlapi.ListWorkersResponse{Record: s.workers}, nil
}

// worker is one with a label.
func worker(label string) *workerapi.WorkerRecord {
	return &workerapi.WorkerRecord{ID: "w", Labels: map[string]string{label: "overlayfs"}}
}

// serve serves until the end of the test.
func (s smallBuildKit) serve(t *testing.T, listener net.Listener, options ...grpc.ServerOption) {
	t.Helper()
	server := grpc.NewServer(options...)
	controlapi.RegisterControlServer(server, s)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
}

// listen listens at a socket and returns its address.
func listen(t *testing.T) (net.Listener, string) {
	t.Helper()
	path := filepath.Join(shortDir(t), "s")
	listener, err := net.Listen("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	return listener, "unix://" + path
}

// lonely makes a Builder that finds no builder, unless the test adds one, and
// returns what it says of its search.
func lonely(t *testing.T, options Options) (*Builder, *[]string) {
	t.Helper()
	nowhere := shortDir(t)
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(nowhere, "docker.sock"))
	t.Setenv("DOCKER_TLS_VERIFY", "")
	t.Setenv("DOCKER_CONTEXT", "")
	t.Setenv("XDG_CACHE_HOME", filepath.Join(nowhere, "cache"))
	t.Setenv("PATH", nowhere)
	var said []string
	options.Verbose = func(line string) { said = append(said, line) }
	b := newBuilder(t, options)
	b.sockets = []string{"unix://" + filepath.Join(nowhere, "buildkitd.sock")}
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	return b, &said
}

func TestNamedBuilder(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	idle, idleAddress := listen(t)
	smallBuildKit{}.serve(t, idle)
	missing := filepath.Join(t.TempDir(), "buildkitd.sock")

	tests := map[string]struct {
		options Options
		says    string
	}{
		"no socket":           {Options{Address: "unix://" + missing}, "no such file or directory"},
		"nobody listens":      {Options{Address: "tcp://" + closed.Addr().String()}, "connection refused"},
		"nobody answers":      {Options{Address: "tcp://" + silent.Addr().String()}, "no answer within 200ms"},
		"no worker":           {Options{Address: idleAddress}, "it has no worker"},
		"no such address":     {Options{Address: "carrier-pigeon://roof"}, "carrier-pigeon:// is no kind of address"},
		"no such program":     {Options{Address: "docker-container://buildkitd"}, `exec: "docker": executable file not found in $PATH`},
		"certificates, unix":  {Options{Address: idleAddress, BuilderCA: "ca.pem"}, "certificates are for tcp:// addresses only"},
		"certificate, no key": {Options{Address: "tcp://localhost:1", BuilderCert: "cert.pem"}, "a certificate needs its key"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b, said := lonely(t, test.options)
			if name == "nobody answers" {
				b.reach = 200 * time.Millisecond
			}
			err := b.checkBuilder(t.Context())
			var unreachable *BuildError
			require.ErrorAs(t, err, &unreachable)
			assert.ErrorContains(t, err, "reach BuildKit at "+test.options.Address+": ")
			assert.ErrorContains(t, err, test.says)
			assert.NotContains(t, err.Error(), "rpc error", "not in gRPC's words")
			assert.NotContains(t, err.Error(), "docker.sock", "no other builder was asked")
			assert.Contains(t, unreachable.Hint(), "BUILDKIT_HOST")
			assert.Len(t, *said, 1)
		})
	}
}

func TestReachingABuilderEndsWithTheContext(t *testing.T) {
	silent, address := listen(t)
	for name, options := range map[string]Options{"named": {Address: address}, "found": {}} {
		t.Run(name, func(t *testing.T) {
			b, _ := lonely(t, options)
			b.sockets = []string{address}
			stopped := errors.New("stopped by a person")
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				if _, err := silent.Accept(); err == nil {
					cancel(stopped)
				}
			}()
			err := b.checkBuilder(ctx)
			require.ErrorIs(t, err, stopped)
			var unreachable *BuildError
			assert.NotErrorAs(t, err, &unreachable)
		})
	}
}

// A builder is looked for in a fixed order, and the first one that works is
// taken; -v says so.
func TestOrderOfBuilders(t *testing.T) {
	b, said := lonely(t, Options{})
	running, address := listen(t)
	smallBuildKit{workers: []*workerapi.WorkerRecord{worker("any")}}.serve(t, running)
	engine, host := listen(t)
	serveEngine(t, engine, smallBuildKit{workers: []*workerapi.WorkerRecord{worker(pushLabel)}})
	missing := b.sockets[0]
	programs := shortDir(t)
	for _, name := range []string{"buildkitd", "runc", "rootlesskit", "newuidmap", "newgidmap"} {
		require.NoError(t, os.WriteFile(filepath.Join(programs, name), []byte("#!/bin/sh\necho no luck\nexit 1\n"), 0o755))
	}

	t.Run("one that could be started", func(t *testing.T) {
		t.Setenv("PATH", programs)
		err := b.checkBuilder(t.Context())
		if _, cannot := launcher(); cannot != nil { // root of a container that is not privileged
			assert.ErrorContains(t, err, cannot.Error())
			return
		}
		require.NoError(t, err)
		assert.Equal(t, "builder: a buildkitd of this run's own, because nothing else is running", last(said))
		assert.NoDirExists(t, os.Getenv("XDG_CACHE_HOME"), "nothing was started")
	})
	t.Run("the engine before it", func(t *testing.T) {
		t.Setenv("PATH", programs)
		t.Setenv("DOCKER_HOST", host)
		require.NoError(t, b.checkBuilder(t.Context()))
		assert.Equal(t, "builder: the Docker engine at "+host+", because no buildkitd is running, and the engine has BuildKit", last(said))
	})
	t.Run("the default socket before it", func(t *testing.T) {
		t.Setenv("PATH", programs)
		t.Setenv("DOCKER_HOST", host)
		b.sockets = []string{missing, address}
		require.NoError(t, b.checkBuilder(t.Context()))
		assert.Equal(t, "builder: BuildKit at "+address+", because it listens where buildkitd does by default", last(said))
	})
	t.Run("the named one before all", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", host)
		b.options.Address = address
		b.sockets = []string{missing}
		require.NoError(t, b.checkBuilder(t.Context()))
		assert.Equal(t, "builder: BuildKit at "+address+", because it is named by --builder or BUILDKIT_HOST", last(said))
	})
	assert.Contains(t, *said, "builder: not BuildKit at "+missing+": no such file or directory")
	before := len(*said)
	require.NoError(t, b.checkBuilder(t.Context()))
	assert.Len(t, *said, before, "each thing is said once")
}

func last(lines *[]string) string { return (*lines)[len(*lines)-1] }

func TestOneConnectionForARun(t *testing.T) {
	b, _ := lonely(t, Options{})
	running, address := listen(t)
	smallBuildKit{workers: []*workerapi.WorkerRecord{worker("any")}}.serve(t, running)
	b.sockets = []string{address}
	first, err := b.connect(t.Context())
	require.NoError(t, err)
	second, err := b.connect(t.Context())
	require.NoError(t, err)
	assert.Same(t, first, second)

	require.NoError(t, b.Close())
	_, err = first.ListWorkers(t.Context())
	require.Error(t, err, "it is closed")
	require.NoError(t, b.Close(), "once more is harmless")
	third, err := b.connect(t.Context())
	require.NoError(t, err)
	assert.NotSame(t, first, third)
}

func TestClosingWhatWasNeverOpened(t *testing.T) {
	b, said := lonely(t, Options{})
	require.NoError(t, b.Close())
	assert.Empty(t, *said)
}

func TestNoBuilderAtAll(t *testing.T) {
	b, said := lonely(t, Options{})
	engine, host := listen(t)
	serveEngine(t, engine, smallBuildKit{workers: []*workerapi.WorkerRecord{worker("any")}})
	t.Setenv("DOCKER_HOST", host)
	_, err := b.connect(t.Context())
	var none *BuildError
	require.ErrorAs(t, err, &none)
	assert.Len(t, *said, 3, "why each of them was not taken")

	text := none.Error()
	for path, name := range map[string]string{
		strings.TrimSuffix(b.sockets[0], "/buildkitd.sock"): "unix:///run/buildkit",
		strings.TrimPrefix(b.sockets[0], "unix://"):         "/run/buildkit/buildkitd.sock",
		host: "unix:///var/run/docker.sock",
	} {
		text = strings.ReplaceAll(text, path, name)
	}
	if os.Geteuid() != 0 {
		text = strings.ReplaceAll(text, ", no rootlesskit, no newuidmap, no newgidmap", "")
	}
	golden(t, "no-builder.txt", text+"\n\non Linux, as root: "+howToGetOne("linux", 0)+
		"\n\non Linux: "+howToGetOne("linux", 1000)+"\n\nelsewhere: "+howToGetOne("darwin", 501)+"\n")
}

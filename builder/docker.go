package builder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	dockercontext "github.com/docker/cli/cli/context"
	"github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
	"github.com/moby/buildkit/client"
	moby "github.com/moby/moby/client"
)

// engine is a Docker engine.
type engine struct {
	name     string // "the Docker engine at unix:///var/run/docker.sock"
	endpoint docker.Endpoint
	err      error // why it is not known where it is
}

// engine finds the Docker engine as docker does: DOCKER_HOST (with
// DOCKER_TLS_VERIFY and DOCKER_CERT_PATH), else the context that
// DOCKER_CONTEXT or the configuration names, else the default socket.
func (b *Builder) engine() engine {
	host := os.Getenv(moby.EnvOverrideHost)
	selected := os.Getenv("DOCKER_CONTEXT")
	if selected == "" {
		selected = b.logins.CurrentContext
	}
	if host == "" && selected != "" && selected != "default" {
		endpoint, err := storedEndpoint(filepath.Join(b.options.DockerConfig, "contexts"), selected)
		return engine{fmt.Sprintf("the Docker engine of the context %q at %s", selected, endpoint.Host), endpoint, err}
	}
	if host == "" {
		host = moby.DefaultDockerHost
	}
	endpoint := docker.Endpoint{EndpointMeta: docker.EndpointMeta{Host: host}}
	var err error
	if os.Getenv(moby.EnvTLSVerify) != "" {
		folder := os.Getenv(moby.EnvOverrideCertPath)
		if folder == "" {
			folder = b.options.DockerConfig
		}
		endpoint.TLSData, err = dockercontext.TLSDataFromFiles(
			filepath.Join(folder, "ca.pem"), filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
	}
	return engine{"the Docker engine at " + host, endpoint, err}
}

// storedEndpoint reads a context of the docker command.
func storedEndpoint(folder, name string) (docker.Endpoint, error) {
	contexts := store.New(folder, store.NewConfig(
		func() any { return new(map[string]any) },
		store.EndpointTypeGetter(docker.DockerEndpoint, func() any { return new(docker.EndpointMeta) }),
	))
	stored, err := contexts.GetMetadata(name)
	if err != nil {
		return docker.Endpoint{}, err
	}
	meta, err := docker.EndpointFromContext(stored)
	if err != nil {
		return docker.Endpoint{}, err
	}
	return docker.WithTLSData(contexts, name, meta)
}

// pushLabel is the label of the engine's worker if images are kept by containerd.
// Otherwise BuildKit in the engine has no exporter that pushes: buildx tells
// one from the other in the same way (driver/docker/driver.go, DirectPush).
const pushLabel = "org.mobyproject.buildkit.worker.snapshotter"

// open connects to the engine's own BuildKit, as buildx does: the engine's API
// turns a connection over to it, and another one to BuildKit's callbacks.
func (e engine) open(ctx context.Context) (*client.Client, error) {
	if e.err != nil {
		return nil, e.err
	}
	options, err := e.endpoint.ClientOpts()
	if err != nil {
		return nil, err
	}
	api, err := moby.New(options...)
	if err != nil {
		return nil, err
	}
	buildkit, err := dialWorker(ctx, "",
		client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return api.DialHijack(ctx, "/grpc", "h2c", nil)
		}),
		client.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return api.DialHijack(ctx, "/session", proto, meta)
		}),
	)
	if err != nil && strings.Contains(err.Error(), "unable to upgrade to h2c") {
		return nil, errors.New("it has no BuildKit")
	}
	if err != nil {
		return nil, err
	}
	if err := canPush(ctx, buildkit); err != nil {
		return nil, errors.Join(err, buildkit.Close())
	}
	return buildkit, nil
}

// canPush makes sure that the engine can push what it builds.
func canPush(ctx context.Context, buildkit *client.Client) error {
	workers, err := buildkit.ListWorkers(ctx)
	if err != nil {
		return plainly(ctx, err)
	}
	for _, worker := range workers {
		if _, ok := worker.Labels[pushLabel]; ok {
			return nil
		}
	}
	return errors.New("its BuildKit cannot push: that takes the containerd image store, " +
		`{"features": {"containerd-snapshotter": true}} in its daemon.json`)
}

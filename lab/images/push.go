package images

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"github.com/docker/cli/cli/config"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"
)

// PushOptions say how to reach a registry over TLS.
type PushOptions struct {
	CA           string // PEM file of the registry's CA; empty for the system's
	DockerConfig string // folder whose config.json has the login of the registry; empty for none
}

// Push copies the images of the cache folder to the registry (host:port).
// What is there already costs a request for each image. Ensure comes first.
func Push(ctx context.Context, cacheDir, registry string, opts PushOptions) error {
	cache, err := openStore(cacheDir)
	if err != nil {
		return err
	}
	transport, err := opts.transport()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	login, err := opts.login(registry)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, r := range recipes() {
		group.Go(func() error {
			err := pushImage(cache, r.Name, registry, remote.WithContext(ctx), remote.WithTransport(transport), remote.WithAuth(login))
			if err != nil {
				return fmt.Errorf("push image %s/%s: %w", registry, r.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func pushImage(cache *store, image, registry string, options ...remote.Option) error {
	reference, err := name.NewTag(registry+"/"+image, name.StrictValidation)
	if err != nil {
		return err
	}
	content, err := cache.image(image)
	if err != nil {
		return err
	}
	return remote.Write(reference, content, options...)
}

func (o PushOptions) transport() (*http.Transport, error) {
	transport := remote.DefaultTransport.(*http.Transport).Clone()
	if o.CA == "" {
		return transport, nil
	}
	content, err := os.ReadFile(o.CA)
	if err != nil {
		return nil, fmt.Errorf("read CA of registry: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("read CA of registry: no certificate in %s", o.CA)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return transport, nil
}

func (o PushOptions) login(registry string) (authn.Authenticator, error) {
	if o.DockerConfig == "" {
		return authn.Anonymous, nil
	}
	file, err := config.Load(o.DockerConfig)
	if err != nil {
		return nil, fmt.Errorf("read login of registry %s: %w", registry, err)
	}
	login, err := file.GetAuthConfig(registry)
	if err != nil {
		return nil, fmt.Errorf("read login of registry %s: %w", registry, err)
	}
	return authn.FromConfig(authn.AuthConfig{Username: login.Username, Password: login.Password}), nil
}

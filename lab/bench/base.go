package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// debian is what sites are built on, as the lab's registry has it.
const debian = "library/debian:trixie-slim"

// copyBase copies the base image from the lab's registry, with a label that
// makes another image of it. The names are that of the copy.
func (r *registry) copyBase(ctx context.Context, lab laboratory, edition string) (string, error) {
	source, err := name.ParseReference(lab.registry + "/" + debian)
	if err != nil {
		return "", err
	}
	transport, err := trusting(lab.authority)
	if err != nil {
		return "", err
	}
	defer transport.CloseIdleConnections()
	image, err := remote.Image(source, remote.WithContext(ctx), remote.WithTransport(transport), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return "", fmt.Errorf("read the base image: %w", err)
	}
	target, err := name.NewTag(r.host + "/bench/debian:" + edition)
	if err != nil {
		return "", err
	}
	labelled, err := label(image, "edition", edition)
	if err != nil {
		return "", fmt.Errorf("label the base image: %w", err)
	}
	if err := remote.Write(target, labelled, remote.WithContext(ctx), remote.WithAuth(r.login())); err != nil {
		return "", fmt.Errorf("copy the base image: %w", err)
	}
	return target.String(), nil
}

func label(image v1.Image, key, value string) (v1.Image, error) {
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	if file.Config.Labels == nil {
		file.Config.Labels = map[string]string{}
	}
	file.Config.Labels[key] = value
	return mutate.ConfigFile(image, file)
}

// lastLayer is the compressed size of the last layer of an image, in bytes.
func (r *registry) lastLayer(ctx context.Context, image string) (int64, error) {
	reference, err := name.ParseReference(image)
	if err != nil {
		return 0, err
	}
	pushed, err := remote.Image(reference, remote.WithContext(ctx), remote.WithAuth(r.login()))
	if err != nil {
		return 0, err
	}
	manifest, err := pushed.Manifest()
	if err != nil {
		return 0, err
	}
	return manifest.Layers[len(manifest.Layers)-1].Size, nil
}

func (r *registry) login() authn.Authenticator {
	return authn.FromConfig(authn.AuthConfig{Username: r.user, Password: r.password})
}

func trusting(authority string) (*http.Transport, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	content, err := os.ReadFile(authority)
	if err != nil {
		return nil, fmt.Errorf("read the CA of the lab's registry: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("read the CA of the lab's registry: no certificate in %s", authority)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return transport, nil
}

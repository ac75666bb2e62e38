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
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// tag gives the image the tags of its version and "latest", and returns its
// compressed size in bytes. It logs in as docker would.
func (o options) tag(ctx context.Context, reference string) (size int64, err error) {
	image, err := name.ParseReference(reference)
	if err != nil {
		return 0, err
	}
	transport, err := transport()
	if err != nil {
		return 0, err
	}
	access := []remote.Option{remote.WithContext(ctx), remote.WithTransport(transport), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	pushed, err := remote.Get(image, access...)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", reference, err)
	}
	for _, tag := range []string{o.version, "latest"} {
		if err := remote.Tag(image.Context().Tag(tag), pushed, access...); err != nil {
			return 0, fmt.Errorf("tag %s as %s: %w", reference, tag, err)
		}
	}
	content, err := pushed.Image()
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", reference, err)
	}
	manifest, err := content.Manifest()
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", reference, err)
	}
	for _, layer := range manifest.Layers {
		size += layer.Size
	}
	return size, nil
}

// transport trusts what sitectl trusts: SITECTL_REGISTRY_CA, and what the
// system does.
func transport() (http.RoundTripper, error) {
	file := os.Getenv("SITECTL_REGISTRY_CA")
	if file == "" {
		return remote.DefaultTransport, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read SITECTL_REGISTRY_CA: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("read SITECTL_REGISTRY_CA: no certificate in %s", file)
	}
	transport := remote.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return transport, nil
}

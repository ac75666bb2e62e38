package deploy

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// images pushes images of one program.
type images struct {
	layer     v1.Layer
	transport http.RoundTripper
}

// newImages compiles the program, with the folder of the lab as the working
// directory, as all of the bench is started.
func newImages(ctx context.Context, folder, authority string) (*images, error) {
	binary := filepath.Join(folder, "pod")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./bench/deploy/pod")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the program of the pods: %w\n%s", err, out)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	header := &tar.Header{Name: "pod", Mode: 0o755, Size: int64(len(content))}
	_, writeErr := func() (int, error) {
		if err := w.WriteHeader(header); err != nil {
			return 0, err
		}
		return w.Write(content)
	}()
	if err := errors.Join(writeErr, w.Close()); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &images{layer: layer, transport: transport}, nil
}

// push pushes an image that is started with this command. The tag is part of
// it, so that two tags are two images.
func (i *images) push(ctx context.Context, reference string, command ...string) error {
	tag, err := name.NewTag(reference)
	if err != nil {
		return err
	}
	image, err := mutate.AppendLayers(empty.Image, i.layer)
	if err != nil {
		return err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return err
	}
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config = v1.Config{
		Entrypoint: command, User: "10001:10001", StopSignal: "SIGWINCH",
		Labels: map[string]string{"tag": tag.TagStr()},
	}
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return err
	}
	return remote.Write(tag, image, remote.WithAuthFromKeychain(authn.DefaultKeychain), // of DOCKER_CONFIG
		remote.WithTransport(i.transport), remote.WithContext(ctx))
}

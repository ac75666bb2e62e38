package builder

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// mirrors are the base URLs of copies of registries, by the registry's host.
type mirrors map[string]*url.URL

func newMirrors(urls map[string]string) (mirrors, error) {
	m := mirrors{}
	for registry, text := range urls {
		parsed, err := url.Parse(text)
		if err == nil && (parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" || parsed.RawQuery != "" || parsed.User != nil) {
			err = errors.New("it has to be like https://host:port or https://host/path")
		}
		if err != nil {
			return nil, fmt.Errorf("mirror of %s: %q: %w", registry, text, err)
		}
		m[registryHost(registry)] = parsed
	}
	return m, nil
}

// of returns where a mirror has a repository, and whether there is a mirror. A
// path in its URL comes before the name of the repository, as Harbor,
// Artifactory and GitLab have it.
func (m mirrors) of(repo name.Repository) (name.Repository, bool, error) {
	base, ok := m[repo.RegistryStr()]
	if !ok {
		return name.Repository{}, false, nil
	}
	var options []name.Option
	if base.Scheme == "http" {
		options = append(options, name.Insecure)
	}
	there, err := name.NewRepository(base.Host+strings.TrimRight(base.Path, "/")+"/"+repo.RepositoryStr(), options...)
	if err != nil {
		return name.Repository{}, false, fmt.Errorf("mirror of %s: %w", repo.RegistryStr(), err)
	}
	return there, true, nil
}

// resolve returns the digest of an image that somebody else made, given by tag
// or digest: that of its index, if it is for several platforms. A mirror of
// the registry is asked first, and then the registry itself unless the mirror
// has it. What we push ourselves is never looked for in a mirror, which may be
// late. Errors: *RegistryError.
func (b *Builder) resolve(ctx context.Context, image string) (string, error) {
	reference, err := name.ParseReference(image)
	if err != nil {
		return "", fmt.Errorf("image %q: %w", image, err)
	}
	mirror, ok, err := b.mirrors.of(reference.Context())
	if err != nil {
		return "", err
	}
	var mirrorErr error
	if ok {
		digest, err := b.look(ctx, mirror, reference, b.reach/2)
		if err == nil || ctx.Err() != nil {
			return digest, err
		}
		mirrorErr = err
	}
	digest, err := b.look(ctx, reference.Context(), reference, b.reach)
	if err != nil {
		return "", errors.Join(err, mirrorErr)
	}
	return digest, nil
}

// look asks a repository, which may be a mirror's, for an image.
func (b *Builder) look(ctx context.Context, at name.Repository, reference name.Reference, reach time.Duration) (string, error) {
	repo, err := b.open(at)
	if err != nil {
		return "", err
	}
	repo.reach = reach
	wanted := name.Reference(at.Tag(reference.Identifier()))
	if _, ok := reference.(name.Digest); ok {
		wanted = at.Digest(reference.Identifier())
	}
	digest, found, err := repo.headReference(ctx, wanted)
	if err == nil && !found {
		failed := repo.refused("look for "+wanted.String(), errors.New("there is no such image"))
		failed.hint = "is it spelled right in site.yaml?"
		return "", failed
	}
	return digest, foreign(err)
}

// foreign makes the hint of an error fit for an image that is not ours.
func foreign(err error) error {
	var failed *RegistryError
	if !errors.As(err, &failed) {
		return err
	}
	switch statusOf(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		// Docker Hub does not tell one from the other.
		failed.hint = "there is no such image, or not for everybody: is it spelled right in site.yaml? " + failed.hint
	case 0:
		if !strings.Contains(failed.hint, "--registry-ca") {
			failed.hint = "is " + failed.Host + " reachable from here? A mirror of it is named with --registry-mirror " + failed.Host + "=https://HOST"
		}
	}
	return err
}

package builder

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/sitectl/sitectl/site"
)

// repository is one in a registry, and our login there.
type repository struct {
	name      name.Repository
	login     types.AuthConfig
	transport http.RoundTripper
	reach     time.Duration // as Builder.reach
}

// repository opens a repository by its name: that of a site, of a runtime
// image or of what the runtime is built on.
func (b *Builder) repository(image string) (*repository, error) {
	repo, err := name.NewRepository(image)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", image, err)
	}
	login, err := b.logins.GetAuthConfig(loginKey(repo))
	if err != nil {
		return nil, &RegistryError{
			Host: repo.RegistryStr(), Doing: "read the login of " + repo.RegistryStr(), Err: err, hint: loginHint(repo),
		}
	}
	transport, err := b.transport(repo.RegistryStr())
	if err != nil {
		return nil, err
	}
	return &repository{name: repo, login: login, transport: transport, reach: b.reach}, nil
}

// loginKey is how the docker config names a registry: by its host, except for
// Docker Hub, which kept its first address.
func loginKey(repo name.Repository) string {
	if repo.RegistryStr() == name.DefaultRegistry {
		return authn.DefaultAuthKey
	}
	return repo.RegistryStr()
}

func loginHint(repo name.Repository) string { return "log in with: docker login " + repo.RegistryStr() }

// Resolve implements authn.Keychain.
func (r *repository) Resolve(authn.Resource) (authn.Authenticator, error) {
	if r.login == (types.AuthConfig{ServerAddress: r.login.ServerAddress}) {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(authn.AuthConfig{
		Username:      r.login.Username,
		Password:      r.login.Password,
		Auth:          r.login.Auth,
		IdentityToken: r.login.IdentityToken,
		RegistryToken: r.login.RegistryToken,
	}), nil
}

func (r *repository) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(r),
		remote.WithTransport(r.transport),
		remote.WithUserAgent("sitectl"),
	}
}

// Find looks for the image of a commit in the registry, with one request. It
// reports whether there is one. Errors: *RegistryError.
func (b *Builder) Find(ctx context.Context, s site.Site, commit site.Commit) (site.Image, bool, error) {
	repo, err := b.repository(s.Image)
	if err != nil {
		return site.Image{}, false, err
	}
	digest, found, err := repo.head(ctx, commit.Tag)
	if err != nil || !found {
		return site.Image{}, false, err
	}
	return site.Image{Repository: s.Image, Tag: commit.Tag, Digest: digest, Commit: commit}, true, nil
}

// head returns the digest that a tag points to, and whether there is one.
func (r *repository) head(ctx context.Context, tag string) (string, bool, error) {
	probe, cancel := answerWithin(ctx, r.reach)
	defer cancel()
	descriptor, err := remote.Head(r.name.Tag(tag), r.options(probe)...)
	if isStatus(err, http.StatusNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, r.failure(ctx, probe, "look for "+r.name.Tag(tag).String(), err)
	}
	return descriptor.Digest.String(), true, nil
}

// checkPush begins an upload and gives it up, which is what the registry
// grants or refuses.
func (b *Builder) checkPush(ctx context.Context, s site.Site) error {
	repo, err := b.repository(s.Image)
	if err != nil {
		return err
	}
	probe, cancel := answerWithin(ctx, b.reach)
	defer cancel()
	err = remote.CheckPushPermission(repo.name.Tag("preflight"), repo, bounded{repo.transport, probe})
	if err != nil {
		return repo.failure(ctx, probe, "push to "+repo.name.String(), err)
	}
	return nil
}

// failure makes a RegistryError of what a request to the registry ended with.
func (r *repository) failure(ctx, probe context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	failed := &RegistryError{Host: r.name.RegistryStr(), User: r.login.Username, Doing: doing, Err: err}
	var untrusted x509.UnknownAuthorityError
	switch {
	case isStatus(err, http.StatusUnauthorized), isStatus(err, http.StatusForbidden):
		failed.hint = loginHint(r.name)
	case errors.As(err, &untrusted):
		failed.hint = "name the registry's CA with --registry-ca, or put it into " + certsDir + "/" + failed.Host
	case probe.Err() != nil:
		failed.Err = context.Cause(probe)
		failed.hint = "is " + failed.Host + " the right address, and reachable from here?"
	}
	return failed
}

func isStatus(err error, code int) bool {
	var failed *transport.Error
	return errors.As(err, &failed) && failed.StatusCode == code
}

// PullConfig returns a docker config with the login of the site's registry and
// no other, for the cluster to pull with. Without a login it has none.
func (b *Builder) PullConfig(s site.Site) ([]byte, error) {
	repo, err := b.repository(s.Image)
	if err != nil {
		return nil, err
	}
	type login struct {
		Auth string `json:"auth"`
	}
	logins := map[string]login{}
	switch {
	case repo.login.Username != "" && repo.login.Password != "":
		pair := repo.login.Username + ":" + repo.login.Password
		logins[loginKey(repo.name)] = login{Auth: base64.StdEncoding.EncodeToString([]byte(pair))}
	case repo.login.IdentityToken != "" || repo.login.RegistryToken != "":
		// A kubelet knows user and password only (credentialprovider.DockerConfigEntry).
		return nil, &RegistryError{
			Host: repo.name.RegistryStr(), Doing: "let the cluster pull from " + repo.name.String(),
			Err:  errors.New("the docker config has a token for it, but a cluster needs a user and a password"),
			hint: loginHint(repo.name) + " --username USER, with a password or access token that may read",
		}
	}
	return json.Marshal(map[string]any{"auths": logins})
}

package builder

import (
	"context"
	"os/exec"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/moby/buildkit/client"
	"github.com/sitectl/sitectl/site"
)

// Found is the builder that a build would use.
type Found struct {
	Name    string // "BuildKit at tcp://buildkitd:1234"
	Why     string // "it is named by --builder or BUILDKIT_HOST"
	Version string // of BuildKit; empty if it does not tell
}

// FindBuilder says which builder a build would use. It starts none. Errors:
// *BuildError, with all that was tried.
func (b *Builder) FindBuilder(ctx context.Context) (Found, error) {
	var version string
	found, err := b.search(ctx, func(ctx context.Context, w way) (err error) {
		version, err = w.version(ctx)
		return err
	})
	return Found{found.name, found.why, version}, err
}

// version makes sure that the way works, and asks for the version.
func (w way) version(ctx context.Context) (string, error) {
	if w.look != nil {
		if err := w.look(ctx); err != nil {
			return "", err
		}
		return installedVersion(ctx), nil
	}
	buildkit, err := w.open(ctx)
	if err != nil {
		return "", err
	}
	version := runningVersion(ctx, buildkit)
	return version, buildkit.Close()
}

// unknownVersion is what a BuildKit says that was built without a version.
const unknownVersion = "v0.0.0+unknown"

// runningVersion is empty for a BuildKit before v0.11, which does not tell.
func runningVersion(ctx context.Context, buildkit *client.Client) string {
	info, err := buildkit.Info(ctx)
	if err != nil || info.BuildkitVersion.Version == unknownVersion {
		return ""
	}
	return info.BuildkitVersion.Version
}

// installedVersion is that of the buildkitd which would be started, as it
// prints it: "buildkitd github.com/moby/buildkit v0.33.1 <revision>".
func installedVersion(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "buildkitd", "--version").Output()
	words := strings.Fields(string(out))
	if err != nil || len(words) < 3 || words[2] == unknownVersion {
		return ""
	}
	return words[2]
}

// LoginFound is who we are to the registry of an image.
type LoginFound struct {
	Host    string
	User    string    // empty for a token, or for nobody
	Source  string    // who gave it, in words; empty for nobody
	Job     bool      // it ends with the CI job that it was made for
	Expires time.Time // of a token that tells; zero if it does not
}

// FindLogin says who we are to the registry of an image. It asks credential
// helpers, and nobody else. Errors: *RegistryError.
func (b *Builder) FindLogin(image string) (LoginFound, error) {
	repo, err := b.repository(image)
	if err != nil {
		return LoginFound{}, err
	}
	found := LoginFound{Host: repo.name.RegistryStr(), User: repo.login.Username, Source: repo.login.source, Job: repo.login.job}
	for _, token := range []string{repo.login.RegistryToken, repo.login.IdentityToken, repo.login.Password} {
		if expires := tokenExpiry(token); found.Expires.IsZero() {
			found.Expires = expires
		}
	}
	return found, nil
}

// tokenExpiry is the claim exp of a token (RFC 7519, 4.1.4), which is not
// verified: that is for who gets it. It is zero for what is no JWT.
func tokenExpiry(token string) time.Time {
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil || claims.ExpiresAt == nil {
		return time.Time{}
	}
	return claims.ExpiresAt.Time
}

// CheckPush makes sure that the registry would take a push. It begins an
// upload and gives it up. Errors: *RegistryError.
func (b *Builder) CheckPush(ctx context.Context, image string) error { return b.checkPush(ctx, image) }

// Resolve returns the digest that an image of somebody else's has now.
// Errors: *RegistryError.
func (b *Builder) Resolve(ctx context.Context, image string) (string, error) {
	return b.resolve(ctx, image)
}

// FindRuntime returns the reference of the runtime image of a site, by tag,
// and whether the registry has it; if not, the next build makes it. Errors:
// *RegistryError.
func (b *Builder) FindRuntime(ctx context.Context, s site.Site) (reference string, found bool, err error) {
	base, err := b.resolveBase(ctx, s)
	if err != nil {
		return "", false, err
	}
	r := &build{Builder: b, site: s, base: base, reading: ctx}
	repository, tag, _, err := r.runtimeInputs()
	if err != nil {
		return "", false, err
	}
	_, found, err = repository.head(ctx, tag)
	return repository.name.Tag(tag).String(), found, err
}

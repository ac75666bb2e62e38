package builder

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/sitectl/sitectl/site"
)

// repository is one in a registry, and our login there.
type repository struct {
	name      name.Repository
	login     login // as it was when the repository was opened
	keychain  authenticator
	transport http.RoundTripper
	clients   clients
	backoff   backoff
	reach     time.Duration // as Builder.reach
}

// clients remember what a repository has told already: how one logs in, the
// token it gave for that, and which blobs it has.
type clients struct {
	puller *remote.Puller
	pusher *remote.Pusher
}

// repository opens a repository by its name: that of a site, of a runtime
// image or of what the runtime is built on.
func (b *Builder) repository(image string) (*repository, error) {
	repo, err := name.NewRepository(image)
	if err != nil {
		return nil, fmt.Errorf("image %q: %w", image, err)
	}
	return b.open(repo)
}

func (b *Builder) open(repo name.Repository) (*repository, error) {
	host := repo.RegistryStr()
	login, err := b.credentials.of(host)
	if err != nil {
		return nil, &RegistryError{
			Host: host, Doing: "read the login of " + host, Err: err, hint: loginHint(repo), unread: true,
		}
	}
	transport, err := b.transport(host)
	if err != nil {
		return nil, err
	}
	r := &repository{
		name: repo, login: login, keychain: authenticator{b.credentials, host},
		transport: transport, backoff: b.backoff, reach: b.reach,
	}
	b.say("registry: %s%s", host, r.refused("", nil).who())
	r.clients, err = b.clients(r)
	return r, err
}

// clients returns those of a repository, which are kept.
func (b *Builder) clients(r *repository) (clients, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if known, ok := b.repositories[r.name]; ok {
		return known, nil
	}
	options := append([]remote.Option{
		remote.WithAuthFromKeychain(r.keychain),
		remote.WithTransport(r.transport),
		remote.WithUserAgent("sitectl"),
		remote.WithJobs(pushes),
	}, r.backoff.options()...)
	puller, err := remote.NewPuller(options...)
	if err != nil {
		return clients{}, err
	}
	pusher, err := remote.NewPusher(options...)
	if err != nil {
		return clients{}, err
	}
	b.repositories[r.name] = clients{puller, pusher}
	return b.repositories[r.name], nil
}

// pushes is how many blobs go over the wire at once, in either direction.
const pushes = 8

func loginHint(repo name.Repository) string {
	return "log in with: docker login " + repo.RegistryStr() + ", or name a login with --registry-user"
}

// options are those of a call of go-containerregistry that ends with ctx. It
// tries again what may pass.
func (r *repository) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx), remote.Reuse(r.clients.puller), remote.Reuse(r.clients.pusher),
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

// Has says whether its registry has an image, with one request. If the
// reference has a digest, that counts. Errors: *RegistryError.
func (b *Builder) Has(ctx context.Context, reference string) (bool, error) {
	image, err := name.ParseReference(reference)
	if err != nil {
		return false, fmt.Errorf("image %q: %w", reference, err)
	}
	repo, err := b.open(image.Context())
	if err != nil {
		return false, err
	}
	_, found, err := repo.headReference(ctx, image)
	return found, err
}

// head returns the digest that a tag points to, and whether there is one.
func (r *repository) head(ctx context.Context, tag string) (string, bool, error) {
	return r.headReference(ctx, r.name.Tag(tag))
}

func (r *repository) headReference(ctx context.Context, reference name.Reference) (string, bool, error) {
	probe, cancel := answerWithin(ctx, r.reach)
	defer cancel()
	descriptor, err := remote.Head(reference, r.options(probe)...)
	if isStatus(err, http.StatusNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, r.failure(ctx, probe, "look for "+reference.String(), err)
	}
	return descriptor.Digest.String(), true, nil
}

// failure makes a RegistryError of what a request to the registry ended with.
func (r *repository) failure(ctx, probe context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	if probe.Err() != nil {
		err = context.Cause(probe)
	}
	failed := r.refused(doing, inShort(err))
	failed.hint = r.hint(err)
	if probe.Err() != nil {
		failed.hint = "is " + failed.Host + " the right address, and reachable from here?"
	}
	return failed
}

// refused is a RegistryError without a hint.
func (r *repository) refused(doing string, err error) *RegistryError {
	return &RegistryError{
		Host: r.name.RegistryStr(), User: r.login.Username, Login: r.login.source, Doing: doing, Err: err,
	}
}

// hint says what to do about a failure.
func (r *repository) hint(err error) string {
	host := r.name.RegistryStr()
	var untrusted x509.UnknownAuthorityError
	if errors.As(err, &untrusted) {
		return "name the registry's CA with --registry-ca, or put it into " + certsDir + "/" + host
	}
	status := statusOf(err)
	switch {
	case status == http.StatusUnauthorized && r.login.job:
		return "the login of a CI job ends with the job, and is for registries of its own project; " + loginHint(r.name)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return loginHint(r.name)
	case status == http.StatusTooManyRequests:
		return host + " limits how much one may ask of it: try again later, or log in if it allows more then"
	case status == http.StatusInsufficientStorage, strings.Contains(err.Error(), "no space left on device"):
		return fullDisk(host)
	case slices.Contains(passingStatuses, status):
		return unwell(host)
	case isUnreached(err):
		return "is " + host + " the right address, and reachable from here?"
	case mayPass(err):
		return "is something between here and " + host + " that ends connections, like a proxy with a limit of time or size?"
	}
	return ""
}

// isUnreached tells that no connection came about at all. Of several attempts
// the library keeps the text alone.
func isUnreached(err error) bool {
	return strings.Contains(err.Error(), "dial tcp")
}

func fullDisk(host string) string {
	return "the disk of " + host + " is full: delete images there, and have it collect its garbage"
}

func unwell(host string) string {
	return host + " has a problem of its own: try again later, or see what its log says"
}

// statusOf is the status of the answer that an error is about; 0 if there was
// no answer.
func statusOf(err error) int {
	var failed *transport.Error
	if errors.As(err, &failed) {
		return failed.StatusCode
	}
	return 0
}

func isStatus(err error, code int) bool { return statusOf(err) == code }

// inShort leaves out of an error what is said twice.
func inShort(err error) error {
	var busy *busyError
	if errors.As(err, &busy) {
		return busy
	}
	return withoutQuery(err)
}

// withoutQuery takes the query out of the address in an error: with it, one
// could take up an upload, or read a blob from where the registry keeps it.
func withoutQuery(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		failed.URL, _, _ = strings.Cut(failed.URL, "?")
	}
	return err
}

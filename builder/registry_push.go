package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// upload sends a blob unless the repository has it already, or mounts it if it
// is a layer that was read from another repository of the registry. If it has
// to be sent again, it is read again: Compressed must allow that. What it is,
// is for errors: "a layer". Errors: *RegistryError.
func (r *repository) upload(ctx context.Context, what string, blob v1.Layer) error {
	if err := r.clients.pusher.Upload(ctx, r.name, blob); err != nil {
		return r.failure(ctx, ctx, "push "+what+" to "+r.name.String(), err)
	}
	return nil
}

// put gives a tag to a manifest whose blobs the repository has, and makes sure
// that it has got it. A tag that is there already and names something else is
// moved only if move says so; one that names the same is left alone. It
// returns the digest of the manifest. Errors: *RegistryError.
func (r *repository) put(ctx context.Context, tag string, manifest remote.Taggable, move bool) (string, error) {
	digest, err := digestOf(manifest)
	if err != nil {
		return "", err
	}
	reference := r.name.Tag(tag)
	doing := "push " + reference.String()
	there, found, err := r.head(ctx, tag)
	switch {
	case err != nil:
		return "", err
	case found && there == digest:
		return digest, nil
	case found && !move:
		return "", r.taken(doing, there)
	}
	if err := remote.Put(reference, manifest, r.options(ctx)...); err != nil {
		return digest, r.notPut(ctx, tag, digest, err)
	}
	return digest, r.confirm(ctx, tag, digest)
}

// notPut says why a manifest was refused, unless the registry has it all the
// same and only the answer was lost. A registry whose tags are immutable says
// so in many ways, but always has something else under that tag.
func (r *repository) notPut(ctx context.Context, tag, digest string, err error) error {
	doing := "push " + r.name.Tag(tag).String()
	if !refusesToMove(err) && !mayPass(err) {
		return r.failure(ctx, ctx, doing, err)
	}
	there, found, headErr := r.head(ctx, tag)
	switch {
	case headErr == nil && there == digest:
		return nil
	case headErr == nil && found && refusesToMove(err):
		return r.immutable(doing, err)
	default:
		return r.failure(ctx, ctx, doing, err)
	}
}

// confirm makes sure that a tag is what was pushed.
func (r *repository) confirm(ctx context.Context, tag, digest string) error {
	there, found, err := r.head(ctx, tag)
	doing := "verify " + r.name.Tag(tag).String() + "@" + digest
	switch {
	case err != nil:
		return err
	case !found:
		return r.refused(doing, errors.New("the registry does not have it, although the push succeeded"))
	case there != digest:
		return r.taken(doing, there)
	default:
		return nil
	}
}

// taken says that a tag names something else.
func (r *repository) taken(doing, digest string) error {
	return r.refused(doing, fmt.Errorf("the registry has %s under that tag: was it pushed by someone else at the same time?", digest))
}

// immutable says that a tag must not be overwritten.
func (r *repository) immutable(doing string, err error) error {
	failed := r.refused(doing, fmt.Errorf("%w: %w", errImmutable, inShort(err)))
	failed.hint = "the registry keeps its tags from being overwritten (immutable, protected or locked tags): " +
		"make a new commit, or let it overwrite this tag"
	return failed
}

// errImmutable is the cause of a RegistryError about a tag that cannot be
// moved.
var errImmutable = errors.New("the tag exists, and the registry does not let it be overwritten")

// refusesToMove tells whether a refusal may be about a tag that exists. It is
// 400 from Amazon, Google and Nexus, 403 from GitLab, 405 from Azure, 409 from
// Quay, 412 from Harbor.
func refusesToMove(err error) bool {
	switch statusOf(err) {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed,
		http.StatusConflict, http.StatusPreconditionFailed, http.StatusUnprocessableEntity, http.StatusLocked:
		return true
	}
	return false
}

func digestOf(manifest remote.Taggable) (string, error) {
	raw, err := manifest.RawManifest()
	if err != nil {
		return "", fmt.Errorf("make a manifest: %w", err)
	}
	digest, _, err := v1.SHA256(bytes.NewReader(raw))
	return digest.String(), err
}

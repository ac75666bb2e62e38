package builder

import (
	"context"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// checkPush begins an upload and gives it up, which is what the registry
// grants or refuses.
func (b *Builder) checkPush(ctx context.Context, image string) error {
	repo, err := b.repository(image)
	if err != nil {
		return err
	}
	probe, cancel := answerWithin(ctx, b.reach)
	defer cancel()
	way := transport.NewRetry(bounded{repo.transport, probe}, repo.backoff.transportOptions()...)
	if err := remote.CheckPushPermission(repo.name.Tag("preflight"), repo.keychain, way); err != nil {
		return repo.failure(ctx, probe, "push to "+repo.name.String(), err)
	}
	return nil
}

// checkMove tells, before anything is built, whether the registry lets a tag
// be overwritten that exists already. Nobody can be asked that, but to put the
// same manifest there again is refused by those who refuse.
func (b *Builder) checkMove(ctx context.Context, image, tag string) error {
	repo, err := b.repository(image)
	if err != nil {
		return err
	}
	probe, cancel := answerWithin(ctx, b.reach)
	defer cancel()
	there, err := remote.Get(repo.name.Tag(tag), repo.options(probe)...)
	if isStatus(err, http.StatusNotFound) {
		return nil
	}
	doing := "overwrite " + repo.name.Tag(tag).String()
	if err != nil {
		return repo.failure(ctx, probe, doing, err)
	}
	err = remote.Put(repo.name.Tag(tag), there, repo.options(probe)...)
	if refusesToMove(err) {
		return repo.immutable(doing, err)
	}
	if err != nil {
		return repo.failure(ctx, probe, doing, err)
	}
	return nil
}

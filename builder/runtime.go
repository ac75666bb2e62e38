package builder

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/sitectl/sitectl/site"
	"github.com/tonistiigi/fsutil"
)

// runtimeImage is an image with Apache and PHP, which all sites with the same base,
// packages and platform stand on. It is built once: the next one finds it in
// the registry by the tag that names its inputs.
type runtimeImage struct {
	repository *repository
	digest     string
	image      v1.Image // layers are read as they are needed
	config     *v1.ConfigFile
	marks      map[v1.Hash]string // of the audit, by layer
}

// reference names the runtime image by its digest.
func (r *runtimeImage) reference() string { return r.repository.name.Digest(r.digest).String() }

// base is the image that a runtime is built on, and what it is right now.
type base struct {
	name   string // as the site file has it
	digest string
}

func (b base) reference() string { return b.name + "@" + b.digest }

// resolveBase asks the registry what the base image is right now, with one
// request.
func (b *Builder) resolveBase(ctx context.Context, s site.Site) (base, error) {
	digest, err := b.resolve(ctx, s.Build.Base)
	return base{name: s.Build.Base, digest: digest}, err
}

// findRuntime looks for the runtime image of the site.
func (r *build) findRuntime(ctx context.Context) error {
	repository, tag, _, err := r.runtimeInputs()
	if err == nil {
		r.runtime, err = repository.runtimeImage(ctx, r.reading, tag)
	}
	return err
}

// needRuntime has the runtime image of the site built, if it was not found.
func (r *build) needRuntime(ctx context.Context) error {
	if r.runtime != nil {
		return nil
	}
	repository, tag, dockerfile, err := r.runtimeInputs()
	if err != nil {
		return err
	}
	digest, err := r.buildRuntime(ctx, repository, dockerfile)
	if err != nil {
		return err
	}
	if err := r.publishRuntime(ctx, repository, tag, digest); err != nil {
		return err
	}
	r.runtime, err = repository.runtimeImage(ctx, r.reading, tag)
	if err == nil && r.runtime == nil {
		err = repository.refused("look for "+repository.name.Tag(tag).String(), errors.New("it is gone, although it was pushed just now"))
	}
	return err
}

// runtimeInputs are where the runtime image is, and what it is built from.
func (r *build) runtimeInputs() (repository *repository, tag, dockerfile string, err error) {
	dockerfile, err = runtimeDockerfile(r.site, r.base.reference())
	if err != nil {
		return nil, "", "", err
	}
	repository, err = r.repository(r.site.Build.Runtime)
	return repository, runtimeTag(dockerfile, r.site.Build.Platform), dockerfile, err
}

func runtimeTag(dockerfile, platform string) string {
	return hashOf(map[string]string{"dockerfile": dockerfile, "platform": platform})[:32]
}

// runtimeImage reads manifest and configuration of a runtime image, which is nil if
// there is none. Its layers can be read while the second context lasts.
func (r *repository) runtimeImage(ctx, reading context.Context, tag string) (*runtimeImage, error) {
	probe, answered, _ := beginWithin(reading, r.reach)
	defer answered()
	doing := "look for " + r.name.Tag(tag).String()
	image, err := remote.Image(r.name.Tag(tag), r.options(probe)...)
	if isStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, r.failure(ctx, probe, doing, err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, r.failure(ctx, probe, doing, err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		return nil, r.failure(ctx, probe, doing, err)
	}
	digest, err := image.Digest()
	return &runtimeImage{
		repository: r, digest: digest.String(), image: image, config: config, marks: marksOf(manifest.Layers),
	}, err
}

// buildRuntime has BuildKit build and push a runtime image without a tag. No
// time in it is later than a fixed one, so that two builders make the same
// image of the same packages.
func (r *build) buildRuntime(ctx context.Context, repository *repository, dockerfile string) (string, error) {
	attributes := map[string]string{"filename": "Dockerfile", "platform": r.site.Build.Platform}
	if r.options.Rebuild {
		attributes["no-cache"] = ""
	}
	mount := single(dockerfile)
	response, err := r.solve(ctx, r.shown, "runtime", repository, client.SolveOpt{
		FrontendAttrs: attributes,
		LocalMounts:   map[string]fsutil.FS{"dockerfile": mount, "context": mount},
		Exports:       []client.ExportEntry{pushByDigest(repository, newest)},
	})
	if err != nil {
		return "", err
	}
	return exportedDigest(response)
}

// pushByDigest has BuildKit push an image that no tag points to yet, with no
// time later than the given one.
func pushByDigest(target *repository, latest time.Time) client.ExportEntry {
	return client.ExportEntry{
		Type: client.ExporterImage,
		Attrs: map[string]string{
			string(exptypes.OptKeyName):             target.name.String(),
			string(exptypes.OptKeyPush):             "true",
			string(exptypes.OptKeyPushByDigest):     "true",
			string(exptypes.OptKeyOCITypes):         "true",
			string(exptypes.OptKeySourceDateEpoch):  strconv.FormatInt(latest.Unix(), 10),
			string(exptypes.OptKeyRewriteTimestamp): "true",
		},
	}
}

func exportedDigest(response map[string]string) (string, error) {
	digest := response[exptypes.ExporterImageDigestKey]
	if digest == "" {
		return "", &BuildError{Err: errors.New("BuildKit named no image")}
	}
	return digest, nil
}

// publishRuntime looks at what was built, and gives it its tag.
func (r *build) publishRuntime(ctx context.Context, repository *repository, tag, digest string) error {
	reference := repository.name.Digest(digest)
	built, err := remote.Image(reference, repository.options(ctx)...)
	if err != nil {
		return repository.failure(ctx, ctx, "read "+reference.String(), err)
	}
	marks, err := auditRuntime(ctx, repository, reference.String(), built)
	if err != nil {
		return err
	}
	made, err := annotate(built, map[string]string{annotationBaseName: r.base.name, annotationBase: r.base.digest}, marks)
	if err != nil {
		return repository.failure(ctx, ctx, "read "+reference.String(), err)
	}
	_, err = repository.put(ctx, tag, made, true)
	return err
}

// auditRuntime looks at a runtime image. No exception is made: sites that ask
// for one share it with sites that do not.
func auditRuntime(ctx context.Context, repository *repository, reference string, image v1.Image) (map[v1.Hash]string, error) {
	config, err := image.ConfigFile()
	if err != nil {
		return nil, repository.failure(ctx, ctx, "read "+reference, err)
	}
	layers, err := image.Layers()
	if err != nil {
		return nil, repository.failure(ctx, ctx, "read "+reference, err)
	}
	verdict, err := audit(ctx, audited{Config: config, Layers: layers}, nil, nil)
	if err != nil {
		return nil, repository.auditFailure(ctx, reference, err)
	}
	if len(verdict.Findings) > 0 {
		return nil, &AuditError{Image: reference, Findings: verdict.Findings}
	}
	return verdict.Marks, nil
}

// auditFailure tells a layer that could not be transferred from one that is
// broken.
func (r *repository) auditFailure(ctx context.Context, reference string, err error) error {
	if ctx.Err() == nil && statusOf(err) == 0 && !brokenOff(err) {
		return &BuildError{Err: fmt.Errorf("read the layers of %s: %w", reference, err)}
	}
	return r.failure(ctx, ctx, "read the layers of "+reference, err)
}

package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/sitectl/sitectl/site"
	"github.com/tonistiigi/fsutil"
)

// own has BuildKit build the site's own Dockerfile from the whole tree. The
// result is looked at before it gets a tag, like any other.
func (r *build) own(ctx context.Context) (*manifest, error) {
	code := treeFiles(r.tree)
	attributes := map[string]string{"filename": r.site.Build.Dockerfile, "platform": r.site.Build.Platform}
	for key, value := range r.site.Build.Args {
		attributes["build-arg:"+key] = value
	}
	for key, value := range r.annotations() {
		attributes["label:"+key] = value
	}
	if r.options.Rebuild {
		attributes["no-cache"] = ""
	}
	response, err := r.solve(ctx, r.shown, "", r.registry, client.SolveOpt{
		FrontendAttrs: attributes,
		LocalMounts:   map[string]fsutil.FS{"dockerfile": code, "context": code},
		// BuildKit keeps what it was sent under this key, so that a site's
		// next build sends the difference.
		SharedKey:    r.site.Image,
		Exports:      []client.ExportEntry{pushByDigest(r.registry, r.commit.Time)},
		CacheImports: []client.CacheOptionsEntry{r.cache(r.site, "dockerfile")},
		CacheExports: []client.CacheOptionsEntry{r.cache(r.site, "dockerfile")},
	})
	var failed *BuildError
	if errors.As(err, &failed) && failed.Step != "" {
		failed.File = r.site.Build.Dockerfile
	}
	if err != nil {
		return nil, err
	}
	digest, err := exportedDigest(response)
	if err != nil {
		return nil, err
	}
	reference := r.registry.name.Digest(digest)
	pushed, err := remote.Image(reference, r.registry.options(ctx)...)
	if err != nil {
		return nil, r.registry.failure(ctx, ctx, "read "+reference.String(), err)
	}
	config, err := pushed.ConfigFile()
	if err != nil {
		return nil, r.registry.failure(ctx, ctx, "read "+reference.String(), err)
	}
	layers, err := pushed.Layers()
	if err != nil {
		return nil, r.registry.failure(ctx, ctx, "read "+reference.String(), err)
	}
	if r.previous != nil {
		r.marks = r.previous.marks
	}
	if err := r.auditLayers(ctx, config, layers); err != nil {
		return nil, err
	}
	return annotate(pushed, r.annotations(), r.marks)
}

// baseOf resolves what the image of a site starts from. For a Dockerfile of
// the site's own that is every image that it names; the digest is empty if
// that cannot be told before the build.
func (b *Builder) baseOf(ctx context.Context, s site.Site, tree *site.Tree) (base, error) {
	if s.Build.Dockerfile == "" {
		return b.resolveBase(ctx, s)
	}
	if _, ok := tree.Lookup(s.Build.Dockerfile); !ok {
		return base{}, &BuildError{Err: fmt.Errorf("build.dockerfile: the commit has no file %q", s.Build.Dockerfile), hint: "commit it, or name the one that there is"}
	}
	content, err := tree.ReadFile(s.Build.Dockerfile)
	if err != nil {
		return base{}, err
	}
	var digests []string
	for _, image := range imagesOf(content) {
		digest, err := b.resolve(ctx, image)
		if ctx.Err() != nil {
			return base{}, err
		}
		if err != nil {
			return base{}, nil // made of build arguments, or only BuildKit knows where to get it
		}
		digests = append(digests, digest)
	}
	return base{name: s.Build.Dockerfile, digest: hashOf(digests)}, nil
}

// imagesOf are the images that a Dockerfile names, in order. One that cannot
// be parsed has a name that is none.
func imagesOf(dockerfile []byte) []string {
	unknown := []string{":"}
	parsed, err := parser.Parse(bytes.NewReader(dockerfile))
	if err != nil {
		return unknown
	}
	stages, _, err := instructions.Parse(parsed.AST, linter.New(&linter.Config{}))
	if err != nil {
		return unknown
	}
	var own, images []string
	add := func(image string) {
		if image != "" && image != "scratch" && !slices.Contains(own, strings.ToLower(image)) {
			images = append(images, image)
		}
	}
	for i, stage := range stages {
		add(stage.BaseName)
		own = append(own, fmt.Sprint(i), strings.ToLower(stage.Name))
		for _, command := range stage.Commands {
			if copied, ok := command.(*instructions.CopyCommand); ok {
				add(copied.From)
			}
		}
	}
	return images
}

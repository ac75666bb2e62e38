package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/sitectl/sitectl/site"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
)

// Build builds the image of a commit from its tree, pushes it, and makes sure
// that the registry has what was built. Errors: *BuildError, *RegistryError,
// *site.RepositoryError.
func (b *Builder) Build(ctx context.Context, s site.Site, repo *site.Repository, commit site.Commit) (site.Image, Report, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	registry, err := b.repository(s.Image)
	if err != nil {
		return site.Image{}, Report{}, err
	}
	tree, err := repo.Tree(ctx, commit.Tree)
	if err != nil {
		return site.Image{}, Report{}, err
	}
	defer tree.Close()
	mounts, attributes, err := recipe(ctx, s, tree)
	if err != nil {
		return site.Image{}, Report{}, err
	}
	for name, files := range mounts {
		mounts[name] = watched{files, func(err error) {
			stop(&BuildError{Err: fmt.Errorf("send %s to BuildKit: %w", commit.Tag, err)})
		}}
	}
	maps.Copy(attributes, labels(commit))
	digest, err := b.solve(ctx, registry, client.SolveOpt{
		Frontend:      "dockerfile.v0",
		FrontendAttrs: attributes,
		LocalMounts:   mounts,
		// BuildKit keeps what it was sent under this key, so that a site's
		// next build sends the difference.
		SharedKey: s.Image,
		Exports:   []client.ExportEntry{export(s, commit)},
		Session:   []session.Attachable{b.logIn()},
	})
	if err != nil {
		return site.Image{}, Report{}, err
	}
	image := site.Image{Repository: s.Image, Tag: commit.Tag, Digest: digest, Commit: commit}
	if err := registry.verify(ctx, image); err != nil {
		return site.Image{}, Report{}, err
	}
	report, err := registry.report(ctx, repo, image)
	return image, report, err
}

// recipe returns what BuildKit gets to build from: the Dockerfile and the
// folders it copies from.
func recipe(ctx context.Context, s site.Site, tree *site.Tree) (map[string]fsutil.FS, map[string]string, error) {
	if s.Build.Dockerfile != "" {
		return ownRecipe(ctx, s, tree)
	}
	dockerfile, err := Dockerfile(s)
	if err != nil {
		return nil, nil, err
	}
	configuration, err := Configuration(s)
	if err != nil {
		return nil, nil, err
	}
	code, err := siteFiles(ctx, tree)
	if err != nil {
		return nil, nil, err
	}
	mounts := map[string]fsutil.FS{
		"dockerfile": staticFiles(map[string]string{"Dockerfile": dockerfile}),
		"recipe":     staticFiles(configuration),
		"context":    code,
	}
	return mounts, map[string]string{"filename": "Dockerfile", "context:recipe": "local:recipe"}, nil
}

// ownRecipe lets the site's own Dockerfile see the whole tree. BuildKit itself
// reads the .dockerignore then, which may belong to that Dockerfile alone.
func ownRecipe(ctx context.Context, s site.Site, tree *site.Tree) (map[string]fsutil.FS, map[string]string, error) {
	if _, ok := tree.Lookup(s.Build.Dockerfile); !ok {
		return nil, nil, &BuildError{Err: fmt.Errorf("build.dockerfile: the commit has no file %q", s.Build.Dockerfile)}
	}
	code := treeFiles(tree)
	if err := check(ctx, tree, code); err != nil {
		return nil, nil, err
	}
	mounts := map[string]fsutil.FS{"dockerfile": code, "context": code}
	return mounts, map[string]string{"filename": s.Build.Dockerfile}, nil
}

// labels name the commit in the image's configuration, by the keys of
// https://specs.opencontainers.org/image-spec/annotations/.
func labels(commit site.Commit) map[string]string {
	return map[string]string{
		"label:org.opencontainers.image.revision": commit.SHA,
		"label:org.opencontainers.image.version":  commit.Tag,
		"label:org.opencontainers.image.created":  commit.Time.Format(time.RFC3339),
	}
}

// export says what becomes of the result. No time in the image's configuration
// is later than the commit's; as an attribute of the exporter that changes no
// step, while with the build argument SOURCE_DATE_EPOCH each commit would have
// a WORKDIR of its own, and with it everything that follows.
func export(s site.Site, commit site.Commit) client.ExportEntry {
	return client.ExportEntry{
		Type: client.ExporterImage,
		Attrs: map[string]string{
			string(exptypes.OptKeyName):            s.Image + ":" + commit.Tag,
			string(exptypes.OptKeyPush):            "true",
			string(exptypes.OptKeyOCITypes):        "true",
			string(exptypes.OptKeySourceDateEpoch): strconv.FormatInt(commit.Time.Unix(), 10),
		},
	}
}

// logIn lets BuildKit ask for registry logins as it needs them.
func (b *Builder) logIn() session.Attachable {
	return authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: b.credentials.forBuildKit,
		TLSConfigs:         b.tokenTLS(),
	})
}

// solve has BuildKit build and push, shows its progress, and returns the
// digest of the image.
func (b *Builder) solve(ctx context.Context, registry *repository, options client.SolveOpt) (string, error) {
	buildkit, err := b.connect(ctx)
	if err != nil {
		return "", err
	}
	defer buildkit.Close()
	display, err := progressui.NewDisplay(b.options.Stderr, progressui.DisplayMode(b.options.Progress))
	if err != nil {
		return "", fmt.Errorf("show progress: %w", err)
	}

	steps := newSteps()
	reported := make(chan *client.SolveStatus) // closed by Solve, always
	shown := make(chan *client.SolveStatus)
	var response *client.SolveResponse
	var solved error
	var group errgroup.Group
	group.Go(func() error {
		response, solved = buildkit.Solve(ctx, nil, options, reported)
		return nil
	})
	group.Go(func() error {
		defer close(shown)
		for status := range reported {
			steps.record(status)
			shown <- status
		}
		return nil
	})
	group.Go(func() error {
		// It ends when shown is closed, also after a cancellation.
		_, err := display.UpdateFrom(context.WithoutCancel(ctx), shown)
		return err
	})
	if err := group.Wait(); err != nil {
		return "", fmt.Errorf("show progress: %w", err)
	}
	if solved != nil {
		return "", registry.buildFailure(ctx, steps, solved)
	}
	digest := response.ExporterResponse[exptypes.ExporterImageDigestKey]
	if digest == "" {
		return "", &BuildError{Err: errors.New("BuildKit named no image")}
	}
	return digest, nil
}

// buildFailure tells a failed push from a failed step.
func (r *repository) buildFailure(ctx context.Context, steps *steps, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("build %s: %w", r.name, context.Cause(ctx))
	}
	var refused *site.RepositoryError
	if errors.As(err, &refused) {
		return err
	}
	step, reason, log := steps.failure()
	// BuildKit's image exporter (exporter/containerimage/export.go) has no
	// type for this error, and a type would not cross the connection.
	if strings.Contains(err.Error(), "failed to push ") {
		return &RegistryError{
			Host: r.name.RegistryStr(), User: r.login.Username, Doing: "push to " + r.name.String(),
			Err:  errors.New(reason),
			hint: "BuildKit pushes itself: it, too, must reach the registry and trust its CA (buildkitd.toml); " + loginHint(r.name),
		}
	}
	if step == "" {
		return &BuildError{Err: fmt.Errorf("build %s: %w", r.name, err)}
	}
	return &BuildError{Step: step, Log: log, Err: errors.New(reason)}
}

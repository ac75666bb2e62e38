package builder

import (
	"context"
	"errors"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sitectl/sitectl/site"
)

// BuildOptions say how much of what was built before is taken.
type BuildOptions struct {
	// Rebuild takes nothing: the runtime is built anew, with what Debian has
	// today, and every layer is written.
	Rebuild bool
}

// Plan is what has to be done for the image of a commit: everything that can
// be known before something is made. Close ends it.
type Plan struct {
	build *build
}

// Prepare finds out what has to be done, and makes sure that it can be: the
// commit can be read, the base image is there, the registry would accept the
// push, and BuildKit answers if it is needed. It makes nothing, and reports
// everything that is wrong together. Errors: *BuildError, *RegistryError,
// *site.RepositoryError.
func (b *Builder) Prepare(ctx context.Context, s site.Site, repo *site.Repository, commit site.Commit, options BuildOptions) (*Plan, error) {
	r := &build{
		Builder: b, options: options, site: s, commit: commit, git: repo,
		reading: ctx, shown: newDisplay(b.options), marks: map[v1.Hash]string{},
	}
	var err error
	if r.registry, err = b.repository(s.Image); err != nil {
		return nil, err
	}
	if r.tree, err = repo.Tree(ctx, commit.Tree); err != nil {
		return nil, err
	}
	if err := r.prepare(ctx); err != nil {
		return nil, errors.Join(err, r.tree.Close())
	}
	return &Plan{r}, nil
}

// prepare asks everything at the same time that does not depend on each other.
func (r *build) prepare(ctx context.Context) error {
	var unreadable, incomplete, baseless, nodeless, unpushable, immovable, unknown, remoteless error
	together(
		func() { unreadable = r.readFiles(ctx) },
		func() { incomplete = r.checkStages() },
		func() { r.base, baseless = r.baseOf(ctx, r.site, r.tree) },
		func() { r.node, nodeless = r.nodeOf(ctx, r.site) },
		func() { unpushable = r.checkPush(ctx, r.site.Image) },
		func() {
			if r.options.Rebuild {
				immovable = r.checkMove(ctx, r.site.Image, r.commit.Tag)
			}
		},
		func() { r.previous, unknown = r.registry.previous(ctx, r.git, r.commit) },
		func() { remoteless = r.readSource(ctx) },
	)
	if unpushable != nil {
		unknown, immovable = nil, nil // the registry has said so once
	}
	err := errors.Join(unreadable, incomplete, remoteless, unpushable, immovable, unknown, baseless, nodeless)
	if err == nil {
		err = r.findMade(ctx)
	}
	return errors.Join(err, r.checkExecution(ctx, err))
}

// checkStages makes sure that the commit has what Composer and npm need.
func (r *build) checkStages() error {
	if r.site.Build.Dockerfile != "" {
		return nil
	}
	_, err := stagesOf(r.site, r.tree, r.site.Build.Runtime)
	return err
}

// together runs all and waits for them.
func together(all ...func()) {
	var group sync.WaitGroup
	for _, run := range all {
		group.Go(run)
	}
	group.Wait()
}

// findMade looks for what was made before from the same inputs.
func (r *build) findMade(ctx context.Context) error {
	if err := r.nameInputs(); err != nil {
		return err
	}
	if r.options.Rebuild {
		r.previous = nil
		return nil
	}
	var same, runtime error
	together(
		func() {
			if r.base.digest != "" {
				same = r.findSame(ctx)
			}
		},
		func() {
			if r.site.Build.Dockerfile == "" {
				runtime = r.findRuntime(ctx)
			}
		},
	)
	return errors.Join(same, runtime)
}

// checkExecution makes sure that what BuildKit has to execute can be, and its
// result pushed. After an error nobody knows whether it has to.
func (r *build) checkExecution(ctx context.Context, err error) error {
	if err == nil {
		needed, err := r.needsBuildKit()
		if err != nil || !needed {
			return err
		}
	}
	var unbuildable, unpushable error
	together(
		func() { unbuildable = r.checkBuilder(ctx) },
		func() {
			if err == nil && r.runtime == nil && r.site.Build.Dockerfile == "" {
				unpushable = r.checkPush(ctx, r.site.Build.Runtime)
			}
		},
	)
	return errors.Join(unbuildable, unpushable)
}

// needsBuildKit tells whether something has to be executed.
func (r *build) needsBuildKit() (bool, error) {
	switch {
	case r.same != nil:
		return false, nil
	case r.runtime == nil: // also for a Dockerfile of the site's own
		return true, nil
	}
	stages, err := r.stagesOn(r.runtime.reference())
	if err != nil {
		return false, err
	}
	for _, st := range stages {
		if len(r.previous.ofStage(st.key(r.site, r.tree, r.pieceSize()))) == 0 {
			return true, nil
		}
	}
	return false, nil
}

func (r *build) readSource(ctx context.Context) error {
	remote, err := r.git.Remote(ctx)
	r.source = site.SourceURL(remote)
	return err
}

// Build makes the image and sees to it that the registry has it. What is there
// already, under another commit or as a layer of the image before, is neither
// made nor sent again; BuildKit is only asked if it has to execute something.
// Errors: *BuildError, *AuditError, *RegistryError, *site.RepositoryError.
func (p *Plan) Build(ctx context.Context) (site.Image, Report, error) {
	image, report, err := p.build.make(ctx)
	return image, report, errors.Join(err, p.build.shown.close())
}

// Close ends the git process that reads the commit.
func (p *Plan) Close() error { return p.build.tree.Close() }

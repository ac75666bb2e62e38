package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sitectl/sitectl/site"
	"golang.org/x/sync/errgroup"
)

// BuildOptions say how much of what was built before is taken.
type BuildOptions struct {
	// Rebuild takes nothing: the runtime is built anew, with what Debian has
	// today, and every layer is written.
	Rebuild bool
}

// build is the making of one image.
type build struct {
	*Builder
	options  BuildOptions
	site     site.Site
	commit   site.Commit
	git      *site.Repository
	tree     *site.Tree
	source   string // address of the repository; empty if only this machine has it
	registry *repository
	shown    *display
	// reading is the context of the whole build: layers are read when the
	// parts that found them have long ended.
	reading context.Context

	base     base
	files    []file // of the commit, as they go into the image
	inputs   Inputs
	previous *previous
	marks    map[v1.Hash]string // of audits, by layer
}

// Build makes the image of a commit and sees to it that the registry has it.
// What is there already, under another commit or as a layer of the image
// before, is neither made nor sent again; BuildKit is only asked if it has to
// execute something. Errors: *BuildError, *AuditError, *RegistryError,
// *site.RepositoryError.
func (b *Builder) Build(ctx context.Context, s site.Site, repo *site.Repository, commit site.Commit, options BuildOptions) (site.Image, Report, error) {
	r, err := b.begin(ctx, s, repo, commit, options)
	if err != nil {
		return site.Image{}, Report{}, err
	}
	defer r.tree.Close()
	image, report, err := r.make(ctx)
	return image, report, errors.Join(err, r.shown.close())
}

// begin gathers what has to be known before anything is made, all at the same
// time: the files of the commit, the base image and the image built before.
func (b *Builder) begin(ctx context.Context, s site.Site, repo *site.Repository, commit site.Commit, options BuildOptions) (*build, error) {
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
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return r.readFiles(ctx) })
	work.Go(func() (err error) {
		r.base, err = b.baseOf(ctx, s, r.tree)
		return err
	})
	work.Go(func() (err error) {
		r.previous, err = r.registry.previous(ctx, repo, commit)
		return err
	})
	work.Go(func() error {
		remote, err := repo.Remote(ctx)
		r.source = sourceURL(remote)
		return err
	})
	if err := work.Wait(); err != nil {
		return nil, errors.Join(err, r.tree.Close())
	}
	return r, r.nameInputs()
}

// readFiles lists what of the commit goes into the image. The site's own
// Dockerfile sees everything, as BuildKit reads .dockerignore itself then.
func (r *build) readFiles(ctx context.Context) (err error) {
	if r.site.Build.Dockerfile == "" {
		r.files, err = codeFiles(ctx, r.tree)
		return err
	}
	view := treeFiles(r.tree)
	if err := check(ctx, r.tree, view); err != nil {
		return err
	}
	r.files, err = filesOf(ctx, r.tree, view, "")
	return err
}

func (r *build) nameInputs() error {
	recipe, err := recipeVersion()
	r.inputs = Inputs{
		Tree:     filesHash(r.files),
		Base:     r.base.digest,
		Recipe:   recipe,
		Settings: settings(r.site),
		Platform: r.site.Build.Platform,
	}
	return err
}

func (r *build) make(ctx context.Context) (site.Image, Report, error) {
	if !r.options.Rebuild && r.base.digest != "" {
		image, report, err := r.retag(ctx)
		if err != nil || image.Digest != "" {
			return image, report, err
		}
	}
	if r.options.Rebuild {
		r.previous = nil
	}
	made, err := r.image(ctx)
	if err != nil {
		return site.Image{}, Report{}, err
	}
	digest, err := r.registry.put(ctx, r.commit.Tag, made, r.mayMove())
	if err != nil {
		return site.Image{}, Report{}, err
	}
	image := site.Image{Repository: r.site.Image, Tag: r.commit.Tag, Digest: digest, Commit: r.commit}
	r.publish(ctx, made)
	return image, Report{Previous: r.previous.name(), Layers: r.list(made)}, nil
}

// mayMove tells whether the commit's tag may come to name another image. The
// tag of a working tree with changes is made anew with each of them.
func (r *build) mayMove() bool { return r.options.Rebuild || r.commit.Dirty }

// image makes the image, without a tag, and returns its manifest.
func (r *build) image(ctx context.Context) (*manifest, error) {
	if r.site.Build.Dockerfile != "" {
		return r.own(ctx)
	}
	largest := pieceSize(totalSize(r.files))
	var runtime *runtimeImage
	var below, above []*storedLayer
	work, ctx2 := errgroup.WithContext(ctx)
	work.Go(func() (err error) {
		if runtime, err = r.findRuntime(ctx2); err != nil {
			return err
		}
		below, err = r.stages(ctx2, runtime, largest)
		return errors.Join(err, r.mount(ctx2, runtime))
	})
	work.Go(func() (err error) {
		above, err = r.store(ctx2, codeGroups(r.site, r.files), largest)
		return err
	})
	if err := work.Wait(); err != nil {
		return nil, err
	}
	layers := append(below, above...)
	if err := r.audit(ctx, runtime, layers); err != nil {
		return nil, err
	}
	return r.assemble(ctx, runtime, layers)
}

func totalSize(files []file) (total int64) {
	for _, f := range files {
		total += f.size
	}
	return total
}

// stages stores the layers below the commit's files: the recipe's
// configuration, and what Composer and npm make.
func (r *build) stages(ctx context.Context, runtime *runtimeImage, largest int64) ([]*storedLayer, error) {
	configuration, err := Configuration(r.site)
	if err != nil {
		return nil, err
	}
	groups := []group{{name: groupConfiguration, files: memoryFiles(configuration)}}
	stages, err := stagesOf(r.site, r.tree, runtime.reference())
	if err != nil {
		return nil, err
	}
	var known []*storedLayer
	for _, st := range stages {
		key := st.key(r.site, r.tree, largest)
		if layers := r.previous.ofStage(key); len(layers) > 0 {
			known = append(known, r.reuse(st.group, key, layers)...)
			continue
		}
		files, archive, err := r.run(ctx, r.shown, r.site, r.tree, st)
		if err != nil {
			return nil, err
		}
		defer archive.Close()
		groups = append(groups, group{name: st.group, files: files, stage: key})
	}
	if err := checkConflicts(groups[1:], r.files); err != nil {
		return nil, err
	}
	layers, err := r.store(ctx, groups, largest)
	layers = append(layers, known...)
	// The image is the same whether a layer was made or taken over.
	slices.SortStableFunc(layers, func(a, b *storedLayer) int {
		return slices.Index(groupOrder, a.group) - slices.Index(groupOrder, b.group)
	})
	return layers, err
}

// reuse takes over the layers that a stage with the same inputs has made.
func (r *build) reuse(group, stage string, layers []previousLayer) []*storedLayer {
	var stored []*storedLayer
	for _, known := range layers {
		stored = append(stored, &storedLayer{
			previousLayer: known, group: group, stage: stage, inputs: known.Annotations[layerFiles],
			ctx: r.reading, from: r.registry,
		})
	}
	return stored
}

// audit looks at the layers that no audit has seen, as the registry has them.
func (r *build) audit(ctx context.Context, runtime *runtimeImage, layers []*storedLayer) error {
	all, err := runtime.image.Layers()
	if err != nil {
		return runtime.repository.failure(ctx, ctx, "read "+runtime.reference(), err)
	}
	for _, l := range layers {
		all = append(all, l)
	}
	maps.Copy(r.marks, runtime.marks)
	return r.auditLayers(ctx, runtime.config, all)
}

// auditLayers looks at an image, and remembers which of its layers are fine.
func (r *build) auditLayers(ctx context.Context, config *v1.ConfigFile, layers []v1.Layer) error {
	var allow []site.AuditException
	if r.site.Build.Audit != nil {
		allow = r.site.Build.Audit.Allow
	}
	secrets, err := r.secretValues()
	if err != nil {
		return err
	}
	if r.previous != nil {
		maps.Copy(r.marks, r.previous.marks)
	}
	verdict, err := audit(ctx, audited{Config: config, Layers: layers, Marks: r.marks}, allow, secrets)
	if err != nil {
		return r.registry.failure(ctx, ctx, "read the layers of "+r.registry.name.Tag(r.commit.Tag).String(), err)
	}
	for _, exception := range verdict.Unused {
		r.Builder.options.Log(fmt.Sprintf("build.audit.allow: nothing in the image needs %s of %s", exception.Path, exception.Rule))
	}
	if len(verdict.Findings) > 0 {
		return &AuditError{Image: r.registry.name.Tag(r.commit.Tag).String(), Findings: verdict.Findings}
	}
	r.marks = verdict.Marks
	return nil
}

// publish lets others find the image: by its inputs, as the one built last,
// and with a statement of where it comes from. The image is there already, so
// what of this a registry refuses is missing and nothing else.
func (r *build) publish(ctx context.Context, made *manifest) {
	var work sync.WaitGroup
	for _, tag := range []string{r.inputs.tag(), cacheTag} {
		work.Go(func() {
			_, err := r.registry.put(ctx, tag, made, true)
			r.note(err)
		})
	}
	work.Go(func() { r.note(r.attest(ctx, made)) })
	work.Wait()
}

// note says what went wrong without anything depending on it.
func (r *build) note(err error) {
	if err != nil {
		r.Builder.options.Log("left out: " + err.Error())
	}
}

// retag gives the commit's tag to the image with the same inputs, if there is
// one. Then no image is made: its labels name the commit that it was made of.
func (r *build) retag(ctx context.Context) (site.Image, Report, error) {
	probe, cancel := answerWithin(ctx, r.registry.reach)
	defer cancel()
	same := r.registry.name.Tag(r.inputs.tag())
	found, err := remote.Image(same, r.registry.options(ctx)...)
	if isStatus(err, http.StatusNotFound) {
		return site.Image{}, Report{}, nil
	}
	if err != nil {
		return site.Image{}, Report{}, r.registry.failure(ctx, probe, "look for "+same.String(), err)
	}
	if _, err := r.registry.put(ctx, r.commit.Tag, found, r.mayMove()); err != nil {
		return site.Image{}, Report{}, err
	}
	manifest, err := found.Manifest()
	if err != nil {
		return site.Image{}, Report{}, r.registry.failure(ctx, ctx, "read "+same.String(), err)
	}
	digest, err := found.Digest()
	if err != nil {
		return site.Image{}, Report{}, err
	}
	report := Report{Same: manifest.Annotations[annotationTag], Previous: r.previous.name(), Layers: listLayers(manifest, nil)}
	image := site.Image{Repository: r.site.Image, Tag: r.commit.Tag, Digest: digest.String(), Commit: r.commit}
	return image, report, nil
}

// list describes the layers of an image, and which of them are new.
func (r *build) list(made *manifest) []Layer {
	return listLayers(&made.Manifest, func(digest v1.Hash) bool { return !r.previous.has(digest) })
}

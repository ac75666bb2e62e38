package builder

import (
	"bytes"
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
	node     string             // digest of build.frontend.image; empty for a site without front end
	runtime  *runtimeImage      // nil until it is found or built, and for a Dockerfile of the site's own
	same     *remote.Descriptor // with the same inputs, under another commit; nil if there is none
	files    []file             // of the commit, as they go into the image
	inputs   Inputs
	previous *previous
	marks    map[v1.Hash]string // of audits, by layer
}

// readFiles lists what of the commit goes into the image. The site's own
// Dockerfile sees everything, as BuildKit reads .dockerignore itself then.
func (r *build) readFiles(ctx context.Context) (err error) {
	if r.site.Build.Dockerfile == "" {
		r.files, err = codeFiles(ctx, r.site, r.tree)
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
	if err != nil {
		return err
	}
	tree, err := r.nameFiles()
	r.inputs = Inputs{
		Tree:     tree,
		Base:     r.base.digest,
		Node:     r.node,
		Recipe:   recipe,
		Settings: settings(r.site),
		Platform: r.site.Build.Platform,
	}
	return err
}

// nameFiles names the files of the commit that make a difference: those that
// go into the image, and those that only a stage sees.
func (r *build) nameFiles() (string, error) {
	name := filesHash(r.files)
	if r.site.Build.Dockerfile != "" {
		return name, nil
	}
	stages, err := r.stagesOn(r.site.Build.Runtime)
	for _, st := range stages {
		name = hashOf([]string{name, st.name, filesHash(st.files(r.tree))})
	}
	return name, err
}

func (r *build) make(ctx context.Context) (site.Image, Report, error) {
	if r.same != nil {
		return r.retag(ctx)
	}
	made, err := r.image(ctx)
	if err != nil {
		return site.Image{}, Report{}, err
	}
	digest, err := r.registry.put(ctx, r.commit.Tag, made, r.mayMove())
	if err != nil {
		return site.Image{}, Report{}, err
	}
	r.publish(ctx, made)
	return r.named(digest), Report{Previous: r.previous.name(), Layers: r.list(made)}, nil
}

// named is the image of the commit with that digest.
func (r *build) named(digest string) site.Image {
	return site.Image{Repository: r.site.Image, Tag: r.commit.Tag, Digest: digest, Commit: r.commit}
}

// mayMove tells whether the commit's tag may come to name another image. The
// tag of a working tree with changes is made anew with each of them.
func (r *build) mayMove() bool { return r.options.Rebuild || r.commit.Dirty }

// image makes the image, without a tag, and returns its manifest.
func (r *build) image(ctx context.Context) (*manifest, error) {
	if r.site.Build.Dockerfile != "" {
		return r.own(ctx)
	}
	largest := r.pieceSize()
	var below, above []*storedLayer
	work, ctx2 := errgroup.WithContext(ctx)
	work.Go(func() (err error) {
		if err := r.needRuntime(ctx2); err != nil {
			return err
		}
		below, err = r.stages(ctx2, largest)
		return errors.Join(err, r.mount(ctx2, r.runtime))
	})
	work.Go(func() (err error) {
		above, err = r.store(ctx2, codeGroups(r.site, r.files), largest)
		return err
	})
	if err := work.Wait(); err != nil {
		return nil, err
	}
	layers := append(below, above...)
	if err := r.audit(ctx, r.runtime, layers); err != nil {
		return nil, err
	}
	return r.assemble(ctx, r.runtime, layers)
}

// pieceSize is how large a layer of the site may become, in bytes.
func (r *build) pieceSize() int64 {
	var total int64
	for _, f := range r.files {
		total += f.size
	}
	return pieceSize(total)
}

// stages stores the layers below the commit's files: the recipe's
// configuration, and what Composer and npm make.
func (r *build) stages(ctx context.Context, largest int64) ([]*storedLayer, error) {
	configuration, err := Configuration(r.site)
	if err != nil {
		return nil, err
	}
	groups := []group{{name: groupConfiguration, files: memoryFiles(configuration)}}
	stages, err := r.stagesOn(r.runtime.reference())
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
	if r.previous != nil {
		maps.Copy(r.marks, r.previous.marks)
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
	verdict, err := audit(ctx, audited{Config: config, Layers: layers, Marks: r.marks}, allow, secrets)
	if err != nil {
		return r.registry.auditFailure(ctx, r.registry.name.Tag(r.commit.Tag).String(), err)
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
		r.say("left out: %v", err)
	}
}

// findSame looks for an image with the same inputs, made for another commit.
func (r *build) findSame(ctx context.Context) error {
	probe, cancel := answerWithin(ctx, r.registry.reach)
	defer cancel()
	tag := r.registry.name.Tag(r.inputs.tag())
	found, err := remote.Get(tag, r.registry.options(probe)...)
	if isStatus(err, http.StatusNotFound) {
		return nil
	}
	if err != nil {
		return r.registry.failure(ctx, probe, "look for "+tag.String(), err)
	}
	r.same = found
	return nil
}

// retag gives the commit's tag to the image with the same inputs. No image is
// made: the labels of this one name the commit that it was made of.
func (r *build) retag(ctx context.Context) (site.Image, Report, error) {
	digest, err := r.registry.put(ctx, r.commit.Tag, r.same, r.mayMove())
	if err != nil {
		return site.Image{}, Report{}, err
	}
	manifest, err := v1.ParseManifest(bytes.NewReader(r.same.Manifest))
	if err != nil {
		return site.Image{}, Report{}, &BuildError{Err: fmt.Errorf("read %s: %w", r.registry.name.Tag(r.inputs.tag()), err)}
	}
	report := Report{
		Same: manifest.Annotations[annotationTag], Previous: r.previous.name(), Layers: listLayers(manifest, nil),
	}
	return r.named(digest), report, nil
}

// list describes the layers of an image, and which of them are new.
func (r *build) list(made *manifest) []Layer {
	return listLayers(&made.Manifest, func(digest v1.Hash) bool { return !r.previous.has(digest) })
}

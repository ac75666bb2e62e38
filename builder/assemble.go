package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sitectl/sitectl/site"
	"golang.org/x/sync/errgroup"
)

// storedLayer is a layer that the site's repository has. It is read from there
// if it has to be read.
type storedLayer struct {
	previousLayer
	group, inputs, stage string
	new                  bool // written and sent by this build
	ctx                  context.Context
	from                 *repository
}

var _ v1.Layer = (*storedLayer)(nil)

func (l *storedLayer) Digest() (v1.Hash, error)            { return l.Descriptor.Digest, nil }
func (l *storedLayer) DiffID() (v1.Hash, error)            { return l.diffID, nil }
func (l *storedLayer) Size() (int64, error)                { return l.Descriptor.Size, nil }
func (l *storedLayer) MediaType() (types.MediaType, error) { return l.Descriptor.MediaType, nil }

func (l *storedLayer) Compressed() (io.ReadCloser, error) {
	stored, err := l.stored()
	if err != nil {
		return nil, err
	}
	return stored.Compressed()
}

func (l *storedLayer) Uncompressed() (io.ReadCloser, error) {
	stored, err := l.stored()
	if err != nil {
		return nil, err
	}
	return stored.Uncompressed()
}

func (l *storedLayer) stored() (v1.Layer, error) {
	return remote.Layer(l.from.name.Digest(l.Descriptor.Digest.String()), l.from.options(l.ctx)...)
}

// concurrentLayers are written and sent at the same time. While one waits for
// the registry, others use the processors.
const concurrentLayers = 4

// store makes sure that the site's repository has the layers of the groups,
// and returns them in order. What the previous image has of the same inputs
// is neither read nor sent.
func (r *build) store(ctx context.Context, groups []group, largest int64) ([]*storedLayer, error) {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(concurrentLayers)
	var layers []*storedLayer
	for _, g := range groups {
		for _, piece := range partition(g.files, largest) {
			l := &storedLayer{group: g.name, stage: g.stage, inputs: layerInputs(piece), ctx: r.reading, from: r.registry}
			layers = append(layers, l)
			if known, ok := r.previous.withInputs(l.inputs); ok {
				l.previousLayer = known
				continue
			}
			work.Go(func() error { return r.send(ctx, l, piece) })
		}
	}
	return layers, work.Wait()
}

// send writes a layer and sends it, unless the registry has it.
func (r *build) send(ctx context.Context, l *storedLayer, piece []file) error {
	made, err := writeLayer(ctx, piece)
	if err != nil {
		return unreadableTree(ctx, err)
	}
	defer made.close()
	if err := r.registry.upload(ctx, "a layer", made); err != nil {
		return err
	}
	l.new = true
	l.previousLayer = previousLayer{
		Descriptor: v1.Descriptor{MediaType: types.OCILayer, Digest: made.digest, Size: made.size},
		diffID:     made.diffID,
	}
	return nil
}

// unreadableTree makes a BuildError of a file that cannot be read.
func unreadableTree(ctx context.Context, err error) error {
	var refused *site.RepositoryError
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.As(err, &refused) {
		return err
	}
	return &BuildError{Err: err}
}

// mount makes sure that the site's repository has the layers of the runtime.
// Within one registry they are mounted: nothing is sent.
func (r *build) mount(ctx context.Context, runtime *runtimeImage) error {
	layers, err := runtime.image.Layers()
	if err != nil {
		return runtime.repository.failure(ctx, ctx, "read "+runtime.reference(), err)
	}
	var work errgroup.Group
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return err
		}
		if r.previous.has(digest) {
			continue
		}
		work.Go(func() error { return r.registry.upload(ctx, "a layer of the runtime", layer) })
	}
	return work.Wait()
}

// assemble puts the site's layers on those of the runtime, and sends the
// configuration of the image.
func (r *build) assemble(ctx context.Context, runtime *runtimeImage, layers []*storedLayer) (*manifest, error) {
	reference := r.registry.name.Tag(r.commit.Tag)
	var appended []mutate.Addendum
	for _, l := range layers {
		appended = append(appended, mutate.Addendum{
			Layer:       l,
			MediaType:   l.Descriptor.MediaType,
			History:     v1.History{Created: v1.Time{Time: r.commit.Time.UTC()}, CreatedBy: "sitectl " + l.group},
			Annotations: l.annotations(),
		})
	}
	image, err := mutate.Append(runtime.image, appended...)
	if err != nil {
		return nil, fmt.Errorf("assemble %s: %w", reference, err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("assemble %s: %w", reference, err)
	}
	annotations := r.annotations()
	annotations[annotationBaseName] = r.site.Build.Runtime
	annotations[annotationBase] = runtime.digest
	config = config.DeepCopy()
	r.configure(config, annotations)
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, fmt.Errorf("assemble %s: %w", reference, err)
	}
	if err := r.registry.sendConfig(ctx, image); err != nil {
		return nil, err
	}
	return annotate(image, annotations, r.marks)
}

// configure sets what is the site's and not the runtime's. What the manifest
// says of an image, tools that have only pulled it look for in the labels.
func (r *build) configure(config *v1.ConfigFile, labels map[string]string) {
	config.Created = v1.Time{Time: r.commit.Time.UTC()}
	config.Author = ""
	config.Config.WorkingDir = site.CodeDir
	if config.Config.Labels == nil {
		config.Config.Labels = map[string]string{}
	}
	maps.Copy(config.Config.Labels, labels)
}

func (l *storedLayer) annotations() map[string]string {
	annotations := map[string]string{layerGroup: l.group, layerFiles: l.inputs}
	if l.stage != "" {
		annotations[layerStage] = l.stage
	}
	return annotations
}

// annotations say where an image comes from, by the keys of
// https://specs.opencontainers.org/image-spec/annotations/.
func (r *build) annotations() map[string]string {
	inputs, err := json.Marshal(r.inputs)
	if err != nil {
		panic(err) // a struct of strings
	}
	annotations := map[string]string{
		annotationRecipe:  r.inputs.Recipe[:16],
		annotationCommit:  r.commit.SHA,
		annotationTag:     r.commit.Tag,
		annotationCreated: r.commit.Time.UTC().Format(time.RFC3339),
		annotationInputs:  string(inputs),
	}
	if r.source != "" {
		annotations[annotationSource] = r.source
	}
	return annotations
}

// sendConfig sends the configuration of an image.
func (r *repository) sendConfig(ctx context.Context, image v1.Image) error {
	config, err := partial.ConfigLayer(image)
	if err != nil {
		return fmt.Errorf("read the configuration of an image for %s: %w", r.name, err)
	}
	return r.upload(ctx, "the configuration of an image", config)
}

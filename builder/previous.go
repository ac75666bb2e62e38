package builder

import (
	"context"
	"encoding/json"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sitectl/sitectl/site"
	"golang.org/x/sync/errgroup"
)

// cacheTag is the tag of the image that was built last. The next build takes
// the layers from it that have the same inputs.
const cacheTag = "sitectl-cache"

// Annotations of an image's manifest.
const (
	annotationInputs   = "dev.sitectl.inputs" // Inputs as JSON
	annotationRecipe   = "dev.sitectl.recipe" // Inputs.Recipe, its beginning
	annotationTag      = "org.opencontainers.image.version"
	annotationCommit   = "org.opencontainers.image.revision"
	annotationCreated  = "org.opencontainers.image.created"
	annotationSource   = "org.opencontainers.image.source"
	annotationBaseName = "org.opencontainers.image.base.name"
	annotationBase     = "org.opencontainers.image.base.digest"
)

// Annotations of a layer's descriptor.
const (
	layerGroup = "dev.sitectl.layer.group"  // group.name
	layerFiles = "dev.sitectl.layer.inputs" // as layerInputs
	layerStage = "dev.sitectl.layer.stage"  // group.stage
	layerAudit = "dev.sitectl.layer.audit"  // mark of the audit, see marks
)

// previous is an image of the site that was built before.
type previous struct {
	tag    string // of its commit
	commit string // SHA; empty if it does not say
	inputs Inputs
	layers []previousLayer
	marks  map[v1.Hash]string // of the audit, by layer
}

// previousLayer is a layer that the site's repository has.
type previousLayer struct {
	v1.Descriptor
	diffID v1.Hash
}

// previous reads the image that was built last, or that of the nearest
// earlier commit that has one. It is nil if there is none.
func (r *repository) previous(ctx context.Context, repo *site.Repository, commit site.Commit) (*previous, error) {
	found, err := r.readPrevious(ctx, cacheTag)
	if err != nil || found != nil {
		return found, err
	}
	tags, err := repo.Ancestors(ctx, commit, ancestors)
	if err != nil {
		return nil, err
	}
	images := make([]*previous, len(tags))
	var group errgroup.Group
	for i, tag := range tags {
		group.Go(func() (err error) {
			images[i], err = r.readPrevious(ctx, tag)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, image := range images {
		if image != nil {
			return image, nil
		}
	}
	return nil, nil
}

// readPrevious reads manifest and configuration of a tag, with two requests.
func (r *repository) readPrevious(ctx context.Context, tag string) (*previous, error) {
	probe, cancel := answerWithin(ctx, r.reach)
	defer cancel()
	doing := "read the manifest of " + r.name.Tag(tag).String()
	image, err := remote.Image(r.name.Tag(tag), r.options(probe)...)
	if isStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, r.failure(ctx, probe, doing, err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		return nil, r.failure(ctx, probe, doing, err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, r.failure(ctx, probe, doing, err)
	}
	if len(config.RootFS.DiffIDs) != len(manifest.Layers) {
		return nil, nil // not an image that anything could be taken from
	}
	return parsePrevious(tag, manifest, config), nil
}

func parsePrevious(tag string, manifest *v1.Manifest, config *v1.ConfigFile) *previous {
	found := &previous{tag: tag, commit: manifest.Annotations[annotationCommit], marks: marksOf(manifest.Layers)}
	if version := manifest.Annotations[annotationTag]; version != "" {
		found.tag = version
	}
	if text := manifest.Annotations[annotationInputs]; text != "" {
		// Whatever cannot be read is as good as changed.
		_ = json.Unmarshal([]byte(text), &found.inputs)
	}
	for i, descriptor := range manifest.Layers {
		found.layers = append(found.layers, previousLayer{Descriptor: descriptor, diffID: config.RootFS.DiffIDs[i]})
	}
	return found
}

// name is the tag of the image; empty if there is none.
func (p *previous) name() string {
	if p == nil {
		return ""
	}
	return p.tag
}

// has tells whether a layer is part of the image, so that the repository has
// it and nothing has to be asked or sent.
func (p *previous) has(digest v1.Hash) bool {
	if p == nil {
		return false
	}
	for _, layer := range p.layers {
		if layer.Digest == digest {
			return true
		}
	}
	return false
}

// withInputs returns the layer that was made of the same files.
func (p *previous) withInputs(inputs string) (previousLayer, bool) {
	if p != nil {
		for _, layer := range p.layers {
			if layer.Annotations[layerFiles] == inputs {
				return layer, true
			}
		}
	}
	return previousLayer{}, false
}

// ofStage returns the layers that a stage with the same inputs made.
func (p *previous) ofStage(inputs string) []previousLayer {
	var layers []previousLayer
	if p != nil {
		for _, layer := range p.layers {
			if layer.Annotations[layerStage] == inputs {
				layers = append(layers, layer)
			}
		}
	}
	return layers
}

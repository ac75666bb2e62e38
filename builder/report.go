package builder

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sitectl/sitectl/site"
)

// Report says what an image is made of and what was new about it.
type Report struct {
	// Previous is the tag of the image that New compares with: that of the
	// nearest earlier commit that has one. Empty if none was found; then every
	// layer counts as new.
	Previous string  `json:"previous,omitempty"`
	Layers   []Layer `json:"layers"` // from the base up
}

// Layer is a layer of the pushed image, as the registry has it.
type Layer struct {
	Digest    string `json:"digest"`
	Size      int64  `json:"size"` // compressed, in bytes
	MediaType string `json:"mediaType"`
	New       bool   `json:"new"` // not in the previous image, so it was pushed and nodes pull it
}

// NewLayers returns how many layers are new, and their compressed size in
// bytes: what was pushed, at most, as the registry may have had one from
// elsewhere.
func (r Report) NewLayers() (layers int, bytes int64) {
	for _, layer := range r.Layers {
		if layer.New {
			layers++
			bytes += layer.Size
		}
	}
	return layers, bytes
}

// verify asks the registry whether the tag is what was built.
func (r *repository) verify(ctx context.Context, image site.Image) error {
	digest, found, err := r.head(ctx, image.Tag)
	if err != nil {
		return err
	}
	failed := &RegistryError{
		Host: r.name.RegistryStr(), User: r.login.Username, Doing: "verify " + image.Reference(),
	}
	switch {
	case !found:
		failed.Err = errors.New("the registry does not have it, although the push succeeded")
	case digest != image.Digest:
		failed.Err = fmt.Errorf("the registry has %s under that tag: was it pushed by someone else at the same time?", digest)
	default:
		return nil
	}
	return failed
}

// ancestors is how many earlier commits are looked at for an image.
const ancestors = 10

// report lists the layers of an image and compares them with those of the
// nearest earlier commit that has one.
func (r *repository) report(ctx context.Context, repo *site.Repository, image site.Image) (Report, error) {
	layers, err := r.layers(ctx, image.Tag)
	if err != nil {
		return Report{}, err
	}
	report := Report{Layers: layers}
	tags, err := repo.Ancestors(ctx, image.Commit, ancestors)
	if err != nil {
		return Report{}, err
	}
	known := map[string]bool{}
	for _, tag := range tags {
		_, found, err := r.head(ctx, tag)
		if err != nil {
			return Report{}, err
		}
		if !found {
			continue
		}
		previous, err := r.layers(ctx, tag)
		if err != nil {
			return Report{}, err
		}
		report.Previous = tag
		for _, layer := range previous {
			known[layer.Digest] = true
		}
		break
	}
	for i := range report.Layers {
		report.Layers[i].New = !known[report.Layers[i].Digest]
	}
	return report, nil
}

// layers reads the manifest of a tag.
func (r *repository) layers(ctx context.Context, tag string) ([]Layer, error) {
	probe, cancel := answerWithin(ctx, r.reach)
	defer cancel()
	doing := "read the manifest of " + r.name.Tag(tag).String()
	image, err := remote.Image(r.name.Tag(tag), r.options(probe)...)
	if err != nil {
		return nil, r.failure(ctx, probe, doing, err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		return nil, r.failure(ctx, probe, doing, err)
	}
	var layers []Layer
	for _, layer := range manifest.Layers {
		layers = append(layers, Layer{
			Digest: layer.Digest.String(), Size: layer.Size, MediaType: string(layer.MediaType),
		})
	}
	return layers, nil
}

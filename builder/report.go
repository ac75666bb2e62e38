package builder

import v1 "github.com/google/go-containerregistry/pkg/v1"

// Report says what an image is made of and what was new about it.
type Report struct {
	// Same is the tag of the commit that had the same inputs: its image got
	// another tag, and nothing was built. Empty if an image was made.
	Same string `json:"same,omitempty"`
	// Previous is the tag of the image that New compares with: the one built
	// last. Empty if there was none; then every layer counts as new.
	Previous string  `json:"previous,omitempty"`
	Layers   []Layer `json:"layers"` // from the base up
}

// Layer is a layer of the pushed image, as the registry has it.
type Layer struct {
	Group     string `json:"group"` // runtime, configuration, vendor, frontend, core, code; dockerfile for the site's own
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

// listLayers describes the layers of an image. Those without a group are of
// what it was built on.
func listLayers(manifest *v1.Manifest, isNew func(v1.Hash) bool) []Layer {
	below := "runtime"
	if _, generated := manifest.Annotations[annotationBase]; !generated {
		below = "dockerfile"
	}
	var layers []Layer
	for _, layer := range manifest.Layers {
		group := layer.Annotations[layerGroup]
		if group == "" {
			group = below
		}
		layers = append(layers, Layer{
			Group: group, Digest: layer.Digest.String(), Size: layer.Size, MediaType: string(layer.MediaType),
			New: isNew != nil && isNew(layer.Digest),
		})
	}
	return layers
}

// ancestors is how many earlier commits are looked at for an image.
const ancestors = 10

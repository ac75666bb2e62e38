package builder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// manifest is that of an image, as it is put into a registry.
type manifest struct {
	v1.Manifest
	raw []byte
}

var _ remote.Taggable = (*manifest)(nil)

// RawManifest implements remote.Taggable.
func (m *manifest) RawManifest() ([]byte, error) { return m.raw, nil }

// MediaType implements remote.Taggable; the field of that name is hidden.
func (m *manifest) MediaType() (types.MediaType, error) { return m.Manifest.MediaType, nil }

// newManifest writes down a manifest. The same one has the same bytes.
func newManifest(m v1.Manifest) (*manifest, error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write a manifest: %w", err)
	}
	return &manifest{Manifest: m, raw: raw}, nil
}

// annotate returns the manifest of an image with more annotations: its own,
// and on each layer the mark of the audit. Everything else stays as it is.
func annotate(image v1.Image, annotations map[string]string, marks map[v1.Hash]string) (*manifest, error) {
	found, err := image.Manifest()
	if err != nil {
		return nil, err
	}
	annotated := found.DeepCopy()
	if annotated.Annotations == nil {
		annotated.Annotations = map[string]string{}
	}
	maps.Copy(annotated.Annotations, annotations)
	for i := range annotated.Layers {
		layer := &annotated.Layers[i]
		if mark := marks[layer.Digest]; mark != "" {
			if layer.Annotations == nil {
				layer.Annotations = map[string]string{}
			}
			layer.Annotations[layerAudit] = mark
		}
	}
	return newManifest(*annotated)
}

// marksOf are the marks that audits have left on layers.
func marksOf(layers []v1.Descriptor) map[v1.Hash]string {
	marks := map[v1.Hash]string{}
	for _, layer := range layers {
		if mark := layer.Annotations[layerAudit]; mark != "" {
			marks[layer.Digest] = mark
		}
	}
	return marks
}

// descriptor describes a manifest to what refers to it.
func (m *manifest) descriptor() (v1.Descriptor, error) {
	digest, size, err := v1.SHA256(bytes.NewReader(m.raw))
	return v1.Descriptor{MediaType: m.Manifest.MediaType, Digest: digest, Size: size}, err
}

package images

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// The annotations of an image in the index of the store: its name as
// repository:tag, and the key of the recipe it was made by.
const (
	nameAnnotation = "org.opencontainers.image.ref.name"
	keyAnnotation  = "dev.sitectl.lab.recipe"
)

// store is an OCI image layout.
type store struct {
	path layout.Path
	mu   sync.Mutex // guards index.json
}

// openStore makes an empty layout if there is none.
func openStore(folder string) (*store, error) {
	path, err := layout.FromPath(folder)
	if os.IsNotExist(err) {
		path, err = layout.Write(folder, empty.Index)
	}
	if err != nil {
		return nil, fmt.Errorf("open image cache: %w", err)
	}
	return &store{path: path}, nil
}

func (s *store) index() (v1.ImageIndex, *v1.IndexManifest, error) {
	index, err := s.path.ImageIndex()
	if err != nil {
		return nil, nil, fmt.Errorf("read image cache: %w", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, nil, fmt.Errorf("read image cache: %w", err)
	}
	return index, manifest, nil
}

// has tells whether the image of that name and recipe is there.
func (s *store) has(name, key string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, manifest, err := s.index()
	if err != nil {
		return false, err
	}
	for _, image := range manifest.Manifests {
		if image.Annotations[nameAnnotation] == name {
			return image.Annotations[keyAnnotation] == key, nil
		}
	}
	return false, nil
}

func (s *store) image(name string) (v1.Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	index, manifest, err := s.index()
	if err != nil {
		return nil, err
	}
	for _, image := range manifest.Manifests {
		if image.Annotations[nameAnnotation] == name {
			return index.Image(image.Digest)
		}
	}
	return nil, fmt.Errorf("image %s is not in the image cache", name)
}

// put adds the image, or takes the place of the one of that name.
func (s *store) put(image v1.Image, name, key string) error {
	if err := s.path.WriteImage(image); err != nil {
		return fmt.Errorf("store image: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	index, _, err := s.index()
	if err != nil {
		return err
	}
	return s.writeIndex(mutate.AppendManifests(mutate.RemoveManifests(index, match.Name(name)), mutate.IndexAddendum{
		Add: image,
		Descriptor: v1.Descriptor{
			Annotations: map[string]string{nameAnnotation: name, keyAnnotation: key},
		},
	}))
}

// writeIndex replaces index.json at once, for the case that this process is
// killed; layout would write into it.
func (s *store) writeIndex(index v1.ImageIndex) error {
	content, err := index.RawManifest()
	if err != nil {
		return fmt.Errorf("store image: %w", err)
	}
	file := filepath.Join(string(s.path), "index.json")
	if err := os.WriteFile(file+".new", content, 0o644); err != nil {
		return fmt.Errorf("store image: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("store image: %w", err)
	}
	return nil
}

// prune removes images that are not in recipes, and blobs of no image.
func (s *store) prune(recipes []recipe) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	index, manifest, err := s.index()
	if err != nil {
		return err
	}
	made := map[string]bool{}
	for _, r := range recipes {
		made[r.Name] = true
	}
	stale := func(image v1.Descriptor) bool { return !made[image.Annotations[nameAnnotation]] }
	for _, image := range manifest.Manifests {
		if stale(image) {
			if err := s.writeIndex(mutate.RemoveManifests(index, stale)); err != nil {
				return err
			}
			break
		}
	}
	return s.collect()
}

// collect removes the blobs that no image needs, with what a killed build has
// left between them.
func (s *store) collect() error {
	used, err := s.blobs()
	if err != nil {
		return err
	}
	folder := filepath.Join(string(s.path), "blobs", "sha256")
	files, err := os.ReadDir(folder)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("clean up image cache: %w", err)
	}
	for _, file := range files {
		if used[file.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(folder, file.Name())); err != nil {
			return fmt.Errorf("clean up image cache: %w", err)
		}
	}
	return nil
}

// blobs returns the hexadecimal digests of all that the images consist of.
func (s *store) blobs() (map[string]bool, error) {
	index, manifest, err := s.index()
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, descriptor := range manifest.Manifests {
		used[descriptor.Digest.Hex] = true
		image, err := index.Image(descriptor.Digest)
		if err != nil {
			return nil, fmt.Errorf("read image cache: %w", err)
		}
		content, err := image.Manifest()
		if err != nil {
			return nil, fmt.Errorf("read image cache: %w", err)
		}
		used[content.Config.Digest.Hex] = true
		for _, layer := range content.Layers {
			used[layer.Digest.Hex] = true
		}
	}
	return used, nil
}

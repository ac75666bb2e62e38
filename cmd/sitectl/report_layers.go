package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sitectl/sitectl/builder"
)

// layersView is what an image is made of, and what of it was pushed.
type layersView struct {
	Summary string
	Groups  []groupView // from the base up
	Layers  []layerView // the largest first
}

type groupView struct {
	Name   string
	Layers int
	New    int
	Size   string
	Bar    *bar // its part of the image
	NewBar *bar // the part of that which was pushed; nil for none
}

type layerView struct {
	Digest string // its beginning
	Group  string
	Size   string
	Bar    *bar // compared with the largest
	Pushed bool
}

func layersOf(build *buildResult) *layersView {
	if build == nil {
		return nil
	}
	view := &layersView{Summary: "Pushed: " + pushed(*build)}
	var total int64
	for _, layer := range build.LayerList {
		total += layer.Size
	}
	var before int64
	for _, group := range byGroup(build.LayerList) {
		part := groupView{
			Name: group.name, Layers: group.layers, New: group.new, Size: readable(group.size),
			Bar: share(before, group.size, total),
		}
		if group.new > 0 {
			part.NewBar = share(before, group.newSize, total)
		}
		view.Groups = append(view.Groups, part)
		before += group.size
	}
	layers := slices.Clone(build.LayerList)
	slices.SortStableFunc(layers, func(a, b builder.Layer) int { return cmp.Compare(b.Size, a.Size) })
	for _, layer := range layers {
		view.Layers = append(view.Layers, layerView{
			Digest: shortDigest(layer.Digest), Group: layer.Group, Size: readable(layer.Size),
			Bar: share(0, layer.Size, layers[0].Size), Pushed: layer.New,
		})
	}
	return view
}

// share is a part of a whole, after what comes before it.
func share(before, size, whole int64) *bar {
	percent := func(n int64) float64 { return 100 * float64(n) / float64(max(whole, 1)) }
	x := min(percent(before), 100-thinnest)
	return &bar{
		X: fmt.Sprintf("%.2f", x), Width: fmt.Sprintf("%.2f", max(percent(size), thinnest)),
		Label: fmt.Sprintf("%.0f percent", percent(size)),
	}
}

// readable writes a size with the unit that fits: layers differ by a factor of a
// million.
func readable(bytes int64) string {
	switch {
	case bytes < 1000:
		return fmt.Sprintf("%d B", bytes)
	case bytes < 100_000:
		return fmt.Sprintf("%.1f kB", float64(bytes)/1e3)
	default:
		return megabytes(bytes)
	}
}

// shortDigest is as much of a digest as tells layers apart.
func shortDigest(digest string) string {
	const shown = 12
	hex := strings.TrimPrefix(digest, "sha256:")
	return hex[:min(shown, len(hex))]
}

package builder

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sitectl/sitectl/site"
	"github.com/sitectl/sitectl/templates"
)

// Inputs names everything that an image is made of. Two commits with equal
// inputs have the same image, whoever builds it. Each value is the name of a
// content, never the content.
type Inputs struct {
	Tree     string `json:"tree"`           // files of the commit, after .dockerignore, and those that Composer and npm see
	Base     string `json:"base"`           // digest of build.base; for the site's own Dockerfile, of all it starts from
	Node     string `json:"node,omitempty"` // digest of build.frontend.image
	Recipe   string `json:"recipe"`         // this version's templates and layer format
	Settings string `json:"settings"`       // what site.yaml says of the build
	Platform string `json:"platform"`
}

// tag is the tag of the image with these inputs.
func (i Inputs) tag() string {
	return "in-" + hashOf(i)[:32]
}

// differences are the names of the inputs that are not the same.
func (i Inputs) differences(other Inputs) []string {
	var names []string
	for _, input := range []struct{ name, a, b string }{
		{"tree", i.Tree, other.Tree},
		{"base", i.Base, other.Base},
		{"node", i.Node, other.Node},
		{"recipe", i.Recipe, other.Recipe},
		{"settings", i.Settings, other.Settings},
		{"platform", i.Platform, other.Platform},
	} {
		if input.a != input.b {
			names = append(names, input.name)
		}
	}
	return names
}

// hashOf names a value by its JSON form, in which map keys are sorted.
func hashOf(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Errorf("name %T: %w", value, err)) // only types of our own come here
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// settings names what of a site, besides its code, makes a difference to its
// image. The rules of the audit are part of it: with an exception taken back,
// an image has to be looked at again.
func settings(s site.Site) string {
	return hashOf(map[string]any{"build": s.Build, "preset": s.Preset, "mounts": s.MountPoints()})
}

// recipeVersion names how this version of sitectl makes images: the templates
// and the format of layers.
func recipeVersion() (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "layers %s\n", layerFormat)
	err := templates.Walk(func(name string, content []byte) error {
		folder, _, _ := strings.Cut(name, "/")
		if !slices.Contains([]string{"ci", "config", "kubernetes", "notify", "report"}, folder) { // those are no part of an image
			fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
		}
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

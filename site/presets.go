package site

import (
	"embed"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

//go:embed presets/*.yaml
var presetFiles embed.FS

// presets lists the presets in the order in which they are suggested.
var presets = []string{string(PHP), string(Drupal), string(WordPress), string(MediaWiki), string(CodeIgniter), string(Grav)}

// Presets are the names of the presets, in the order in which they are
// suggested.
func Presets() []string { return slices.Clone(presets) }

// presetLayer returns the sections that a preset turns on.
func presetLayer(preset Preset) *value {
	return embedded(string(preset), "preset "+string(preset))
}

// defaultLayer returns the values of the keys that nothing else sets.
func defaultLayer() *value { return embedded("defaults", sourceDefault) }

// embedded reads a layer that is part of the program, so that a mistake in it
// is one of the program.
func embedded(name, source string) *value {
	data, err := presetFiles.ReadFile("presets/" + name + ".yaml")
	if err != nil {
		panic(fmt.Errorf("read preset: %w", err))
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		panic(fmt.Errorf("read preset %s: %w", name, err))
	}
	report := &report{file: name}
	layer := decoder{source: source, report: report}.section(document.Content[0], siteType, "")
	if err := report.err(); err != nil {
		panic(err)
	}
	return layer
}

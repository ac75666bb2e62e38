package site

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// draft is a first site file: what of Site a detection can say, in the order
// in which it is written, and nothing that has a default.
type draft struct {
	Address  string         `yaml:"site"`
	Image    string         `yaml:"image"`
	Preset   Preset         `yaml:"preset,omitempty"`
	Build    draftBuild     `yaml:"build,omitempty"`
	Web      *draftWeb      `yaml:"web,omitempty"`
	Database *draftDatabase `yaml:"database,omitempty,flow"`
	Cache    *draftCache    `yaml:"cache,omitempty,flow"`
	Files    *draftFiles    `yaml:"files,omitempty"`
	Migrate  *draftMigrate  `yaml:"migrate,omitempty"`
}

type draftBuild struct {
	Docroot    string         `yaml:"docroot,omitempty"`
	Fallback   string         `yaml:"fallback,omitempty"`
	PHP        *draftPHP      `yaml:"php,omitempty,flow"`
	Composer   *yaml.Node     `yaml:"composer,omitempty"`
	Frontend   *draftFrontend `yaml:"frontend,omitempty,flow"`
	Dockerfile string         `yaml:"dockerfile,omitempty"`
}

type draftPHP struct {
	Extensions []string `yaml:"extensions,flow"`
}

type draftFrontend struct {
	Dir    string `yaml:"dir,omitempty"`
	Script string `yaml:"script,omitempty"`
	Output string `yaml:"output,omitempty"`
}

type draftWeb struct {
	Health draftHealth `yaml:"health,flow"`
}

type draftHealth struct {
	Path string `yaml:"path"`
}

type draftDatabase struct {
	MariaDB struct{} `yaml:"mariadb"`
}

type draftCache struct {
	Memcached *yaml.Node `yaml:"memcached,omitempty"`
	Redis     *yaml.Node `yaml:"redis,omitempty"`
}

type draftFiles struct {
	Volume draftVolume `yaml:"volume,flow"`
}

type draftVolume struct {
	Path string `yaml:"path"`
}

type draftMigrate struct {
	Steps []draftStep `yaml:"steps"`
}

type draftStep struct {
	Name    string   `yaml:"name"`
	Command []string `yaml:"command,flow"`
}

// emptyNode turns a section on, with all its defaults.
func emptyNode() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle} }

// nullNode turns a section of the preset off.
func nullNode() *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
}

// presetHas tells whether a preset turns a section on.
func presetHas(preset Preset, keys ...string) bool { return presetLayer(preset).has(keys...) }

// File writes the smallest site file for what was detected. Its first line
// tells editors where they find the schema. Whether address and image are
// possible is for Parse to say.
func (d Detection) File(address, image string) ([]byte, error) {
	file := d.draft
	file.Address, file.Image = address, image
	if file.Preset == PHP { // the default
		file.Preset = ""
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "# yaml-language-server: $schema=%s\n", SchemaURL)
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(file); err != nil {
		return nil, fmt.Errorf("write site %s: %w", address, err)
	}
	return out.Bytes(), nil
}

package site

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Marshal returns a site as a site file without environments: every value in
// full, and null for the sections of the preset that the site does without.
// Parse reads it back to an equal Site.
func Marshal(s Site) ([]byte, error) {
	if !isPreset(string(s.Preset)) {
		return nil, fmt.Errorf("write site %s: there is no preset %q", s.Address, s.Preset)
	}
	node := encode(reflect.ValueOf(s))
	encodeAbsent(node, presetLayer(s.Preset))
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(node); err != nil {
		return nil, fmt.Errorf("write site %s: %w", s.Address, err)
	}
	return out.Bytes(), nil
}

// encode writes a Go value as a node. The library's own way from a value to a
// node leads through text, and it writes some texts of several lines so that
// they do not read back: "\n- a" becomes an item of a list.
func encode(v reflect.Value) *yaml.Node {
	switch {
	case v.Type() == durationType:
		return encodeText(v.Interface().(Duration).String())
	case v.Kind() == reflect.Pointer:
		return encode(v.Elem())
	case v.Kind() == reflect.Struct:
		return encodeSection(v)
	case v.Kind() == reflect.Map:
		return encodeFreeKeys(v.Interface().(map[string]string))
	case v.Kind() == reflect.Slice:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			list.Content = append(list.Content, encode(v.Index(i)))
		}
		return list
	case v.Kind() == reflect.String:
		return encodeText(v.String())
	case v.Kind() == reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v.Bool())}
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v.Int(), 10)}
	}
}

func encodeSection(v reflect.Value) *yaml.Node {
	section := &yaml.Node{Kind: yaml.MappingNode}
	for _, field := range fieldsOf(v.Type()) {
		if of := v.Field(field.index); !field.optional || !isUnset(of) {
			section.Content = append(section.Content, encodeText(field.name), encode(of))
		}
	}
	return section
}

func isUnset(v reflect.Value) bool {
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return v.Len() == 0
	}
	return v.IsZero()
}

func encodeFreeKeys(entries map[string]string) *yaml.Node {
	mapping := &yaml.Node{Kind: yaml.MappingNode}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		mapping.Content = append(mapping.Content, encodeText(name), encodeText(entries[name]))
	}
	return mapping
}

// encodeText writes a script as lines, and any other text on one line, in
// quotes if it has control characters or could be taken for something else.
func encodeText(text string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	switch {
	case isScript(text):
		node.Style = yaml.LiteralStyle
	case strings.ContainsFunc(text, isControl):
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}

// isScript accepts lines of visible characters of which the first is not
// indented.
func isScript(text string) bool {
	lines := strings.ReplaceAll(text, "\n", "")
	return len(lines) < len(text) && !strings.ContainsFunc(lines, isControl) && strings.TrimLeft(text, " \n") == text
}

// encodeAbsent adds a null for every key of the preset that the site lacks,
// which would come back otherwise.
func encodeAbsent(node *yaml.Node, preset *value) {
	for _, name := range preset.names {
		switch found := lookUp(node, name); {
		case found == nil:
			null := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
			node.Content = append(node.Content, encodeText(name), null)
		case found.Kind == yaml.MappingNode:
			encodeAbsent(found, preset.fields[name])
		}
	}
}

func lookUp(mapping *yaml.Node, name string) *yaml.Node {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i+1]
		}
	}
	return nil
}

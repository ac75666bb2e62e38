package site

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

var (
	siteType     = reflect.TypeFor[Site]()
	secretType   = reflect.TypeFor[Secret]()
	durationType = reflect.TypeFor[Duration]()
)

// decoder reads YAML nodes of one source into values, led by the Go types
// that will hold them.
type decoder struct {
	source string // see Origin.Source
	report *report
	// positions is false for sources without a file that a user could open.
	positions bool
}

// problem notes a problem at a node.
func (d decoder) problem(node *yaml.Node, key, message, hint string) {
	d.report.add(Problem{Line: node.Line, Column: node.Column, Key: key, Message: message, Hint: hint})
}

func (d decoder) origin(node *yaml.Node) Origin {
	if !d.positions {
		return Origin{Source: d.source}
	}
	return Origin{Source: d.source, Line: node.Line, Column: node.Column}
}

// decode reads the value of a key. It is broken if its shape is wrong; the
// problem is then reported.
func (d decoder) decode(node *yaml.Node, want field, key string) *value {
	if message, hint := unsupported(node); message != "" {
		d.problem(node, key, message, hint)
		return d.broken(node, key)
	}
	if isNull(node) {
		return d.null(node, want, key)
	}
	typ := want.typ
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case typ == durationType:
		return d.duration(node, key)
	case typ == secretType && node.Kind == yaml.ScalarNode:
		return d.named(node, key)
	case typ.Kind() == reflect.Struct:
		return d.section(node, typ, key)
	case typ.Kind() == reflect.Map:
		return d.freeKeys(node, typ, key)
	case typ.Kind() == reflect.Slice:
		return d.list(node, typ, key)
	case typ.Kind() == reflect.String:
		return d.text(node, typ, key)
	case typ.Kind() == reflect.Bool:
		return d.choice(node, typ, key)
	default:
		return d.number(node, typ, key)
	}
}

// unsupported names what YAML can do and a site file cannot. A layer that is
// made of references could not be explained line by line; environments do
// what anchors are used for elsewhere.
func unsupported(node *yaml.Node) (message, hint string) {
	switch {
	case node.Kind == yaml.AliasNode:
		return fmt.Sprintf("aliases are not supported, found %q", "*"+shorten(node.Value)), "write the value out"
	case node.Style&yaml.TaggedStyle != 0:
		return fmt.Sprintf("tags are not supported, found %q", shorten(node.Tag)), "write the value without it"
	default:
		return "", ""
	}
}

func (d decoder) broken(node *yaml.Node, key string) *value {
	return &value{kind: broken, origin: d.origin(node), key: key}
}

// null reads an explicit null, which removes what a lower layer gives.
func (d decoder) null(node *yaml.Node, want field, key string) *value {
	if !want.optional {
		d.problem(node, key, "expected "+shapeOf(want.typ)+", found nothing", "")
		return d.broken(node, key)
	}
	return &value{kind: absent, origin: d.origin(node), key: key}
}

// wrong reports a value of the wrong type.
func (d decoder) wrong(node *yaml.Node, want reflect.Type, key string) *value {
	d.problem(node, key, "expected "+shapeOf(want)+", found "+describe(node), rewrite(node, want))
	return d.broken(node, key)
}

// rewrite says how to write a value whose type is a near miss.
func rewrite(node *yaml.Node, want reflect.Type) string {
	words := strings.Fields(node.Value)
	isText := want.Kind() == reflect.Slice && isTextOrName(want.Elem())
	switch {
	case isText && node.Tag == "!!str" && len(words) > 0 && len(words) < 10 && printable(node.Value) == node.Value:
		return "write [" + strings.Join(words, ", ") + "]"
	case want == durationType && node.Tag == "!!int":
		return "write it with a unit"
	default:
		return ""
	}
}

// isTextOrName accepts the types whose values can be written as one word.
func isTextOrName(typ reflect.Type) bool { return typ.Kind() == reflect.String || typ == secretType }

func (d decoder) section(node *yaml.Node, typ reflect.Type, key string) *value {
	if node.Kind != yaml.MappingNode {
		return d.wrong(node, typ, key)
	}
	return d.fields(node, d.pairs(node, key), typ, key)
}

// named reads the short form of a section, its name alone.
func (d decoder) named(node *yaml.Node, key string) *value {
	section := &value{kind: mapping, origin: d.origin(node), key: key}
	section.set("name", d.scalar(node, reflect.ValueOf(node.Value), key))
	return section
}

// pair is a key of a mapping and its value.
type pair struct {
	name       string
	key, value *yaml.Node
}

// pairs lists the keys of a mapping and reports those that are no plain keys
// or occur twice.
func (d decoder) pairs(node *yaml.Node, key string) []pair {
	var pairs []pair
	first := map[string]int{}
	for i := 0; i < len(node.Content); i += 2 {
		name := node.Content[i]
		message, hint := unsupported(name)
		switch line := first[name.Value]; {
		case name.Tag == "!!merge":
			d.problem(name, key, "merge keys (<<) are not supported", "write the keys out")
		case message != "":
			d.problem(name, key, message, hint)
		case name.Kind != yaml.ScalarNode:
			d.problem(name, key, "expected a key, found "+describe(name), "")
		case line != 0:
			d.problem(name, join(key, name.Value), fmt.Sprintf("the key is already set in line %d", line), "")
		default:
			first[name.Value] = name.Line
			pairs = append(pairs, pair{name.Value, name, node.Content[i+1]})
		}
	}
	return pairs
}

// fields reads the keys of a section. A misspelled key stands in for the one
// that it was probably meant to be, so that this one is not reported missing.
func (d decoder) fields(node *yaml.Node, pairs []pair, typ reflect.Type, key string) *value {
	section := &value{kind: mapping, origin: d.origin(node), key: key}
	known := fieldsOf(typ)
	misspelled := map[string]*value{}
	for _, pair := range pairs {
		path := join(key, pair.name)
		want, found := findField(known, pair.name)
		if !found {
			d.problem(pair.key, path, "unknown key", suggestKey(pair.name, key, known))
			misspelled[nearest(pair.name, namesOf(known))] = d.broken(pair.key, path)
			continue
		}
		section.set(pair.name, d.at(pair.key, d.decode(pair.value, want, path)))
	}
	for _, field := range known {
		if slip := misspelled[field.name]; slip != nil && section.fields[field.name] == nil {
			section.set(field.name, slip)
		}
	}
	return section
}

// suggestKey returns a hint for an unknown key of the section at a path.
func suggestKey(name, path string, known []field) string {
	names := namesOf(known)
	if path == "" {
		names = append(names, environmentsKey)
	}
	if name == "url" && slices.Contains(names, "urlFrom") {
		return "the address of a webhook is a secret, and no part of the site file: write urlFrom: {env: NAME}, or {file: PATH}, of where it is"
	}
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if elsewhere := keysNamed(name, siteType, ""); len(elsewhere) > 0 {
		return "there is " + strings.Join(elsewhere, " and ")
	}
	return "expected " + oneOf(names)
}

// keysNamed returns the paths of all keys of a name in a section and the
// sections of it.
func keysNamed(name string, typ reflect.Type, path string) []string {
	var paths []string
	for _, field := range fieldsOf(typ) {
		at := join(path, field.name)
		if field.name == name {
			paths = append(paths, at)
		}
		if section := sectionType(field.typ); section.Kind() == reflect.Struct {
			paths = append(paths, keysNamed(name, section, at)...)
		}
	}
	return paths
}

// at moves the place of a section or list to its key: that is where a reader
// looks for what is missing in it.
func (d decoder) at(key *yaml.Node, v *value) *value {
	if v.kind != scalar {
		v.origin = d.origin(key)
	}
	return v
}

func (d decoder) freeKeys(node *yaml.Node, typ reflect.Type, key string) *value {
	if node.Kind != yaml.MappingNode {
		return d.wrong(node, typ, key)
	}
	free := &value{kind: mapping, origin: d.origin(node), key: key}
	for _, pair := range d.pairs(node, key) {
		entry := field{typ: typ.Elem(), optional: true}
		free.set(pair.name, d.decode(pair.value, entry, join(key, pair.name)))
	}
	return free
}

func (d decoder) list(node *yaml.Node, typ reflect.Type, key string) *value {
	if node.Kind != yaml.SequenceNode {
		return d.wrong(node, typ, key)
	}
	items := &value{kind: list, origin: d.origin(node), key: key}
	for i, item := range node.Content {
		items.items = append(items.items, d.decode(item, field{typ: typ.Elem()}, joinIndex(key, i)))
	}
	return items
}

// text reads a string. A number or a boolean is taken as it was written, for
// `memory_limit: 512` and `command: [sleep, 5]` mean just that.
func (d decoder) text(node *yaml.Node, typ reflect.Type, key string) *value {
	if node.Kind != yaml.ScalarNode {
		return d.wrong(node, typ, key)
	}
	return d.scalar(node, reflect.ValueOf(node.Value).Convert(typ), key)
}

func (d decoder) choice(node *yaml.Node, typ reflect.Type, key string) *value {
	if node.Kind != yaml.ScalarNode || node.Tag != "!!bool" {
		return d.wrong(node, typ, key)
	}
	return d.scalar(node, reflect.ValueOf(strings.EqualFold(node.Value, "true")), key)
}

func (d decoder) number(node *yaml.Node, typ reflect.Type, key string) *value {
	var number int64
	if node.Kind != yaml.ScalarNode || node.Tag != "!!int" {
		return d.wrong(node, typ, key)
	}
	if err := node.Decode(&number); err != nil || reflect.Zero(typ).OverflowInt(number) {
		d.problem(node, key, "the number "+shorten(node.Value)+" is too large", "")
		return d.broken(node, key)
	}
	return d.scalar(node, reflect.ValueOf(number).Convert(typ), key)
}

func (d decoder) duration(node *yaml.Node, key string) *value {
	if node.Kind != yaml.ScalarNode {
		return d.wrong(node, durationType, key)
	}
	span, err := time.ParseDuration(node.Value)
	if err != nil {
		return d.wrong(node, durationType, key)
	}
	return d.scalar(node, reflect.ValueOf(Duration(span)), key)
}

func (d decoder) scalar(node *yaml.Node, of reflect.Value, key string) *value {
	return &value{kind: scalar, origin: d.origin(node), key: key, scalar: of}
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.Tag == "!!null"
}

// shapeOf says what a key expects.
func shapeOf(typ reflect.Type) string {
	switch {
	case typ == durationType:
		return "a time span such as 30s, 5m or 1h30m"
	case typ.Kind() == reflect.Struct || typ.Kind() == reflect.Map:
		return "a mapping"
	case typ.Kind() == reflect.Slice && !isTextOrName(typ.Elem()):
		return "a list of mappings"
	case typ.Kind() == reflect.Slice:
		return "a list"
	case typ.Kind() == reflect.String:
		return "text"
	case typ.Kind() == reflect.Bool:
		return "true or false"
	default:
		return "a whole number"
	}
}

// describe says what a node is.
func describe(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a mapping"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(node):
		return "nothing"
	case node.Tag == "!!int" || node.Tag == "!!float":
		return "the number " + shorten(node.Value)
	default:
		return fmt.Sprintf("%q", shorten(node.Value))
	}
}

// printable drops what does not belong on one line of a message.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, text)
}

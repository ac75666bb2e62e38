package site

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

// Explanation is what there is to know about a key of the site file.
type Explanation struct {
	Key         string `json:"key"` // with [] for each item of a list: "cron[].schedule"
	Description string `json:"description"`
	Type        string `json:"type"`                // in words, for example "true or false"
	Allowed     []any  `json:"allowed,omitempty"`   // the only possible values; empty if there are others
	Default     any    `json:"default,omitempty"`   // of a key that neither the file nor its preset sets
	Removable   bool   `json:"removable,omitempty"` // null is possible, and removes what a lower layer gives
	Required    bool   `json:"required,omitempty"`  // it must be set wherever its section is
	// Keys are those of a section.
	Keys []KeySummary `json:"keys,omitempty"`
	// Values are those that the key has in one environment: one, or that of
	// each item of a list, or none. They are missing without a site file.
	Values []KeyValue `json:"values,omitempty"`
}

// KeySummary is a key of a section on one line.
type KeySummary struct {
	Key         string `json:"key"`
	Description string `json:"description"` // a sentence
}

// KeyValue is a value of a key, and where it comes from.
type KeyValue struct {
	Key    string `json:"key"`             // in the site, for example "cron[0].schedule"
	Value  any    `json:"value"`           // as in JSON; null if the site does without
	Text   string `json:"-"`               // the value on one line, as it may stand in a site file
	Origin Origin `json:"origin,omitzero"` // missing where there is no value
}

// UnknownKeyError says that a site file has no such key.
type UnknownKeyError struct {
	Key  string
	hint string
}

func (e *UnknownKeyError) Error() string { return fmt.Sprintf("a site file has no key %q", e.Key) }

// Hint names the nearest key.
func (e *UnknownKeyError) Hint() string { return e.hint }

// schema is the parsed schema of the site file.
var schema = sync.OnceValue(func() *Schema {
	parsed := &Schema{}
	if err := json.Unmarshal(schemaFile, parsed); err != nil {
		panic(fmt.Errorf("read the schema of the site file: %w", err))
	}
	return parsed
})

// ReadSchema returns the schema of the site file as a value. It is not to be
// changed.
func ReadSchema() *Schema { return schema() }

// Keys returns the paths of all keys, those of environments left out, in the
// order of the schema: "web", "web.replicas", "cron[].schedule".
func Keys() []string {
	var all []string
	schema().walk("", func(path string, _ *Schema) { all = append(all, path) })
	return all
}

func (s *Schema) walk(path string, do func(path string, s *Schema)) {
	for _, p := range s.Properties {
		at := join(path, p.Name)
		do(at, p.Schema)
		if p.Name != environmentsKey {
			section, items := p.Schema.section()
			if items {
				at += "[]"
			}
			section.walk(at, do)
		}
	}
}

// section is the schema whose keys are meant where a key is named: of a list,
// that of its items.
func (s *Schema) section() (section *Schema, items bool) {
	for s.Items != nil {
		s, items = s.Items, true
	}
	if len(s.AnyOf) > 0 { // the short form, and the section
		s = s.AnyOf[len(s.AnyOf)-1]
	}
	return s, items
}

// Explain explains a key, without a value. A key in a list may be written with
// or without its brackets. The error is an *UnknownKeyError.
func Explain(key string) (Explanation, error) {
	steps, err := parseKey(key)
	if err != nil {
		return Explanation{}, err
	}
	at, path, required := schema(), "", false
	for _, step := range steps {
		section, items := at.section()
		if items {
			path += "[]"
		}
		found := section.Properties.Find(step.name)
		if found == nil && section.Additional != nil && !section.Additional.Never {
			found = section.Additional
		}
		if found == nil {
			return Explanation{}, &UnknownKeyError{key, suggestPath(step.name, path, section)}
		}
		if name, isRef := strings.CutPrefix(found.Ref, "#/properties/"); isRef {
			found = schema().Properties.Find(name)
		}
		required = slices.Contains(section.Required, step.name)
		at, path = found, join(path, step.name)
	}
	if last := steps[len(steps)-1]; last.indexed && at.Items != nil {
		at, path, required = at.Items, path+"[]", false
	}
	return at.explain(path, required), nil
}

func (s *Schema) explain(path string, required bool) Explanation {
	e := Explanation{
		Key: path, Description: s.Description, Type: s.words(), Default: s.Default,
		Removable: slices.Contains(s.Type, "null"), Required: required,
	}
	for _, value := range s.Enum {
		if value != nil {
			e.Allowed = append(e.Allowed, value)
		}
	}
	section, items := s.section()
	if items {
		path += "[]"
	}
	for _, p := range section.Properties {
		text := p.Schema.Description
		if name, isRef := strings.CutPrefix(p.Schema.Ref, "#/properties/"); isRef {
			text = schema().Properties.Find(name).Description
		}
		first, _, _ := strings.Cut(text, ". ")
		e.Keys = append(e.Keys, KeySummary{join(path, p.Name), strings.TrimSuffix(first, ".") + "."})
	}
	return e
}

// words say what a value may be.
func (s *Schema) words() string {
	has := func(name string) bool { return slices.Contains(s.Type, name) }
	switch {
	case len(s.AnyOf) > 0:
		return "a mapping, or only its name"
	case len(s.Enum) > 0:
		var values []string
		for _, value := range s.Enum {
			if value != nil {
				values = append(values, fmt.Sprint(value))
			}
		}
		return oneOf(values)
	case s.Expected != "":
		return strings.TrimPrefix(s.Expected, "expected ")
	case has("integer"):
		return s.numberWords()
	case has("array"):
		return strings.TrimSuffix("a list, each item "+s.Items.words(), ", each item text")
	case len(s.Properties) > 0:
		return "a mapping"
	case has("object"):
		return "a mapping of names of your own, each with " + s.Additional.words()
	case has("string"):
		return "text"
	default:
		return "true or false"
	}
}

func (s *Schema) numberWords() string {
	if *s.Maximum == math.MaxInt32 {
		return fmt.Sprintf("a whole number of at least %d", *s.Minimum)
	}
	return fmt.Sprintf("a whole number from %d to %d", *s.Minimum, *s.Maximum)
}

// suggestPath returns a hint for an unknown key of a section.
func suggestPath(name, path string, section *Schema) string {
	var names []string
	for _, p := range section.Properties {
		names = append(names, p.Name)
	}
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %q?", join(path, near))
	}
	byName := keysByName()
	if elsewhere := byName[name]; len(elsewhere) > 0 {
		return "there is " + strings.Join(elsewhere, " and ")
	}
	if near := nearest(name, slices.Sorted(maps.Keys(byName))); near != "" {
		return "did you mean " + oneOf(byName[near]) + "?"
	}
	if len(names) == 0 {
		return path + " has no keys"
	}
	return "expected " + oneOf(names)
}

// keysByName returns the paths of all keys by their last part.
func keysByName() map[string][]string {
	byName := map[string][]string{}
	for _, path := range Keys() {
		name := path[strings.LastIndex(path, ".")+1:]
		byName[name] = append(byName[name], path)
	}
	return byName
}

// step is one part of a key's path.
type step struct {
	name    string
	indexed bool // [] or [0] comes after it
	index   int  // -1 for each item
}

// parseKey reads a path as the messages of this package write it:
// web.replicas, cron[0].schedule, cron[].schedule,
// build.php.ini["opcache.enable"].
func parseKey(key string) ([]step, error) {
	wrong := &UnknownKeyError{key, "write it as web.rollout.maxSurge, cron[0].schedule or cron.schedule"}
	var steps []step
	rest := key
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, `["`):
			quote, err := strconv.QuotedPrefix(rest[1:])
			if err != nil || !strings.HasPrefix(rest[1+len(quote):], "]") {
				return nil, wrong
			}
			name, _ := strconv.Unquote(quote)
			steps = append(steps, step{name: name, index: -1})
			rest = rest[len(quote)+2:]
		case strings.HasPrefix(rest, "["):
			number, after, closed := strings.Cut(rest[1:], "]")
			index, err := strconv.Atoi(number)
			if len(steps) == 0 || !closed || number != "" && (err != nil || index < 0) {
				return nil, wrong
			}
			last := &steps[len(steps)-1]
			last.indexed = true
			if number != "" {
				last.index = index
			}
			rest = after
		default:
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, wrong
			}
			steps = append(steps, step{name: rest[:end], index: -1})
			rest = rest[end:]
		}
	}
	if len(steps) == 0 {
		return nil, wrong
	}
	return steps, nil
}

// EnvironmentOfKey returns the environment that a key is about, and the rest
// of the key: "staging" and "web.replicas" for
// "environments.staging.web.replicas". Without one it returns the key.
func EnvironmentOfKey(key string) (environment, rest string) {
	name, found := strings.CutPrefix(key, environmentsKey+".")
	if !found {
		return "", key
	}
	name, rest, found = strings.Cut(name, ".")
	if !found {
		return "", key
	}
	return name, rest
}

// Explain explains a key, with the values that it has. The error is an
// *UnknownKeyError.
func (r Resolved) Explain(key string) (Explanation, error) {
	e, err := Explain(key)
	if err != nil {
		return Explanation{}, err
	}
	if key == environmentsKey {
		e.Values = []KeyValue{keyValue(environmentsKey, reflect.ValueOf(r.Environments), Origin{})}
		return e, nil
	}
	steps, err := parseKey(key)
	if err != nil {
		return Explanation{}, err
	}
	r.values(reflect.ValueOf(r.Site), "", steps, &e.Values)
	return e, nil
}

// values collects the values at a path that may go through lists.
func (r Resolved) values(v reflect.Value, path string, steps []step, into *[]KeyValue) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			*into = append(*into, KeyValue{Key: path, Origin: r.Origins[path]})
			return // and so without all that would be in it
		}
		v = v.Elem()
	}
	switch {
	case len(steps) == 0:
		*into = append(*into, keyValue(path, v, r.Origins[path]))
	case v.Kind() == reflect.Map:
		at := join(path, steps[0].name)
		if entry := v.MapIndex(reflect.ValueOf(steps[0].name)); entry.IsValid() {
			*into = append(*into, keyValue(at, entry, r.Origins[at]))
		}
	case v.Kind() == reflect.Struct:
		field, found := findField(fieldsOf(v.Type()), steps[0].name)
		if !found {
			return
		}
		r.step(v.Field(field.index), join(path, field.name), steps, into)
	}
}

// step goes on from a key: into the items of a list if the path leads there.
func (r Resolved) step(v reflect.Value, path string, steps []step, into *[]KeyValue) {
	if v.Kind() != reflect.Slice || len(steps) == 1 && !steps[0].indexed {
		r.values(v, path, steps[1:], into)
		return
	}
	for i := range v.Len() {
		if steps[0].index < 0 || steps[0].index == i {
			r.values(v.Index(i), joinIndex(path, i), steps[1:], into)
		}
	}
}

// keyValue returns a value in the types of JSON, and as text. What is empty
// and stands for nothing is nil.
func keyValue(path string, v reflect.Value, origin Origin) KeyValue {
	out := KeyValue{Key: path, Origin: origin}
	node := encode(v)
	if len(node.Content) == 0 && node.Value == "" {
		return out
	}
	inFlow(node)
	text, err := yaml.Marshal(node)
	if err == nil && node.Decode(&out.Value) == nil {
		out.Text = strings.TrimSpace(string(text))
	}
	return out
}

// inFlow has a node written on one line.
func inFlow(node *yaml.Node) {
	if node.Kind != yaml.ScalarNode {
		node.Style = yaml.FlowStyle
	} else if strings.Contains(node.Value, "\n") {
		node.Style = yaml.DoubleQuotedStyle
	}
	for _, child := range node.Content {
		inFlow(child)
	}
}

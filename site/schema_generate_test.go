package site

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// TestSchemaFile fails when site.schema.json is not what the types, their
// comments, the presets and the rules below say. With -update it writes it.
func TestSchemaFile(t *testing.T) {
	g := newSchemaGenerator(t)
	text, err := encodeJSON(g.schema())
	require.NoError(t, err)
	for path := range schemaRules {
		require.True(t, g.ruled[path], "a rule for %s, which is no key", path)
	}
	golden(t, "site.schema.json", indentJSON(t, text))
}

// schemaGenerator makes the schema of a site file from what the decoder is
// led by: the types of package site.
type schemaGenerator struct {
	t        *testing.T
	comments map[string]string // of types and fields: "Web", "Web.Replicas"
	paths    map[string]string // of the keys that hold a type or a field
	ruled    map[string]bool   // paths whose rule was used
}

func newSchemaGenerator(t *testing.T) *schemaGenerator {
	g := &schemaGenerator{t: t, comments: comments(t, "site.go"), paths: map[string]string{}, ruled: map[string]bool{}}
	g.note(siteType, "")
	return g
}

// note remembers at which path each type and field is.
func (g *schemaGenerator) note(typ reflect.Type, path string) {
	typ = sectionType(typ)
	if typ.Kind() == reflect.Slice {
		g.note(typ.Elem(), path+"[]")
		return
	}
	g.paths[typ.Name()] = path
	if typ.Kind() != reflect.Struct {
		return
	}
	for _, f := range fieldsOf(typ) {
		at := join(path, f.name)
		g.paths[typ.Name()+"."+typ.Field(f.index).Name] = at
		g.note(f.typ, at)
	}
}

func (g *schemaGenerator) schema() *Schema {
	root := g.section(siteType, "", defaultLayer())
	root.Version, root.ID, root.Title = "http://json-schema.org/draft-07/schema#", SchemaURL, "site.yaml of sitectl"
	root.Description = "How sitectl ships this site. Mappings are merged key by key over the defaults of the preset, lists are replaced, " +
		"and an explicit null removes what a lower layer gives."
	root.Required = []string{"site", "image"}
	root.Properties = append(root.Properties, Property{environmentsKey, g.environments()})
	root.Not = &Schema{Required: []string{"environment", environmentsKey}}
	// An environment may give what is missing, so that the keys which a
	// section needs are only known where there is none.
	root.If = &Schema{Not: &Schema{Required: []string{environmentsKey}}}
	root.Then = needed()
	return root
}

// environments describes the sections of the environments: any of the keys
// that may differ, and nothing that is required.
func (g *schemaGenerator) environments() *Schema {
	keys := &Schema{Type: Types{"object", "null"}, Additional: &Schema{Never: true}}
	keys.Description = "What is different in this environment."
	for _, f := range fieldsOf(siteType) {
		if _, fixed := fixedKeys[f.name]; !fixed {
			keys.Properties = append(keys.Properties, Property{f.name, &Schema{Ref: "#/properties/" + f.name}})
		}
	}
	name := label("the name of an environment")
	return &Schema{
		Description: "One section for each environment, with what is different there: any key but site, image, preset and build, which are the same in all. " +
			"Without --environment production is meant, or the only one there is.",
		Type: Types{"object"}, PropertyNames: &name, Additional: keys,
	}
}

// requiredKeys are those without which a section says nothing.
var requiredKeys = map[string][]string{
	"database.external": {"host", "name", "secret"},
	"files.s3":          {"bucket", "endpoint", "secret"},
	"ingress.gateway":   {"name"},
	"web.autoscale":     {"max"},
}

// needed says which keys the sections need that are there.
func needed() *Schema {
	root := &Schema{}
	for _, path := range slices.Sorted(maps.Keys(requiredKeys)) {
		section, kind, _ := strings.Cut(path, ".")
		outer := root.Properties.Find(section)
		if outer == nil {
			outer = &Schema{}
			root.Properties = append(root.Properties, Property{section, outer})
		}
		outer.Properties = append(outer.Properties, Property{kind, &Schema{Required: requiredKeys[path]}})
	}
	return root
}

// value describes what the decoder takes for a key; usual is its default.
func (g *schemaGenerator) value(typ reflect.Type, path string, usual *value) *Schema {
	typ = sectionType(typ)
	var s *Schema
	switch {
	case typ == secretType:
		name := rule(path + ".name")
		s = &Schema{AnyOf: []*Schema{&name, g.section(typ, path, usual)}}
		g.setType(&name)
	case typ.Kind() == reflect.Struct:
		s = g.section(typ, path, usual)
	case typ.Kind() == reflect.Map:
		s = &Schema{Type: Types{"object"}, Additional: g.scalar(typ.Elem(), path+".*")}
		s.Additional.Type = append(s.Additional.Type, "null")
		if names, found := schemaRules[path+".(name)"]; found {
			g.ruled[path+".(name)"] = true
			s.PropertyNames = &names
		}
	case typ.Kind() == reflect.Slice:
		var item *value
		if usual != nil && len(usual.items) > 0 && typ.Elem().Kind() == reflect.Struct {
			item = usual.items[0]
		}
		s = &Schema{Type: Types{"array"}, Items: g.value(typ.Elem(), path+"[]", item)}
		if typ.Elem().Kind() == reflect.Struct {
			s.Items.Description = sentence(g.comments[typ.Elem().Name()], typ.Elem().Name())
		}
		if r, found := schemaRules[path]; found {
			g.ruled[path] = true
			s.MinItems, s.UniqueItems = r.MinItems, r.UniqueItems
		}
	default:
		s = g.scalar(typ, path)
	}
	if usual != nil && usual.kind == scalar {
		s.Default = usual.scalar.Interface()
	}
	return s
}

// scalar describes a single value: its rule, and the types that it may be
// written as.
func (g *schemaGenerator) scalar(typ reflect.Type, path string) *Schema {
	s := rule(path)
	if _, found := schemaRules[path]; found {
		g.ruled[path] = true
	}
	switch {
	case typ == durationType:
		s.Type, s.Pattern, s.Expected = Types{"string"}, span.Pattern, span.Expected
	case typ.Kind() == reflect.Bool:
		s.Type = Types{"boolean"}
	case typ.Kind() == reflect.String:
		g.setType(&s)
	default:
		s.Type = Types{"integer"}
		require.NotNil(g.t, s.Minimum, "%s needs a least number", path)
	}
	return &s
}

// setType lets a text be written as a number if it may look like one, and as
// true if it may be anything: that is how the decoder reads it.
func (g *schemaGenerator) setType(s *Schema) {
	s.Type = Types{"string"}
	switch {
	case len(s.Enum) > 0:
	case s.Pattern == "" || s.Pattern == iniValue.Pattern:
		s.Type = Types{"string", "number", "boolean"}
	case regexp.MustCompile(s.Pattern).MatchString("12"):
		s.Type = Types{"string", "number"}
	}
}

func (g *schemaGenerator) section(typ reflect.Type, path string, usual *value) *Schema {
	s := &Schema{Type: Types{"object"}, Additional: &Schema{Never: true}}
	for _, f := range fieldsOf(typ) {
		at := join(path, f.name)
		var standard *value
		if usual != nil {
			standard = usual.fields[f.name]
		}
		value := g.value(f.typ, at, standard)
		if f.optional && value.AnyOf == nil {
			value.Type = append(value.Type, "null")
			if len(value.Enum) > 0 {
				value.Enum = append(value.Enum, nil)
			}
		}
		value.Description = g.describe(typ, f, value.Default != nil)
		s.Properties = append(s.Properties, Property{f.name, value})
	}
	if strings.HasSuffix(path, "[]") {
		s.Required = listRequired[path]
	}
	if slices.Contains(exclusive, path) {
		both := &Schema{Type: Types{"object"}}
		for i := range s.Properties {
			name := s.Properties[i].Name
			both.Required = append(both.Required, name)
			both.Properties = append(both.Properties, Property{name, &Schema{Type: Types{"object"}}})
		}
		s.Not = both
	}
	return s
}

// listRequired are the keys that each item of a list has.
var listRequired = map[string][]string{
	"secrets[]":           {"name"},
	"build.audit.allow[]": {"rule", "path", "reason"},
	"web.rollout.steps[]": {"pods"},
	"migrate.steps[]":     {"name", "command"},
	"cron[]":              {"name", "schedule", "command"},
	"ingress.redirects[]": {"from", "to"},
	"notify[]":            {"type", "urlFrom"},
}

// describe says what a key means: what the comment of the field says, then
// that of its type, then what the presets make of it.
func (g *schemaGenerator) describe(typ reflect.Type, f field, withDefault bool) string {
	name := typ.Field(f.index).Name
	comment := strings.Join(strings.Fields(g.comments[typ.Name()+"."+name]), " ")
	if withDefault { // it is a value of its own
		comment = statedDefault.ReplaceAllString(comment, "")
	}
	text := sentence(comment, name)
	if of := sectionType(f.typ); of.Kind() == reflect.Struct {
		text = strings.TrimSpace(sentence(g.comments[of.Name()], of.Name()) + " " + text)
	}
	text = docLink.ReplaceAllStringFunc(text, func(link string) string {
		path, found := g.paths[strings.Trim(link, "[]")]
		require.True(g.t, found, "%s.%s: there is no %s", typ.Name(), name, link)
		return path
	})
	at := g.paths[typ.Name()+"."+name]
	for _, preset := range presets {
		v := valueAt(presetLayer(Preset(preset)), at)
		if v != nil && (v.kind == scalar && !v.same(defaultLayer().at(at)) || v.kind == list && v.items[0].kind == scalar) {
			text += fmt.Sprintf(" Preset %s: %s.", preset, inline(v))
		}
	}
	require.NotEmpty(g.t, text, "%s.%s has no comment", typ.Name(), name)
	require.NotRegexp(g.t, `\bnil\b|\bstruct\b`, text, "%s.%s: words of Go in the description of a key", typ.Name(), name)
	return text
}

// docLink is a link of a Go comment to a field: [Site.Address].
var docLink = regexp.MustCompile(`\[[A-Z]\w+(\.[A-Z]\w+)?\]`)

// sentence makes a sentence of a comment, without the name that it begins
// with.
func sentence(comment, name string) string {
	text := strings.Join(strings.Fields(comment), " ")
	for _, subject := range []string{name + " is ", name + " are ", name + " "} {
		if rest, found := strings.CutPrefix(text, subject); found {
			text = rest
			break
		}
	}
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// same tells whether two scalars are equal.
func (v *value) same(other *value) bool {
	return other != nil && other.kind == scalar && v.scalar.Equal(other.scalar)
}

// valueAt returns a value of a layer, nil if it has none.
func valueAt(layer *value, path string) *value {
	if strings.Contains(path, "[") {
		return nil
	}
	return layer.at(path)
}

// inline writes a value of a preset, or a list of values, on one line.
func inline(v *value) string {
	if v.kind == scalar {
		return fmt.Sprintf("%q", v.scalar.String())
	}
	items := make([]string, len(v.items))
	for i, item := range v.items {
		items[i] = inline(item)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// comments returns the comments of a file's types and their fields.
func comments(t *testing.T, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	parsed, err := parser.ParseFile(token.NewFileSet(), file, data, parser.ParseComments)
	require.NoError(t, err)
	found := map[string]string{}
	for _, declaration := range parsed.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok || general.Tok != token.TYPE {
			continue
		}
		for _, spec := range general.Specs {
			typ := spec.(*ast.TypeSpec)
			found[typ.Name.Name] = general.Doc.Text()
			if structure, ok := typ.Type.(*ast.StructType); ok {
				for _, field := range structure.Fields.List {
					comment := field.Doc.Text()
					if comment == "" {
						comment = field.Comment.Text()
					}
					found[typ.Name.Name+"."+field.Names[0].Name] = comment
				}
			}
		}
	}
	return found
}

// statedDefault is the end of a comment that says what the default is.
var statedDefault = regexp.MustCompile(`[;,.]? *\b[Dd]efault:? ("[^"]*"|[^ ;"]+?)(, a year)?\.?$`)

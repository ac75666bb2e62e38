package site

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// value is a part of a site file that has the right shape for its key. Values
// of several layers are merged into one, so each of them knows where it comes
// from.
type value struct {
	kind   kind
	origin Origin
	key    string // path in its source, for example "environments.staging.web.replicas"

	scalar reflect.Value     // of a scalar: the Go value
	fields map[string]*value // of a mapping
	names  []string          // of a mapping: its keys in the order they were written
	items  []*value          // of a list
}

type kind int

const (
	scalar  kind = iota
	mapping      // a section, or free keys such as ini values
	list
	absent // an explicit null: the site does without
	broken // was reported; what depends on it is not reported again
)

// set puts a field into a mapping.
func (v *value) set(name string, field *value) {
	if v.fields == nil {
		v.fields = map[string]*value{}
	}
	if _, found := v.fields[name]; !found {
		v.names = append(v.names, name)
	}
	v.fields[name] = field
}

// has tells whether the value at a path of section names is there and not
// null.
func (v *value) has(path ...string) bool {
	for _, name := range path {
		if v = v.fields[name]; v == nil || v.kind == absent {
			return false
		}
	}
	return true
}

// at returns the value at a path of section names, nil if there is none.
func (v *value) at(path string) *value {
	for name := range strings.SplitSeq(path, ".") {
		if v = v.fields[name]; v == nil {
			return nil
		}
	}
	return v
}

// field is a key of a section and the Go field that holds it.
type field struct {
	name     string
	index    int
	typ      reflect.Type
	optional bool // null is allowed and stands for the zero value
}

// fieldsOf lists the keys of a section by the yaml tags of its type.
func fieldsOf(section reflect.Type) []field {
	fields := make([]field, section.NumField())
	for i := range fields {
		tag := section.Field(i).Tag.Get("yaml")
		name, options, _ := strings.Cut(tag, ",")
		fields[i] = field{name: name, index: i, typ: section.Field(i).Type, optional: options == "omitempty"}
	}
	return fields
}

func namesOf(fields []field) []string {
	names := make([]string, len(fields))
	for i, field := range fields {
		names[i] = field.name
	}
	return names
}

func findField(fields []field, name string) (field, bool) {
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return field{}, false
	}
	return fields[i], true
}

// join appends a key to a path. A key with a dot or anything unusual in it is
// put in brackets and quotes.
func join(path, name string) string {
	switch {
	case !isPlainKey(name):
		return path + "[" + strconv.Quote(shorten(name)) + "]"
	case path == "":
		return name
	default:
		return path + "." + name
	}
}

func isPlainKey(name string) bool {
	return name != "" && len(name) <= 63 && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

func joinIndex(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// shorten keeps a message readable whatever somebody put into the file.
func shorten(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

package site

import (
	"cmp"
	"reflect"
	"slices"
)

// merge lays one layer over another: mappings are merged key by key,
// everything else is replaced. An explicit null stays, so that no default
// comes back in its place. Neither of the two is changed.
func merge(lower, upper *value) *value {
	if lower == nil || upper == nil || lower.kind != mapping || upper.kind != mapping {
		return cmp.Or(upper, lower)
	}
	merged := &value{kind: mapping, origin: upper.origin, key: upper.key}
	if lower.origin.inFile() { // where the section begins
		merged.origin, merged.key = lower.origin, lower.key
	}
	for _, name := range lower.names {
		merged.set(name, lower.fields[name])
	}
	for _, name := range upper.names {
		merged.set(name, merge(lower.fields[name], upper.fields[name]))
	}
	return merged
}

// exclusive are the sections of which exactly one key is set.
var exclusive = []string{"database", "cache", "files"}

// withoutReplaced leaves out of a lower layer what the upper one has another
// kind of: whoever writes "files: {s3: …}" need not remove the preset's volume
// first. Neither of the two is changed.
func withoutReplaced(lower, upper *value) *value {
	kept := &value{kind: mapping, origin: lower.origin, key: lower.key}
	for _, name := range lower.names {
		kept.set(name, lower.fields[name])
	}
	for _, name := range exclusive {
		below, above := lower.fields[name], upper.fields[name]
		if below == nil || above == nil || !above.chooses() {
			continue
		}
		section := &value{kind: below.kind, origin: below.origin, key: below.key}
		for _, kind := range below.names {
			if above.fields[kind] != nil {
				section.set(kind, below.fields[kind])
			}
		}
		kept.set(name, section)
	}
	return kept
}

// chooses tells a section that sets a key from one that only removes some.
func (v *value) chooses() bool {
	return slices.ContainsFunc(v.names, func(name string) bool { return v.fields[name].kind != absent })
}

// fill returns v with the defaults of the keys that it does not have. A
// section that a site can do without is filled where it is there, but never
// added; every item of a list is filled from the one item of the default.
func fill(v, defaults *value, typ reflect.Type) *value {
	switch {
	case v == nil || defaults == nil:
		return cmp.Or(v, defaults)
	case v.kind == mapping && typ.Kind() == reflect.Struct:
		return fillSection(v, defaults, typ)
	case v.kind == list && typ.Elem().Kind() == reflect.Struct:
		filled := *v
		filled.items = make([]*value, len(v.items))
		for i, item := range v.items {
			filled.items[i] = fill(item, defaults.items[0], typ.Elem())
		}
		return &filled
	default:
		return v
	}
}

func fillSection(v, defaults *value, typ reflect.Type) *value {
	filled := &value{kind: mapping, origin: v.origin, key: v.key}
	for _, name := range v.names {
		filled.set(name, v.fields[name])
	}
	for _, field := range fieldsOf(typ) {
		present, usual := filled.fields[field.name], defaults.fields[field.name]
		switch {
		case usual == nil || present == nil && isOptionalSection(field):
			continue
		case present == nil && usual.kind == mapping:
			present = &value{kind: mapping, origin: usual.origin, key: usual.key}
		}
		filled.set(field.name, fill(present, usual, sectionType(field.typ)))
	}
	return filled
}

// isOptionalSection tells what a site can do without from what always has a
// value.
func isOptionalSection(field field) bool {
	return field.typ.Kind() == reflect.Pointer || field.typ.Kind() == reflect.Slice
}

func sectionType(typ reflect.Type) reflect.Type {
	if typ.Kind() == reflect.Pointer {
		return typ.Elem()
	}
	return typ
}

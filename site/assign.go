package site

import "reflect"

// places maps the paths of a resolved site to the values that were written
// there, for example "web.rollout.maxSurge" and "cron[0].command".
type places map[string]*value

// assign puts a value into the Go value that it was decoded for and notes its
// place. An empty list or mapping becomes nil, so that equal sites are equal.
func assign(v *value, into reflect.Value, path string, places places) {
	places[path] = v
	switch {
	case v.kind == scalar:
		into.Set(v.scalar)
	case v.kind == mapping && into.Kind() == reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		assign(v, into.Elem(), path, places)
	case v.kind == mapping && into.Kind() == reflect.Struct:
		assignSection(v, into, path, places)
	case v.kind == mapping:
		assignFreeKeys(v, into, path, places)
	case v.kind == list && len(v.items) > 0:
		into.Set(reflect.MakeSlice(into.Type(), len(v.items), len(v.items)))
		for i, item := range v.items {
			assign(item, into.Index(i), joinIndex(path, i), places)
		}
	}
}

func assignSection(v *value, into reflect.Value, path string, places places) {
	for _, field := range fieldsOf(into.Type()) {
		if of := v.fields[field.name]; of != nil {
			assign(of, into.Field(field.index), join(path, field.name), places)
		}
	}
}

func assignFreeKeys(v *value, into reflect.Value, path string, places places) {
	entries := reflect.MakeMap(into.Type())
	for _, name := range v.names {
		entry := v.fields[name]
		places[join(path, name)] = entry
		if entry.kind == scalar {
			entries.SetMapIndex(reflect.ValueOf(name), entry.scalar)
		}
	}
	if entries.Len() > 0 {
		into.Set(entries)
	}
}

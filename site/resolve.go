package site

import (
	"cmp"
	"reflect"
)

// resolution is a site file merged for one environment.
type resolution struct {
	environment string // as declared; empty if the file declares none
	site        Site
	places      places
	tree        *value
}

// resolveAll merges the file for each of its environments: a mistake in
// production is found when staging is shipped.
func (f *siteFile) resolveAll() []*resolution {
	preset := presetLayer(f.preset())
	f.checkRemovals(preset, f.base, siteType)
	base := merge(withoutReplaced(preset, f.base), f.base)
	if len(f.environments) == 0 {
		return finish([]*resolution{{tree: base}})
	}
	resolutions := make([]*resolution, len(f.environments))
	for i, environment := range f.environments {
		f.checkRemovals(base, environment.section, siteType)
		resolutions[i] = &resolution{environment: environment.name, tree: merge(withoutReplaced(base, environment.section), environment.section)}
	}
	return finish(resolutions)
}

// checkRemovals reports a null for a section that no lower layer has. Whoever
// writes "varnish:" and nothing after it means the opposite.
func (f *siteFile) checkRemovals(lower, upper *value, typ reflect.Type) {
	for _, field := range fieldsOf(typ) {
		v, below := upper.fields[field.name], lower.fields[field.name]
		switch {
		case v == nil:
		case v.kind == absent && below == nil && field.typ.Kind() == reflect.Pointer:
			f.report.add(Problem{
				Line: v.origin.Line, Column: v.origin.Column, Key: v.key,
				Message: "is empty, which removes a section, and there is none to remove", Hint: "write {} for its defaults",
			})
			v.kind = broken
		case v.kind == mapping && sectionType(field.typ).Kind() == reflect.Struct:
			f.checkRemovals(cmp.Or(below, &value{}), v, sectionType(field.typ))
		}
	}
}

// preset returns the preset of the file, and the default for one that does
// not exist: validation reports it.
func (f *siteFile) preset() Preset {
	v := f.base.fields["preset"]
	if v == nil || v.kind != scalar || !isPreset(v.scalar.String()) {
		return PHP
	}
	return Preset(v.scalar.String())
}

// finish fills in the defaults and turns the merged values into sites.
func finish(resolutions []*resolution) []*resolution {
	defaults := defaultLayer()
	extensions := impliedExtensions(resolutions)
	for _, r := range resolutions {
		filled := fill(r.tree, defaults, siteType)
		r.places = places{}
		assign(filled, reflect.ValueOf(&r.site).Elem(), "", r.places)
		r.derive(extensions)
	}
	return resolutions
}

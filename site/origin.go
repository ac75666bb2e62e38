package site

import (
	"fmt"
	"strings"
)

// Origin is where a value of a resolved site was written.
type Origin struct {
	// Source is the name of the site file, "preset <name>", "default", or
	// "derived" for a default that follows from other keys.
	Source string `json:"source"`
	// Environment is the one whose section of the site file has the value;
	// empty for a value that no environment has for itself.
	Environment string `json:"environment,omitempty"`
	// Line and Column count from 1 and are 0 outside the site file.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
}

// String returns "site.yaml:12:3", "preset wordpress", "default" or "derived".
func (o Origin) String() string {
	if o.Line == 0 {
		return o.Source
	}
	return fmt.Sprintf("%s:%d:%d", o.Source, o.Line, o.Column)
}

// The sources of values that neither the file nor its preset gives.
const (
	sourceDefault = "default"
	sourceDerived = "derived"
)

// inFile tells values that the user wrote from those that sitectl filled in.
func (o Origin) inFile() bool { return o.Line > 0 }

// origins returns the origin of every place.
func (ps places) origins() map[string]Origin {
	origins := make(map[string]Origin, len(ps))
	for path, v := range ps {
		if path != "" {
			origin := v.origin
			origin.Environment = environmentOf(v.key)
			origins[path] = origin
		}
	}
	return origins
}

// environmentOf returns the environment in whose section a key is: "staging"
// for "environments.staging.web.replicas".
func environmentOf(key string) string {
	name, found := strings.CutPrefix(key, environmentsKey+".")
	if !found {
		return ""
	}
	if end := strings.IndexAny(name, ".["); end >= 0 {
		name = name[:end]
	}
	return name
}

// at finds the place in the site file at which a problem with a key is
// shown: that of the key, or of the section in which it is missing. It is
// false if the key's shape is already reported as wrong.
func (ps places) at(path string) (origin Origin, key string, ok bool) {
	key = path
	for {
		switch v := ps[path]; {
		case v == nil || v.kind != broken && !v.origin.inFile():
			path = parent(path)
		case v.kind == broken:
			return Origin{}, "", false
		case path == key:
			return v.origin, v.key, true
		default:
			return v.origin, key, true
		}
	}
}

// parent shortens a path by its last key. A dot inside of a quoted key only
// leads to a path at which there is nothing.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

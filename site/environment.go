package site

import (
	"cmp"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// production is the environment that is meant if none is named. Its namespace
// and host carry no name of an environment.
const production = "production"

// environmentsKey holds one section for each environment.
const environmentsKey = "environments"

// fixedKeys are the keys that an environment cannot set, and why.
var fixedKeys = map[string]string{
	"site":          "the site is the same in every environment",
	"image":         "one commit is one image, in every environment",
	"preset":        "one commit is one image, in every environment",
	"build":         "one commit is one image, in every environment",
	"environment":   "an environment is named by its key",
	environmentsKey: "environments do not nest",
}

// environment is the section of one environment.
type environment struct {
	name    string
	section *value
}

// environments reads the sections of all environments.
func (d decoder) environments(node *yaml.Node) []environment {
	if !d.isMapping(node, environmentsKey) {
		return nil
	}
	var all []environment
	for _, pair := range d.pairs(node, environmentsKey) {
		path := join(environmentsKey, pair.name)
		section := d.at(pair.key, d.environment(pair.value, path))
		if !isLabel(pair.name) {
			d.problem(pair.key, path, "expected a name of at most 63 lower case letters, digits and dashes", "")
			continue
		}
		all = append(all, environment{pair.name, section})
	}
	return all
}

// environment reads what one environment sets differently; that may be
// nothing.
func (d decoder) environment(node *yaml.Node, path string) *value {
	if isNull(node) {
		return &value{kind: mapping, origin: d.origin(node), key: path}
	}
	if !d.isMapping(node, path) {
		return d.broken(node, path)
	}
	var free []pair
	for _, pair := range d.pairs(node, path) {
		if reason, fixed := fixedKeys[pair.name]; fixed {
			d.problem(pair.key, join(path, pair.name), "cannot be set for an environment: "+reason, "")
			continue
		}
		free = append(free, pair)
	}
	return d.fields(node, free, siteType, path)
}

// isMapping reports a node outside of the Go types that is no mapping.
func (d decoder) isMapping(node *yaml.Node, key string) bool {
	message, hint := unsupported(node)
	if message == "" && node.Kind != yaml.MappingNode {
		message = "expected a mapping, found " + describe(node)
	}
	if message != "" {
		d.problem(node, key, message, hint)
	}
	return message == ""
}

func (f *siteFile) environmentNames() []string {
	names := make([]string, len(f.environments))
	for i, environment := range f.environments {
		names[i] = environment.name
	}
	return names
}

// choose returns the index of the environment to resolve: the one that is
// named; without a name, "production" if the file declares it, else the only
// one. A file that declares none has only itself, under the name in its key
// environment.
func (f *siteFile) choose(name string) int {
	if len(f.environments) == 0 {
		f.refuseUndeclared(name)
		return 0
	}
	names := f.environmentNames()
	wanted := cmp.Or(name, production)
	if chosen := slices.Index(names, wanted); chosen >= 0 {
		return chosen
	}
	if name == "" && len(names) == 1 {
		return 0
	}
	at := Problem{Line: f.environmentsAt.Line, Column: f.environmentsAt.Column, Key: environmentsKey}
	if name == "" {
		at.Message, at.Hint = "no environment is named and there is no production", "name one: "+oneOf(names)
	} else {
		at.Message, at.Hint = fmt.Sprintf("there is no environment %q", shorten(name)), cmp.Or(suggest(name, names), "declared: "+oneOf(names))
	}
	f.report.add(at)
	return 0
}

// refuseUndeclared reports a name where no environment is declared. A file
// without environments is that of production, which pipelines may well name.
func (f *siteFile) refuseUndeclared(name string) {
	if own := f.ownName(); name != "" && name != own && (name != production || own != "") {
		f.report.add(Problem{
			Line: 1, Column: 1, Message: fmt.Sprintf("there is no environment %q, for the file declares none", shorten(name)),
			Hint: "leave the name out, or declare it under environments",
		})
	}
}

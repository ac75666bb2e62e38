package site

import "go.yaml.in/yaml/v3"

// siteFile is a site file whose keys and types are checked.
type siteFile struct {
	base           *value // all but the environments
	environments   []environment
	environmentsAt Origin
	report         *report
}

// decodeFile reads the root of a site file, or returns nil if it is none.
func decodeFile(root *yaml.Node, report *report) *siteFile {
	d := decoder{source: report.file, report: report, positions: true}
	if !d.isMapping(root, "") {
		return nil
	}
	file := &siteFile{report: report}
	var rest []pair
	for _, pair := range d.pairs(root, "") {
		if pair.name == environmentsKey {
			file.environmentsAt = d.origin(pair.key)
			file.environments = d.environments(pair.value)
			continue
		}
		rest = append(rest, pair)
	}
	file.base = d.fields(root, rest, siteType, "")
	file.refuseOwnName()
	return file
}

// ownName is the name of the environment that a file without environments is
// for. The output of Marshal carries it.
func (f *siteFile) ownName() string {
	if v := f.base.fields["environment"]; v != nil && v.kind == scalar {
		return v.scalar.String()
	}
	return ""
}

func (f *siteFile) refuseOwnName() {
	if v := f.base.fields["environment"]; v != nil && f.environmentsAt.inFile() {
		f.report.add(Problem{
			Line: v.origin.Line, Column: v.origin.Column, Key: "environment",
			Message: "cannot be set in a file that declares environments",
		})
	}
}

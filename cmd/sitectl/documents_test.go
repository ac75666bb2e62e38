package main

import (
	"cmp"
	"encoding"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// documents are what the commands print with --output json, by their words.
// What a command prints with a flag of its own is beside it.
var documents = map[string]any{
	"init":             initResult{},
	"ship":             result{},
	"build":            result{},
	"deploy":           result{},
	"rollback":         result{},
	"recover":          result{},
	"plan":             planResult{},
	"render":           renderResult{},
	"rbac":             objectList{},
	"status":           deployer.Status{},
	"cron list":        []deployer.CronStatus{},
	"backup":           &deployer.Backup{},
	"backup --list":    []deployer.Backup{},
	"history":          historyResult{},
	"unlock":           unlockResult{},
	"destroy":          deployer.Destruction{},
	"doctor":           doctorResult{},
	"config":           site.Site{},
	"config --explain": explanationResult{},
	"version":          versionResult{},
}

// silent are the commands that have nothing to report: they pass on what
// somebody else prints, or print what is no document, or only act.
var silent = []string{
	"run", "exec", "logs", "cron", "cron run", "cron suspend", "cron resume", "restore-db", "schema", "completion", "man",
}

func TestEveryCommandThatReportsHasADocument(t *testing.T) {
	eachCommand(newApp(nil, nil).Commands, "", func(words string, c *cli.Command) {
		hasOutput := flagNamed(c.Flags, "output") != nil
		assert.Equal(t, hasOutput, documents[words] != nil, "%s has --output, and a document", words)
		assert.NotEqual(t, hasOutput, slices.Contains(silent, words), words)
	})
}

// TestDocuments compares the fields of all documents with those that scripts
// count on: one may be added, but none goes or becomes something else.
func TestDocuments(t *testing.T) {
	shapes := map[string]string{} // by the commands that have it
	for _, command := range slices.Sorted(maps.Keys(documents)) {
		shape := strings.Join(fieldLines(reflect.TypeOf(documents[command]), ""), "\n  ")
		shapes[shape] = strings.TrimPrefix(shapes[shape]+", "+command, ", ")
	}
	var blocks []string
	for shape, commands := range shapes {
		blocks = append(blocks, commands+":\n  "+shape+"\n")
	}
	slices.Sort(blocks)
	got := strings.Join(blocks, "\n")
	const path = "testdata/documents.txt"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "go test ./cmd/sitectl -run TestDocuments -update writes it")
}

// The README names the fields of each document.
func TestDocumentsInREADME(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	for command, document := range documents {
		typ := reflect.TypeOf(document)
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if command == "config" {
			continue // a site file
		}
		var names []string
		for _, field := range jsonFields(typ) {
			names = append(names, field.name)
		}
		fields := "`{" + strings.Join(names, ", ") + "}`"
		assert.True(t, strings.Contains(string(data), fields), "the document of %s: %s", command, fields)
	}
}

type jsonField struct {
	name     string
	typ      reflect.Type
	optional bool
}

// jsonFields are the fields of a type in JSON, those of embedded ones included.
func jsonFields(typ reflect.Type) []jsonField {
	var fields []jsonField
	for field := range typ.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" || !field.IsExported() && !field.Anonymous:
		case field.Anonymous && name == "":
			fields = append(fields, jsonFields(field.Type)...)
		default:
			optional := strings.Contains(options, "omit") || field.Type.Kind() == reflect.Pointer
			fields = append(fields, jsonField{cmp.Or(name, field.Name), field.Type, optional})
		}
	}
	return fields
}

var (
	timeType      = reflect.TypeFor[time.Time]()
	textType      = reflect.TypeFor[encoding.TextMarshaler]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
)

// fieldLines lists all fields below a path with their types: "steps[].seconds
// number". What may be missing has a question mark.
func fieldLines(typ reflect.Type, path string) []string {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	line := func(kind string) []string { return []string{strings.TrimSpace(path + " " + kind)} }
	switch {
	case typ == timeType:
		return line("time")
	case typ.Implements(textType) || reflect.PointerTo(typ).Implements(textType):
		return line("string")
	case typ.Implements(marshalerType) || reflect.PointerTo(typ).Implements(marshalerType):
		return line("any")
	}
	switch typ.Kind() {
	case reflect.Struct:
		var lines []string
		for _, field := range jsonFields(typ) {
			at := strings.TrimPrefix(path+"."+field.name, ".")
			if field.optional {
				at += "?"
			}
			lines = append(lines, fieldLines(field.typ, at)...)
		}
		return lines
	case reflect.Slice:
		return fieldLines(typ.Elem(), path+"[]")
	case reflect.Map:
		return fieldLines(typ.Elem(), path+"{}")
	case reflect.String:
		return line("string")
	case reflect.Bool:
		return line("boolean")
	case reflect.Interface:
		return line("any")
	default:
		return line("number")
	}
}

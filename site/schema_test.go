package site

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func indentJSON(t *testing.T, text []byte) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, text, "", "  "))
	return out.String() + "\n"
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(SchemaJSON()))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource(SchemaURL, document))
	schema, err := compiler.Compile(SchemaURL)
	require.NoError(t, err, "it is a valid schema itself")
	return schema
}

// instance reads a site file as an editor does.
func instance(t *testing.T, data []byte) any {
	t.Helper()
	var document any
	require.NoError(t, yaml.Unmarshal(data, &document))
	text, err := json.Marshal(document)
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return value
}

func TestSchemaTakesWhatTheDecoderTakes(t *testing.T) {
	schema := compileSchema(t)
	paths := siteFilePaths(t, "good")
	for _, pattern := range []string{siteFiles + "/good/*.resolved", "../testdata/sites/*/site.yaml"} {
		more, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, more)
		paths = append(paths, more...)
	}
	for _, path := range paths {
		t.Run(filepath.Base(filepath.Dir(path))+" "+filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.NoError(t, schema.Validate(instance(t, data)))
		})
	}
}

// The README names the schema, and its examples fit it.
func TestSchemaInREADME(t *testing.T) {
	data, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	assert.Contains(t, string(data), "\n# yaml-language-server: $schema="+SchemaURL+"\n")
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(data, -1)
	require.NotEmpty(t, examples)
	for _, example := range examples {
		assert.NoError(t, compileSchema(t).Validate(instance(t, example[1])), "%s", example[1])
	}
}

// notInSchema are the bad files whose fault a schema cannot see: one that only
// values together make, or YAML that is fine elsewhere.
var notInSchema = map[string]bool{
	"documents.yaml":              true,
	"environment-none-named.yaml": true,
	"long.yaml":                   true,
	"long-host.yaml":              true,
	"conflicts.yaml":              true,
}

func TestSchemaRefusesWhatItCanSee(t *testing.T) {
	schema := compileSchema(t)
	for _, path := range siteFilePaths(t, "bad") {
		name := filepath.Base(path)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		var document any
		if yaml.Unmarshal(data, &document) != nil || strings.Contains(name, "syntax") || name == "keys.yaml" || name == "yaml-features.yaml" {
			continue // no editor gets as far as the schema
		}
		t.Run(name, func(t *testing.T) {
			err := schema.Validate(instance(t, data))
			assert.Equal(t, notInSchema[name], err == nil, "%v", err)
		})
	}
}

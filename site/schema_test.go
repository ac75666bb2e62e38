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

// A pattern may know less than the check of the same value, but refuses
// nothing that it takes.
func TestPatternsTakeWhatTheChecksTake(t *testing.T) {
	texts := []string{
		"", ".", "..", "./a", "../a", "a", "a/b", "a//b", "a/", "/", "/a", "/a/", "//a", "/a/./b", "a/../b", ".a", "..a", "...", "..a/..b", "-a", "a/-b", ".-a", "_a/b.c-d",
		"a b", "a\"b", "/a?b=c&d=%20", "/.well-known/x", "/~ada/", "/a/../b", "/...", "ä",
		"0", "1", "512", "512m", "512Mi", "1048576", "1048575", "1048576000m", "1.5Gi", ".5Gi", "1.", "+1Gi", "1e7", "1E7", "1e3", "1k", "1000k", "10GiB", "-1Gi", "50m", "0.5", "2", "1n", "1u",
		"example.com", "Example.com", "*.example.com", "127.0.0.1", "a.b-c.d", "-a.b", "a_b.c", "localhost", "x-1",
		"registry.example.com/a", "registry.example.com/a/b_c__d-e.f", "registry.example.com:5000/a", "localhost/a", "localhost:5000/a", "127.0.0.1:5000/a/b", "a/b", "registry.example.com/A",
		"registry.example.com/a:1", "debian:trixie-slim", "varnish:7.7", "a/b:c_D.9-x", "debian", "debian@sha256:" + strings.Repeat("a", 64), "registry.example.com:5000/a/b:c@sha256:" + strings.Repeat("0", 64),
		"my-bucket", "my_db$1", "memory_limit", "opcache.enable", "256M", "${HOME}", "a$b", "a$", "$$", "C:\\log", "E_ALL & ~E_NOTICE",
	}
	for name, test := range map[string]struct {
		check func(string) bool
		rule  Schema
	}{
		"host": {isHost, host}, "wildcard host": {isWildcardHost, anyHost}, "label": {isLabel, label("")}, "object name": {isObjectName, subdomain("")},
		"repository": {isRepository, repository}, "pinned image": {isPinnedImage, pinned}, "folder": {isInside, folder},
		"URL path": {isURLPath, urlPath}, "path prefix": {isPathPrefix, prefix}, "size": {isSize, size}, "CPU": {isCPU, cpu},
		"database name": {isDatabaseName, rule("database.external.name")}, "bucket": {isBucket, rule("files.s3.bucket")}, "ini value": {isIniValue, iniValue},
	} {
		pattern := regexp.MustCompile(test.rule.Pattern)
		taken := 0
		for _, text := range texts {
			if test.check(text) {
				taken++
				assert.True(t, pattern.MatchString(text), "%s: %q", name, text)
				if not := test.rule.Not; not != nil && not.Pattern != "" {
					assert.NotRegexp(t, not.Pattern, text, name)
				}
			}
		}
		assert.Positive(t, taken, name)
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
	"patch-database.yaml":         true,
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

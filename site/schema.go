package site

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
)

// SchemaURL is where editors find the JSON schema of the site file. A site file names it in its first line:
//
//	# yaml-language-server: $schema=https://…
const SchemaURL = "https://raw.githubusercontent.com/sitectl/sitectl/main/site/site.schema.json"

// schemaFile is made of the types, their comments and the presets, by
// go test ./site -run TestSchemaFile -update.
//
//go:embed site.schema.json
var schemaFile []byte

// SchemaJSON returns the JSON schema (draft 7, which all editors know) of the
// site file. What it refuses, Parse refuses, too; Parse knows more, such as
// which values are impossible together.
func SchemaJSON() []byte { return bytes.Clone(schemaFile) }

// Schema describes the value of a key, in the words of JSON Schema. Without a
// Type the value is not limited, or its Ref says how.
type Schema struct {
	Version     string `json:"$schema,omitempty"`
	ID          string `json:"$id,omitempty"`
	Ref         string `json:"$ref,omitempty"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Type        Types  `json:"type,omitempty"`
	Default     any    `json:"default,omitempty"` // of a key that neither the file nor its preset sets
	Enum        []any  `json:"enum,omitempty"`
	Examples    []any  `json:"examples,omitempty"`

	Pattern string `json:"pattern,omitempty"` // of text
	// Expected is what the pattern means, in words: "an amount of CPU, such
	// as 50m or 2". Editors know the keyword.
	Expected  string `json:"patternErrorMessage,omitempty"`
	MinLength int    `json:"minLength,omitempty"`
	MaxLength int    `json:"maxLength,omitempty"` // in characters

	Minimum *int64 `json:"minimum,omitempty"`
	Maximum *int64 `json:"maximum,omitempty"`

	Items       *Schema `json:"items,omitempty"`
	MinItems    int     `json:"minItems,omitempty"`
	UniqueItems bool    `json:"uniqueItems,omitempty"`

	Properties Properties `json:"properties,omitempty"`
	// Additional describes the values of keys that anybody can choose, such
	// as those of php.ini; it is false for a section.
	Additional    *Schema  `json:"additionalProperties,omitempty"`
	PropertyNames *Schema  `json:"propertyNames,omitempty"`
	Required      []string `json:"required,omitempty"`

	AnyOf []*Schema `json:"anyOf,omitempty"`
	Not   *Schema   `json:"not,omitempty"`
	If    *Schema   `json:"if,omitempty"`
	Then  *Schema   `json:"then,omitempty"`

	// Never is the schema "false", which no value fits.
	Never bool `json:"-"`
}

// MarshalJSON writes the schema that no value fits as false.
func (s *Schema) MarshalJSON() ([]byte, error) {
	if s.Never {
		return []byte("false"), nil
	}
	type plain Schema
	return encodeJSON((*plain)(s))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Schema) UnmarshalJSON(data []byte) error {
	if string(data) == "false" {
		*s = Schema{Never: true}
		return nil
	}
	type plain Schema
	return json.Unmarshal(data, (*plain)(s))
}

// Types are the types that a value may have: one or several of "object",
// "array", "string", "integer", "number", "boolean" and "null".
type Types []string

// MarshalJSON writes a single type as text.
func (t Types) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Types) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte("[")) {
		return json.Unmarshal(data, (*[]string)(t))
	}
	*t = make(Types, 1)
	return json.Unmarshal(data, &(*t)[0])
}

// Property is a key of a section.
type Property struct {
	Name   string
	Schema *Schema
}

// Properties are the keys of a section, in the order in which they are
// explained.
type Properties []Property

// Find returns the schema of a key, nil if there is none.
func (ps Properties) Find(name string) *Schema {
	for _, p := range ps {
		if p.Name == name {
			return p.Schema
		}
	}
	return nil
}

// MarshalJSON writes an object with its keys in order.
func (ps Properties) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, p := range ps {
		if i > 0 {
			out.WriteByte(',')
		}
		name, err := json.Marshal(p.Name)
		if err != nil {
			return nil, err
		}
		schema, err := encodeJSON(p.Schema)
		if err != nil {
			return nil, err
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(schema)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// UnmarshalJSON reads an object and keeps the order of its keys.
func (ps *Properties) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil { // the brace
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		p := Property{Name: fmt.Sprint(name), Schema: &Schema{}}
		if err := decoder.Decode(p.Schema); err != nil {
			return err
		}
		*ps = append(*ps, p)
	}
	return nil
}

// encodeJSON leaves characters such as < as they are.
func encodeJSON(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

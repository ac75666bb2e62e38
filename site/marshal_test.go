package site

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKeys shows that YAML and JSON have the same keys.
func TestKeys(t *testing.T) {
	for _, section := range sectionTypes(siteType) {
		for i := range section.NumField() {
			tag := section.Field(i).Tag
			assert.NotEmpty(t, tag.Get("yaml"), "%s.%s", section, section.Field(i).Name)
			assert.Equal(t, tag.Get("yaml"), tag.Get("json"), "%s.%s", section, section.Field(i).Name)
		}
	}
}

// sectionTypes returns the types of a section and all sections in it.
func sectionTypes(typ reflect.Type) []reflect.Type {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice:
		return sectionTypes(typ.Elem())
	case reflect.Struct:
		types := []reflect.Type{typ}
		for i := range typ.NumField() {
			types = append(types, sectionTypes(typ.Field(i).Type)...)
		}
		return types
	default:
		return nil
	}
}

func TestJSON(t *testing.T) {
	site := complete(t)
	text, err := json.Marshal(site)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"progressDeadline":"5m"`)
	var again Site
	require.NoError(t, json.Unmarshal(text, &again))
	assert.Equal(t, site, again)
}

func TestMarshalUnknownPreset(t *testing.T) {
	_, err := Marshal(Site{Address: "example.com", Preset: "joomla"})
	assert.EqualError(t, err, `write site example.com: there is no preset "joomla"`)
}

func TestDuration(t *testing.T) {
	for text, span := range map[string]time.Duration{
		"0s": 0, "5s": 5 * time.Second, "1m": time.Minute, "1m5s": 65 * time.Second, "10m": 10 * time.Minute,
		"1h": time.Hour, "1h30m": 90 * time.Minute, "1h0m5s": time.Hour + 5*time.Second, "-5m": -5 * time.Minute, "20h": 20 * time.Hour,
	} {
		assert.Equal(t, text, Duration(span).String())
		var read Duration
		require.NoError(t, read.UnmarshalText([]byte(text)))
		assert.Equal(t, span, read.Duration())
		assert.Equal(t, int64(span/time.Second), read.Seconds())
	}
	var d Duration
	assert.ErrorContains(t, d.UnmarshalText([]byte("soon")), `read duration: time: invalid duration "soon"`)
}

// TestMarshalScripts shows that texts of several lines read back.
func TestMarshalScripts(t *testing.T) {
	for _, script := range []string{
		"echo a\necho b\n", "echo a\necho b", "\n- a", " indented\nnot indented", "a\n\n\n", "\n", "a\r\nb", "a\tb\n", "# a\n# b\n", "a: b\n---\n...\n", "a \nb",
	} {
		site := complete(t)
		site.Cron[0].Command = []string{"sh", "-c", script}
		text, err := Marshal(site)
		require.NoError(t, err)
		again, err := Parse("resolved.yaml", text, "")
		require.NoError(t, err, "%s", text)
		assert.Equal(t, site, again)
	}
}

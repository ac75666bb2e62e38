package deployer

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/templates"
)

// TestRawVariablesAreNumbers: {{{name}}} writes a value as it stands, so the
// field must be a number or a boolean wherever the name leads.
func TestRawVariablesAreNumbers(t *testing.T) {
	kinds := map[string][]reflect.Kind{}
	fieldKinds(reflect.TypeFor[cronView](), kinds)
	fieldKinds(reflect.TypeFor[backupJobView](), kinds)
	raw := regexp.MustCompile(`\{\{\{ *([^}]*?) *\}\}\}|\{\{& *([^}]*?) *\}\}`)

	count := 0
	for name, text := range kubernetesTemplates(t) {
		for _, match := range raw.FindAllStringSubmatch(text, -1) {
			count++
			variable := match[1] + match[2]
			field := variable[strings.LastIndex(variable, ".")+1:]
			require.NotEmpty(t, kinds[field], "%s: no view has %q", name, variable)
			for _, kind := range kinds[field] {
				assert.Contains(t, []reflect.Kind{reflect.Bool, reflect.Int32, reflect.Int64}, kind, "%s: %s", name, variable)
			}
		}
	}
	assert.NotZero(t, count)
}

// fieldKinds collects the kinds of all fields of a view by their names.
func fieldKinds(view reflect.Type, kinds map[string][]reflect.Kind) {
	switch view.Kind() {
	case reflect.Pointer, reflect.Slice:
		fieldKinds(view.Elem(), kinds)
	case reflect.Struct:
		for i := range view.NumField() {
			field := view.Field(i)
			if !slices.Contains(kinds[field.Name], field.Type.Kind()) {
				kinds[field.Name] = append(kinds[field.Name], field.Type.Kind())
			}
			fieldKinds(field.Type, kinds)
		}
	}
}

// TestQuotesComeFromTheRenderer: quotes around a variable would be doubled,
// and a variable inside a longer text would not be quoted as a whole.
func TestQuotesComeFromTheRenderer(t *testing.T) {
	alone := regexp.MustCompile(`^[^{]*(: |- |\[|, ?)\{\{[A-Za-z.]+\}\}(\]|, .*)?$|^[^{]*(: |- )\{\{\{[A-Za-z.]+\}\}\}$|^\s*\{\{[#/^>] ?[A-Za-z.-]+\}\}$|^\s*\{\{Key\}\}: \{\{Value\}\}$`)
	for name, text := range kubernetesTemplates(t) {
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\n")
			if strings.Contains(line, "{{") {
				assert.Regexp(t, alone, line, name)
			}
		}
	}
}

func kubernetesTemplates(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, folder := range []string{"kubernetes", "kubernetes/partials"} {
		names, err := templates.Names(folder)
		require.NoError(t, err)
		require.NotEmpty(t, names)
		for _, name := range names {
			text, err := templates.Static(name + ".mustache")
			require.NoError(t, err)
			texts[name] = string(text)
		}
	}
	return texts
}

// TestEveryTemplateIsUsed keeps the folder and the layout together.
func TestEveryTemplateIsUsed(t *testing.T) {
	used := []string{"kubernetes/backup.job.yaml"} // rendered when it is its turn
	for _, name := range []string{"everything", "shop", "gateway", "database"} {
		s := readSite(t, name, "")
		v, err := newView(s, testImage(s))
		require.NoError(t, err)
		for _, r := range layout(v, s.Cron) {
			used = append(used, "kubernetes/"+r.template+".yaml")
		}
	}
	names, err := templates.Names("kubernetes")
	require.NoError(t, err)
	for _, name := range names {
		assert.Contains(t, used, name)
	}
}

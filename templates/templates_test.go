package templates

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func TestQuoteJSONRoundTripsThroughYAML(t *testing.T) {
	values := []string{
		"", "plain", `"`, `'`, `\`, "line\nfeed", "tab\t", "\r", "nul\x00", "del\x7f", "nel\u0085", "c1\u009f",
		"\u2028\u2029", "\ufeffbom", "\ufffe\uffff", "emoji \U0001f600", "last \U0010ffff", "no", "~", "1e3", "0440", "# no comment",
		"{{Name}}", "<&>", "- item", "? key", "*alias &anchor !tag", "%directive", "@at `tick",
	}
	for _, value := range values {
		t.Run(value, func(t *testing.T) {
			quoted, err := quoteJSON(value)
			require.NoError(t, err)
			assert.NotContains(t, quoted, "\n")
			var got map[string]string
			require.NoError(t, yaml.UnmarshalStrict([]byte("key: "+quoted+"\nlist: ''\n"), &got))
			assert.Equal(t, value, got["key"])
		})
	}
}

func TestQuoteJSONReplacesInvalidUTF8(t *testing.T) {
	quoted, err := quoteJSON("a\xffb")
	require.NoError(t, err)
	var got string
	require.NoError(t, yaml.Unmarshal([]byte(quoted), &got))
	assert.Equal(t, "a\ufffdb", got)
}

func TestQuotings(t *testing.T) {
	tests := []struct {
		template, value, want string
	}{
		{"build/Dockerfile", `a "b" $c \d`, `"a \"b\" \$c \\d"`},
		{"build/apache2.conf", "/var/www/site", `"/var/www/site"`},
		{"build/php.ini", "256M", `"256M"`},
		{"kubernetes/x.yaml", `a "b"`, `"a \"b\""`},
	}
	for _, test := range tests {
		t.Run(test.template, func(t *testing.T) {
			quote, err := quoting(test.template)
			require.NoError(t, err)
			got, err := quote(test.value)
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}

func TestQuotingsRefuseWhatTheyCannotHold(t *testing.T) {
	tests := []struct{ template, value string }{
		{"build/Dockerfile", "line\nfeed"},
		{"build/apache2.conf", `a"b`},
		{"build/apache2.conf", "a\nb"},
		{"build/apache2.conf", "${HOME}"},
		{"build/php.ini", `a\b`},
		{"kubernetes/default.vcl", "nul\x00"},
	}
	for _, test := range tests {
		quote, err := quoting(test.template)
		require.NoError(t, err)
		_, err = quote(test.value)
		assert.Error(t, err, "%s %q", test.template, test.value)
	}
}

func TestUnknownLanguageHasNoQuoting(t *testing.T) {
	_, err := quoting("build/script.sh")
	assert.Error(t, err)
}

func TestPartialsKeepTheirIndentation(t *testing.T) {
	got := indent("a:\n  b: 1\n\nc: 2\n", "    ")
	assert.Equal(t, "    a:\n      b: 1\n\n    c: 2\n", got)
}

func TestMissingVariableIsAnError(t *testing.T) {
	_, err := Render("kubernetes/namespace.yaml", struct{}{})
	assert.ErrorContains(t, err, "Namespace")
}

func TestUnknownTemplateIsAnError(t *testing.T) {
	_, err := Render("kubernetes/nothing.yaml", struct{}{})
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestNamesAreSortedAndWithoutExtension(t *testing.T) {
	names, err := Names("kubernetes")
	require.NoError(t, err)
	assert.IsIncreasing(t, names)
	for _, name := range names {
		assert.True(t, strings.HasSuffix(name, ".yaml"), name)
	}
}

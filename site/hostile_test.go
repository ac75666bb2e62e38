package site

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hostileValues would change the structure of something that a careless
// program puts them into: YAML, JSON, a Dockerfile, a configuration file, a
// template, a shell, a path, a terminal, a log.
var hostileValues = []string{
	`"`, `'`, "`id`", `\`, `a"b: c`, `a' #`, "a\nb: c", "a\r\nb", "\n- a", "a\tb", "\x00", "a\x00b", "\x1b[31mred", "\u0085", "\u2028", "\u2029",
	"\u202e", "\ufeff", "{{image}}", "{{{image}}}", "{{#a}}", "{{> partial}}", "}}", "${HOME}", "$(id)", "$$(id)", "%{ENV}", "%s%n",
	"# comment", "a # b", "- item", "*alias", "&anchor", "!!binary x", "| ", "> ", "? a", ": ", "a: b", "[a, b]", "{a: b}", "@a", "---", "...", "<<",
	"null", "~", "true", "no", "012", "1e3", "0x1F", "2024-01-01", ".inf", "",
	" leading", "trailing ", "..", "../../etc/passwd", "/etc/passwd", "-rf", "--help", "a;b", "a|b", "a&b", "<script>", "</Directory>", "*.?[a]",
	"é", "日本", "😀", strings.Repeat("a", 64), strings.Repeat("a", 2<<10),
}

// texts calls visit for every text in a site, by its path.
func texts(v reflect.Value, path string, visit func(path string, text reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		texts(v.Elem(), path, visit)
	case reflect.Struct:
		for _, field := range fieldsOf(v.Type()) {
			texts(v.Field(field.index), join(path, field.name), visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			texts(v.Index(i), joinIndex(path, i), visit)
		}
	case reflect.String:
		visit(path, v)
	}
}

// alternatives are texts of which a site has one or another.
var alternatives = []string{
	"ingress.class", "ingress.tls.issuer", "ingress.tls.secret",
	"notify[0].urlFrom.file", "notify[1].urlFrom.env", "notify[1].template",
}

// behindAGateway replaces the Ingress of a site.
func behindAGateway(site Site) Site {
	ingress, tls := *site.Ingress, *site.Ingress.TLS
	ingress.Class, tls.Issuer = "", ""
	ingress.Gateway = &Gateway{Name: "edge", Namespace: "gateways", Section: "https"}
	ingress.TLS, site.Ingress = &tls, &ingress
	return site
}

// withCertificate replaces the issuer of a site by a certificate.
func withCertificate(site Site) Site {
	ingress, tls := *site.Ingress, *site.Ingress.TLS
	tls.Issuer, tls.Secret = "", "certificate"
	ingress.TLS, site.Ingress = &tls, &ingress
	return site
}

// complete returns a site in which every text is set.
func complete(t *testing.T) Site {
	t.Helper()
	data, err := os.ReadFile(siteFiles + "/good/full.yaml")
	require.NoError(t, err)
	site, err := Parse("site.yaml", data, "production")
	require.NoError(t, err)
	site.Build.Dockerfile = "docker/Dockerfile"
	site.Cron[1].TimeZone = "UTC"
	return site
}

// completeElsewhere returns the same with the other kinds of services, behind
// a Gateway.
func completeElsewhere(t *testing.T) Site {
	t.Helper()
	elsewhere, err := Read(siteFiles+"/good/external.yaml", "production")
	require.NoError(t, err)
	site := complete(t)
	site.Database, site.Cache, site.Files = elsewhere.Database, elsewhere.Cache, elsewhere.Files
	return behindAGateway(site)
}

// TestHostileValues puts a hostile value into every text of a site: each is
// refused with the path of its key, or kept as it is.
func TestHostileValues(t *testing.T) {
	for _, value := range hostileValues {
		t.Run(strconv.QuoteToASCII(shorten(value)), func(t *testing.T) {
			testHostileValue(t, complete(t), value)
			testHostileValue(t, completeElsewhere(t), value)
			testHostileValue(t, withCertificate(complete(t)), value)
		})
	}
}

func testHostileValue(t *testing.T, site Site, value string) {
	t.Helper()
	usual := map[string]string{}
	texts(reflect.ValueOf(&site), "", func(path string, text reflect.Value) {
		if text.String() == "" && slices.Contains(alternatives, path) {
			return
		}
		require.NotEmpty(t, text.String(), "the sample sets %s", path)
		usual[path] = text.String()
		text.SetString(value)
	})
	got, err := Parse("site.yaml", asJSON(t, site), "")
	for err != nil {
		refused := 0
		texts(reflect.ValueOf(&site), "", func(path string, text reflect.Value) {
			if text.String() != usual[path] && refuses(t, err, path) {
				text.SetString(usual[path])
				refused++
			}
		})
		require.NotZero(t, refused, err)
		got, err = Parse("site.yaml", asJSON(t, site), "")
	}
	assert.Equal(t, site, got, "what is not refused is kept as it is")
}

// asJSON writes a site as JSON, which is YAML too and leaves no choice of how
// to quote.
func asJSON(t *testing.T, site Site) []byte {
	t.Helper()
	text, err := json.Marshal(site)
	require.NoError(t, err)
	var ascii strings.Builder
	for _, r := range string(text) {
		if r < 0x7f {
			ascii.WriteRune(r)
		} else {
			fmt.Fprintf(&ascii, `\U%08x`, r)
		}
	}
	return []byte(ascii.String())
}

// refuses tells whether a problem is about a key or the section it is in.
func refuses(t *testing.T, err error, path string) bool {
	t.Helper()
	var problems Problems
	require.ErrorAs(t, err, &problems)
	return slices.ContainsFunc(problems, func(p Problem) bool {
		return p.Key == path || strings.HasPrefix(path, p.Key+"[") || strings.HasPrefix(path, p.Key+".")
	})
}

// TestHostileIni does the same for a mapping with free keys.
func TestHostileIni(t *testing.T) {
	for _, value := range hostileValues {
		if len(value) > 1000 {
			continue // YAML itself refuses a key of 1024 characters
		}
		for _, ini := range []map[string]string{{value: "1"}, {"memory_limit": value}} {
			site := complete(t)
			site.Build.PHP.Ini = ini
			got, err := Parse("site.yaml", asJSON(t, site), "")
			if err == nil {
				assert.Equal(t, site, got, "%q", value)
				continue
			}
			var problems Problems
			require.ErrorAs(t, err, &problems)
			assert.True(t, strings.HasPrefix(problems[0].Key, "build.php.ini"), "%q: %v", value, err)
		}
	}
}

// TestLongTexts shows where texts end: the limit of Linux for an argument, and
// a limit of our own for anything else.
func TestLongTexts(t *testing.T) {
	site := complete(t)
	site.Cron[0].Command = []string{"echo", strings.Repeat("a", maxArgument)}
	site.Context = strings.Repeat("a", maxText)
	got, err := Parse("site.yaml", asJSON(t, site), "")
	require.NoError(t, err)
	assert.Equal(t, site, got)

	site.Cron[0].Command[1] += "a"
	site.Context += "a"
	_, err = Parse("site.yaml", asJSON(t, site), "")
	assert.ErrorContains(t, err, "cron[0].command[1]: expected at most 131071 bytes, found")
	assert.ErrorContains(t, err, "context: expected at most 1024 bytes, found")
	assert.Less(t, len(err.Error()), 1000, "the message is short")
}

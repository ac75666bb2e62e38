package deployer

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/site"
)

func TestIngressAnnotations(t *testing.T) {
	const nginx = "nginx.ingress.kubernetes.io/"
	usual := []annotationView{{nginx + "proxy-body-size", "0"}, {nginx + "proxy-read-timeout", "60"}, {nginx + "proxy-send-timeout", "60"}}
	tests := []struct {
		name    string
		ingress site.Ingress
		want    []annotationView
	}{
		{"plain", site.Ingress{}, usual},
		{"a certificate", site.Ingress{TLS: &site.TLS{Issuer: "letsencrypt", Redirect: true}}, append([]annotationView{{"cert-manager.io/cluster-issuer", "letsencrypt"}}, usual...)},
		{"HTTP and HTTPS", site.Ingress{TLS: &site.TLS{}}, append(usual[:3:3], annotationView{nginx + "ssl-redirect", "false"})},
		{"the site's own come last", site.Ingress{Annotations: map[string]string{nginx + "proxy-body-size": "8m", "a": "b"}}, []annotationView{
			{"a", "b"}, {nginx + "proxy-body-size", "8m"}, usual[1], usual[2],
		}},
		{"a Gateway has none", site.Ingress{Gateway: &site.Gateway{}, TLS: &site.TLS{}}, nil},
		{"but the site's own", site.Ingress{Gateway: &site.Gateway{}, Annotations: map[string]string{"a": "b"}}, []annotationView{{"a", "b"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.ingress.Timeout = site.Duration(time.Minute)
			assert.Equal(t, test.want, ingressAnnotations(&test.ingress))
		})
	}
}

func TestHSTSHeader(t *testing.T) {
	year := site.Duration(8760 * time.Hour)
	assert.Empty(t, hstsHeader(nil))
	assert.Equal(t, "max-age=31536000", hstsHeader(&site.HSTS{MaxAge: year}))
	assert.Equal(t, "max-age=31536000; includeSubDomains; preload", hstsHeader(&site.HSTS{MaxAge: year, Subdomains: true, Preload: true}))
}

// TestLiteral: what matches a text matches nothing else, and needs no
// backslash.
func TestLiteral(t *testing.T) {
	for _, text := range []string{"www.example.com", "/healthz", "/a+b(c)*$d", "/x[1]|{2}"} {
		pattern := literal(text)
		assert.NotContains(t, pattern, `\`)
		assert.True(t, regexp.MustCompile("^"+pattern+"$").MatchString(text), pattern)
	}
	assert.False(t, regexp.MustCompile("^"+literal("www.example.com")+"$").MatchString("wwwxexample.com"))
}

// TestNoCacheBehindAPassword: an answer that Apache gives to somebody with a
// password, or to who verifies the release, must not reach anybody else.
func TestNoCacheBehindAPassword(t *testing.T) {
	s := readSite(t, "everything", "staging")
	require.NotEmpty(t, s.Ingress.BasicAuth)
	vcl, err := varnishConfiguration(s, nil)
	require.NoError(t, err)
	assert.Contains(t, vcl, "not for others.\n    return (pass);\n")
	s.Ingress.BasicAuth = ""
	vcl, err = varnishConfiguration(s, nil)
	require.NoError(t, err)
	assert.NotContains(t, vcl, "for others")
}

// TestEdgeRollsThePods: Apache reads its configuration when it starts.
func TestEdgeRollsThePods(t *testing.T) {
	s := readSite(t, "plain", "")
	before, err := newView(s, testImage(s))
	require.NoError(t, err)
	s.Ingress.Noindex = true
	after, err := newView(s, testImage(s))
	require.NoError(t, err)
	assert.NotEqual(t, before.ConfigChecksum, after.ConfigChecksum)
}

func TestPreflightLooksForTheSecretsOfTheEdge(t *testing.T) {
	s := readSite(t, "everything", "staging")
	s.Ingress.TLS = &site.TLS{Secret: "certificate"}
	c := newFakeCluster(t, s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}})
	findings, err := c.checkSecrets(t.Context(), preflight{exists: true})
	require.NoError(t, err)
	var missing []string
	for _, finding := range findings {
		missing = append(missing, finding.About)
	}
	assert.Equal(t, []string{"Secret smtp", "Secret payment", "Secret search", "Secret colleagues", "Secret certificate"}, missing)
}

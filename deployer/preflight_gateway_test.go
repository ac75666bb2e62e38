package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
)

// TestGatewayThatTakesARoute asks for the Gateway of a site for example.com, *.example.com
// and example.org, at the listener https of Gateway public.
func TestGatewayThatTakesARoute(t *testing.T) {
	const listener = "{name: https, port: 443, protocol: HTTPS, allowedRoutes: {namespaces: {from: All}}"
	tests := []struct {
		name, listeners, conditions string
		want                        []string
	}{
		{"for everybody", listener + "}", "", nil},
		{"ready", listener + "}", `{type: Programmed, status: "True"}`, nil},
		{"not ready", listener + "}", `{type: Programmed, status: Unknown, message: Waiting for controller}`, []string{"is not programmed: Waiting for controller"}},
		{"only others", "{name: http, port: 80, protocol: HTTP}, {name: https, port: 443, protocol: TLS}", "", []string{`has no listener "https" for HTTP routes`}},
		{"other kinds", "{name: https, port: 443, protocol: HTTPS, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}", "", []string{`has no listener "https" for HTTP routes`}},
		{"its own namespace", "{name: https, port: 443, protocol: HTTPS}", "", []string{"takes no routes from the namespace example-com"}},
		{"nobody", "{name: https, port: 443, protocol: HTTPS, allowedRoutes: {namespaces: {from: None}}}", "", []string{"takes no routes from the namespace example-com"}},
		{"chosen", "{name: https, port: 443, protocol: HTTPS, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {public: here}}}}}", "", nil},
		{"not chosen", "{name: https, port: 443, protocol: HTTPS, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {public: elsewhere}}}}}", "", []string{"takes no routes from the namespace example-com"}},
		{"by its name", "{name: https, port: 443, protocol: HTTPS, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: example-com}}}}}", "", nil},
		{"other hosts", listener + `, hostname: "*.example.com"}`, "", []string{"has no listener for example.com, example.org"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := readSite(t, "gateway", "")
			c := newFakeCluster(t, s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace, Labels: map[string]string{"public": "here"}}})
			c.withGateway(fromYAML(t, `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: gateways}
spec: {listeners: [`+test.listeners+`]}
status: {conditions: [`+test.conditions+`]}
`))
			assert.Equal(t, test.want, c.gatewayFindings(t))
		})
	}
}

// withGateway answers for the Gateway of the site.
func (c *fakeCluster) withGateway(found *unstructured.Unstructured) {
	c.dyn.PrependReactor("get", "gateways", func(action clienttesting.Action) (bool, runtime.Object, error) {
		assert.Equal(c.t, "gateways/public", action.GetNamespace()+"/"+nameOf(action))
		return true, found, nil
	})
}

// gatewayFindings are the messages of what is wrong with the Gateway.
func (c *fakeCluster) gatewayFindings(t *testing.T) []string {
	t.Helper()
	objects, err := Objects(c.site, testImage(c.site))
	require.NoError(t, err)
	exists, err := c.namespaceExists(t.Context())
	require.NoError(t, err)
	found, err := c.checkGateway(t.Context(), preflight{objects: objects, exists: exists})
	require.NoError(t, err)
	var list []string
	for _, f := range found {
		assert.Equal(t, "Gateway gateways/public", f.About)
		list = append(list, f.Message)
	}
	return list
}

func TestOverlap(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"example.com", "example.com", true},
		{"example.com", "example.org", false},
		{"*.example.com", "a.example.com", true},
		{"*.example.com", "a.b.example.com", true},
		{"*.example.com", "example.com", false},
		{"*.example.com", "*.example.com", true},
		{"*.example.com", "*.b.example.com", true},
		{"*.a.example.com", "*.b.example.com", false},
		{"*.example.com", "badexample.com", false},
	} {
		assert.Equal(t, test.want, overlap(test.a, test.b), "%s %s", test.a, test.b)
		assert.Equal(t, test.want, overlap(test.b, test.a), "%s %s", test.b, test.a)
	}
}

//go:build lab

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// TestShipBehindAGateway: an HTTPRoute leads to a site through a Gateway of
// Traefik's, and one that its Gateway would not take stops the ship before
// anything is touched.
func TestShipBehindAGateway(t *testing.T) {
	t.Parallel()
	s := newLabSample(t, "brochure", "gateway")
	g := newGateway(t, s.namespace+"-gateways")
	behind := func(name string) {
		s.edit(t, func(file map[string]any) {
			file["ingress"] = map[string]any{
				"hosts":   []string{s.address},
				"gateway": map[string]any{"name": name, "namespace": g.namespace},
			}
		})
		s.commit(t, "behind the Gateway "+name)
	}
	for name, message := range map[string]string{
		"nobody":    "does not exist",
		"own":       "takes no routes from the namespace " + s.namespace,
		"elsewhere": "has no listener for " + s.address,
	} {
		behind(name)
		out := s.sitectl(t, "ship")
		assert.Equal(t, int(statusFailed), out.status)
		assert.Contains(t, out.stderr, fmt.Sprintf("Gateway %s/%s: %s", g.namespace, name, message))
	}
	_, err := s.cluster.CoreV1().Namespaces().Get(t.Context(), s.namespace, metav1.GetOptions{})
	require.Error(t, err, "nothing was touched")

	behind("public")
	s.ship(t)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Contains(c, g.page(c, s.address), "Brochure")
	}, 30*time.Second, 200*time.Millisecond)
}

// gatewayed is a Traefik of its own, with Gateways in a namespace.
type gatewayed struct {
	namespace string
	address   string // where it serves
}

var (
	definitions    = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	gatewayClasses = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gatewayclasses"}
	gateways       = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}
	namespaces     = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
)

func newGateway(t *testing.T, namespace string) gatewayed {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", lab(t, "KUBECONFIG"))
	require.NoError(t, err)
	client, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	g := gatewayed{namespace: namespace, address: freeAddress(t)}
	installGatewayAPI(t, client)
	g.apply(t, client, namespaces, "{apiVersion: v1, kind: Namespace, metadata: {name: "+namespace+"}}")
	g.apply(t, client, gatewayClasses, `{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: sitectl-test},
		spec: {controllerName: traefik.io/gateway-controller}}`)
	_, port, err := net.SplitHostPort(g.address)
	require.NoError(t, err)
	for name, listener := range map[string]string{
		"public":    "allowedRoutes: {namespaces: {from: All}}",
		"own":       "allowedRoutes: {namespaces: {from: Same}}",
		"elsewhere": `hostname: "*.example.com", allowedRoutes: {namespaces: {from: All}}`,
	} {
		g.apply(t, client, gateways, fmt.Sprintf(`{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: %s, namespace: %s},
			spec: {gatewayClassName: sitectl-test, listeners: [{name: http, port: %s, protocol: HTTP, %s}]}}`, name, namespace, port, listener))
	}
	g.start(t)
	return g
}

// start runs the lab's Traefik once more, with no other provider.
func (g gatewayed) start(t *testing.T) {
	t.Helper()
	traefik := exec.Command(labProgram(t, "traefik"), "--entrypoints.web.address="+g.address, "--providers.kubernetesgateway",
		"--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.nocolor")
	traefik.Env = append(os.Environ(), "KUBECONFIG="+lab(t, "KUBECONFIG"))
	traefik.Stdout, traefik.Stderr = t.Output(), t.Output()
	traefik.Dir = t.TempDir()
	require.NoError(t, traefik.Start())
	t.Cleanup(func() {
		_ = traefik.Process.Kill()
		_ = traefik.Wait()
	})
}

// page asks for the first page of a site.
func (g gatewayed) page(t require.TestingT, host string) string {
	request, err := http.NewRequest(http.MethodGet, "http://"+g.address, nil)
	require.NoError(t, err)
	request.Host = host
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, string(body))
	return string(body)
}

// apply makes an object for the time of the test.
func (g gatewayed) apply(t *testing.T, client dynamic.Interface, resource schema.GroupVersionResource, manifest string) {
	t.Helper()
	object := &unstructured.Unstructured{}
	require.NoError(t, yaml.Unmarshal([]byte(manifest), &object.Object))
	objects := client.Resource(resource).Namespace(object.GetNamespace())
	_, err := objects.Apply(t.Context(), object.GetName(), object, metav1.ApplyOptions{FieldManager: "test", Force: true})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, client.Resource(resource).Namespace(object.GetNamespace()).Delete(context.Background(), object.GetName(), metav1.DeleteOptions{}))
	})
}

// installGatewayAPI adds the kinds of the Gateway API to the cluster, from the
// module whose types sitectl renders. They stay: to remove one would remove
// every object of it.
func installGatewayAPI(t *testing.T, client dynamic.Interface) {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "config/crd/standard/gateway.networking.k8s.io_*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		manifest, err := os.ReadFile(file)
		require.NoError(t, err)
		definition := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal(manifest, &definition.Object))
		_, err = client.Resource(definitions).Apply(t.Context(), definition.GetName(), definition, metav1.ApplyOptions{FieldManager: "test", Force: true})
		require.NoError(t, err)
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		for _, resource := range []schema.GroupVersionResource{gatewayClasses, gateways} {
			_, err := client.Resource(resource).List(t.Context(), metav1.ListOptions{})
			assert.NoError(c, err)
		}
	}, time.Minute, 200*time.Millisecond)
}

package deployer

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"github.com/sitectl/sitectl/site"
)

// examine looks at all parts, and writes what they find as doctor does.
func (c *fakeCluster) examine() []string {
	c.t.Helper()
	c.date = func(context.Context) (time.Time, error) { return time.Now().Truncate(time.Second), nil }
	e := c.Examine(testImage(c.site))
	found, err := e.Reach(c.t.Context())
	require.NoError(c.t, err)
	for _, part := range Parts() {
		more, err := part.Look(e, c.t.Context())
		require.NoError(c.t, err, part.Name)
		found = append(found, more...)
	}
	var lines []string
	for _, f := range found {
		lines = append(lines, mark(f)+" "+f.About+": "+f.Message)
	}
	return lines
}

func mark(d Diagnosis) string {
	switch {
	case d.Well:
		return "ok"
	case d.Unseen:
		return "??"
	case d.Warning:
		return "!!"
	default:
		return "no"
	}
}

func TestExaminationOfAWellEquippedCluster(t *testing.T) {
	s := readSite(t, "everything", "production")
	c := newFakeCluster(t, s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}})
	for _, name := range []string{"smtp", "payment", "search", "registry"} {
		c.put(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.Namespace}})
	}
	c.context = "stable"
	c.version("v1.36.3")
	c.permit(anyone)
	c.equip()
	objects, err := Objects(s, testImage(s))
	require.NoError(t, err)
	assert.Equal(t, []string{
		"ok cluster: Kubernetes v1.36.3 at https://cluster.example.com:6443 (context stable)",
		"ok clock: differs from the API server's by 1s at most",
		"ok permissions: everything in namespace example-com",
		"ok namespace example-com: is there, or must not be read",
		"ok Secret registry: is there; each ship renews it",
		"ok Secret smtp: is there",
		"ok Secret payment: is there",
		"ok Secret search: is there",
		"ok storage class: cephfs, slow, the cluster's default",
		"ok ingress class: traefik (Ingress web)",
		"ok issuer letsencrypt: is there (cert-manager)",
		fmt.Sprintf("ok objects: the API server takes all %d in a dry run", len(objects)),
	}, c.examine())
	assert.Empty(t, c.requests("update", "delete"), "nothing is changed")
}

// What Preflight finds is found, and what is well beside it.
func TestExaminationOfAClusterThatLacksThings(t *testing.T) {
	s := readSite(t, "plain", "")
	s.Ingress = &site.Ingress{Class: "nginx", Hosts: []string{"example.com"}, Paths: []string{"/"}}
	c := newFakeCluster(t, s)
	c.version("v1.28.3")
	c.permit(func(a authorizationv1.ResourceAttributes) bool {
		return a.Resource != "*" && (a.Resource != "leases" || a.Verb == "get") && a.Resource != "storageclasses"
	})
	c.clients.PrependReactor("list", "storageclasses", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{}, "", nil)
	})
	lines := c.examine()
	for _, line := range []string{
		"no Kubernetes v1.28.3: too old, it must be 1.33 at least",
		"ok permission for deployments.apps: get, create, patch, list, watch",
		"no permission for leases.coordination.k8s.io: missing: create, update in namespace " + s.Namespace,
		"!! permission for storageclasses.storage.k8s.io: missing: list; a ship works without, but finds out later what is wrong",
		"ok namespace " + s.Namespace + ": is not there yet: the first ship makes it",
		"ok Secret registry: the first ship makes it",
		`no Ingress web: the cluster has no ingress class "nginx"`,
		"?? objects: a namespace that is not there takes no dry run",
	} {
		assert.Contains(t, lines, line)
	}
}

func TestExaminationOfAClusterThatDoesNotKnowUs(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	c.clients.PrependReactor("get", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewUnauthorized("token expired")
	})
	found, err := c.Examine(testImage(s)).Reach(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "https://cluster.example.com:6443 does not take the credentials", found[0].Message)
	assert.Contains(t, found[0].Hint, "get a new kubeconfig")
	assert.False(t, found[0].Well)

	c.clients.PrependReactor("get", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("connect: connection refused")
	})
	_, err = c.Examine(testImage(s)).Reach(t.Context())
	var unreachable *UnreachableError
	assert.ErrorAs(t, err, &unreachable)
}

func TestJudgeClock(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6e8, time.UTC)
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second).Truncate(time.Second) }
	for name, test := range map[string]struct {
		theirs time.Time
		well   bool
		says   string
	}{
		"the same second":  {at(0), true, "by 1s at most"},
		"a little":         {at(-20), true, "by 21s at most"},
		"we are ahead":     {at(-120), false, "is 2m1s ahead of the API server's"},
		"we are behind":    {at(3600), false, "is 59m59s behind the API server's"},
		"within the bound": {at(30), true, "by 29s at most"},
	} {
		t.Run(name, func(t *testing.T) {
			found := judgeClock(now, now.Add(100*time.Millisecond), test.theirs)
			assert.Equal(t, test.well, found.Well)
			assert.Contains(t, found.Message, test.says)
			assert.Equal(t, test.well, found.Hint == "")
		})
	}
}

func TestAddresses(t *testing.T) {
	s := readSite(t, "plain", "")
	s.Ingress = &site.Ingress{Hosts: []string{"example.com"}, Paths: []string{"/"}}
	c := newFakeCluster(t, s)
	found, err := c.Examine(testImage(s)).Addresses(t.Context())
	require.NoError(t, err)
	assert.Empty(t, found, "before the first ship")
	c.put(&networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: s.Namespace},
		Status: networkingv1.IngressStatus{LoadBalancer: networkingv1.IngressLoadBalancerStatus{
			Ingress: []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.1"}, {Hostname: "lb.example.com"}},
		}},
	})
	found, err = c.Examine(testImage(s)).Addresses(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"192.0.2.1", "lb.example.com"}, found)
}

func TestGateway(t *testing.T) {
	s := readSite(t, "gateway", "")
	resource := schema.GroupResource{Group: "gateway.networking.k8s.io", Resource: "gateways"}
	const there = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: gateways}
spec: {gatewayClassName: any, listeners: [{name: %s, port: 443, protocol: HTTPS, allowedRoutes: {namespaces: {from: All}}}]}
status:
  addresses: [{type: IPAddress, value: 192.0.2.7}]
  conditions: [{type: Programmed, status: %q, message: no address}]
`
	for name, test := range map[string]struct {
		gateway string
		err     error
		want    string
	}{
		"there":            {fmt.Sprintf(there, "https", "True"), nil, "ok Gateway gateways/public: is there"},
		"without listener": {fmt.Sprintf(there, "http", "True"), nil, `no Gateway gateways/public: has no listener "https" for HTTP routes`},
		"not programmed":   {fmt.Sprintf(there, "https", "False"), nil, "!! Gateway gateways/public: is not programmed: no address"},
		"not there":        {"", apierrors.NewNotFound(resource, "public"), "no Gateway gateways/public: does not exist"},
		"not to be read":   {"", apierrors.NewForbidden(resource, "public", nil), "?? Gateway gateways/public: this account may not get gateways.gateway.networking.k8s.io"},
		"no such kind": {
			"", apierrors.NewGenericServerResponse(404, "get", resource, "public", "404 page not found", 0, true),
			"no Gateway gateways/public: the cluster has no Gateway API",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newFakeCluster(t, s)
			c.dyn.PrependReactor("get", "gateways", func(clienttesting.Action) (bool, runtime.Object, error) {
				if test.err != nil {
					return true, nil, test.err
				}
				return true, fromYAML(t, test.gateway), nil
			})
			e := c.Examine(testImage(s))
			found, err := checked((*Deployer).checkGateway, (*Examination).gateways)(e, t.Context())
			require.NoError(t, err)
			require.Len(t, found, 1)
			assert.Equal(t, test.want, mark(found[0])+" "+found[0].About+": "+found[0].Message)
			if addresses, err := e.Addresses(t.Context()); assert.NoError(t, err) && test.err == nil {
				assert.Equal(t, []string{"192.0.2.7"}, addresses)
			}
		})
	}
}

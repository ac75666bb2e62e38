package deployer

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sitectl/sitectl/site"
)

// peer is one end of a connection.
type peer struct {
	namespace string
	labels    labels.Set
	address   string
}

// network decides as a network plugin does that enforces policies: the
// cluster of the tests has none that does.
type network struct {
	t         *testing.T
	namespace string
	policies  []networkingv1.NetworkPolicy
}

func newNetwork(t *testing.T, s site.Site) network {
	t.Helper()
	objects, err := Objects(s, testImage(s))
	require.NoError(t, err)
	n := network{t: t, namespace: s.Namespace}
	for _, object := range objects {
		if object.GetKind() == "NetworkPolicy" {
			var policy networkingv1.NetworkPolicy
			require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &policy))
			n.policies = append(n.policies, policy)
		}
	}
	return n
}

// lets says whether a pod of the site's namespace can be reached at a port.
func (n network) lets(from peer, to labels.Set, port int32) bool {
	selected := false
	for _, policy := range n.policies {
		if !n.selects(&policy.Spec.PodSelector, to) {
			continue
		}
		selected = true
		for _, rule := range policy.Spec.Ingress {
			if n.fromMatches(rule.From, from) && portMatches(rule.Ports, port) {
				return true
			}
		}
	}
	return !selected
}

func (n network) fromMatches(sources []networkingv1.NetworkPolicyPeer, from peer) bool {
	for _, source := range sources {
		switch {
		case source.IPBlock != nil:
			address, err := netip.ParseAddr(from.address)
			if err == nil && netip.MustParsePrefix(source.IPBlock.CIDR).Contains(address) {
				return true
			}
		case source.NamespaceSelector != nil:
			if n.selects(source.NamespaceSelector, labels.Set{"kubernetes.io/metadata.name": from.namespace}) {
				return true
			}
		case from.namespace == n.namespace && n.selects(source.PodSelector, from.labels):
			return true
		}
	}
	return len(sources) == 0
}

func portMatches(ports []networkingv1.NetworkPolicyPort, port int32) bool {
	for _, allowed := range ports {
		if allowed.Port.IntVal == port {
			return true
		}
	}
	return len(ports) == 0
}

func (n network) selects(selector *metav1.LabelSelector, set labels.Set) bool {
	n.t.Helper()
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	require.NoError(n.t, err)
	return parsed.Matches(set)
}

// podLabels returns the labels of the pods of every workload, by their name.
func podLabels(t *testing.T, s site.Site) map[string]labels.Set {
	t.Helper()
	objects, err := Objects(s, testImage(s))
	require.NoError(t, err)
	found := map[string]labels.Set{}
	for _, object := range objects {
		for _, path := range [][]string{{"spec", "template"}, {"spec", "jobTemplate", "spec", "template"}} {
			set, ok, _ := unstructured.NestedStringMap(object.Object, append(path, "metadata", "labels")...)
			if ok {
				found[set["app.kubernetes.io/name"]] = set
			}
		}
	}
	return found
}

func TestIsolation(t *testing.T) {
	s := readSite(t, "everything", "production")
	s.Isolation = &site.Isolation{Namespaces: []string{"traefik"}, Networks: []string{"10.1.0.0/16"}}
	n, pods := newNetwork(t, s), podLabels(t, s)
	inside := func(name string) peer { return peer{s.Namespace, pods[name], "10.244.0.7"} }
	stranger := peer{s.Namespace, labels.Set{"app.kubernetes.io/name": "web"}, "10.244.0.8"}
	ingress := peer{"traefik", labels.Set{}, "10.244.0.9"}
	node := peer{"", nil, "10.1.2.3"}
	neighbour := peer{"other-example-com", pods["web"], "10.244.0.10"}
	solver := labels.Set{"acme.cert-manager.io/http01-solver": "true"}

	for _, test := range []struct {
		name string
		from peer
		to   labels.Set
		port int32
		want bool
	}{
		{"the ingress controller reaches Varnish", ingress, pods["web"], 6081, true},
		{"and a site without it", ingress, pods["web"], 8080, true},
		{"and nothing else in the pod", ingress, pods["web"], 22, false},
		{"one in the host's network, too", node, pods["web"], 6081, true},
		{"another site does not", neighbour, pods["web"], 6081, false},
		{"the site reaches itself", inside("cron"), pods["web"], 6081, true},
		{"web reaches the database", inside("web"), pods["mysql"], 3306, true},
		{"and the migration", inside("migrate"), pods["mysql"], 3306, true},
		{"and a CronJob reaches the cache", inside("cron"), pods["memcache"], 11211, true},
		{"the ingress controller does not", ingress, pods["mysql"], 3306, false},
		{"nor does a node", node, pods["mysql"], 3306, false},
		{"nor another site", neighbour, pods["mysql"], 3306, false},
		{"nor what somebody else put into the namespace", stranger, pods["memcache"], 11211, false},
		{"nor the database the cache", inside("mysql"), pods["memcache"], 11211, false},
		{"a certificate authority asks through the ingress controller", ingress, solver, 8089, true},
		{"what is new in the namespace is shut", ingress, labels.Set{"app": "solr"}, 8983, false},
		{"but to the site", inside("web"), labels.Set{"app": "solr"}, 8983, true},
	} {
		assert.Equal(t, test.want, n.lets(test.from, test.to, test.port), test.name)
	}

	s.Isolation = &site.Isolation{}
	n = newNetwork(t, s)
	assert.True(t, n.lets(node, pods["web"], 6081), "whatever the ingress controller is, it is let in")
	assert.True(t, n.lets(ingress, solver, 8089))
	assert.False(t, n.lets(node, pods["mysql"], 3306))

	s.Isolation = nil
	assert.Empty(t, newNetwork(t, s).policies)
}

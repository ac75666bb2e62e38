package deployer

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

func TestRules(t *testing.T) {
	assert.Equal(t, []any{
		map[string]any{"apiGroups": []any{""}, "resources": []any{"secrets", "services"}, "verbs": []any{"create", "get"}},
		map[string]any{"apiGroups": []any{""}, "resources": []any{"pods/log"}, "verbs": []any{"get"}},
		map[string]any{"apiGroups": []any{"apps"}, "resources": []any{"deployments"}, "verbs": []any{"create", "get"}},
	}, rules([]authorizationv1.ResourceAttributes{
		{Resource: "secrets", Verb: "get"},
		{Resource: "secrets", Verb: "create"},
		{Resource: "pods", Subresource: "log", Verb: "get"},
		{Group: "apps", Resource: "deployments", Verb: "create"},
		{Group: "apps", Resource: "deployments", Verb: "get"},
		{Resource: "services", Verb: "create"},
		{Resource: "services", Verb: "get"},
		{Resource: "secrets", Verb: "get"},
	}))
}

func TestAccessIsWellFormed(t *testing.T) {
	objects, err := Access(readSite(t, "everything", "production"), AccessOptions{Account: "deploy"})
	require.NoError(t, err)
	var kinds []string
	for _, object := range objects {
		kinds = append(kinds, object.GetKind())
		manifest, err := yaml.Marshal(object.Object)
		require.NoError(t, err)
		_, err = decode(manifest)
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}, kinds)
}

func TestAccessOfOthers(t *testing.T) {
	objects, err := Access(readSite(t, "plain", ""), AccessOptions{Account: "deploy", Users: []string{"oidc:repo:agency/site"}, Groups: []string{"gitlab:project:150"}})
	require.NoError(t, err)
	bindings := 0
	for _, object := range objects {
		assert.NotEqual(t, "ServiceAccount", object.GetKind())
		if subjects, found := object.Object["subjects"]; found {
			bindings++
			assert.Equal(t, []any{
				map[string]any{"apiGroup": rbacv1.GroupName, "kind": "User", "name": "oidc:repo:agency/site"},
				map[string]any{"apiGroup": rbacv1.GroupName, "kind": "Group", "name": "gitlab:project:150"},
			}, subjects)
		}
	}
	assert.Equal(t, 2, bindings)
}

// TestAccessGrantsWhatPreflightAsksFor compares the rules with the list that
// they are made of, and finds nothing that is not in it.
func TestAccessGrantsWhatPreflightAsksFor(t *testing.T) {
	for _, name := range []string{"plain", "everything", "wordpress"} {
		s := readSite(t, name, "")
		granted, err := Access(s, AccessOptions{Account: "deploy"})
		require.NoError(t, err)
		objects, err := Objects(s, testImage(s))
		require.NoError(t, err)

		role := &rbacv1.Role{}
		i := slices.IndexFunc(granted, func(o Object) bool { return o.GetKind() == "Role" })
		require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(granted[i].Object, role))
		count := 0
		for _, rule := range role.Rules {
			assert.Empty(t, rule.ResourceNames)
			count += len(rule.Resources) * len(rule.Verbs)
			assert.NotContains(t, slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs), "*")
		}
		var wanted []authorizationv1.ResourceAttributes
		for _, p := range slices.Concat(permissions(s, objects, true), prunings(s), lookups(s)) {
			if !slices.Contains(wanted, p) {
				wanted = append(wanted, p)
			}
		}
		inside := 0
		for _, p := range wanted {
			if p.Namespace == "" {
				continue
			}
			inside++
			resource := p.Resource
			if p.Subresource != "" {
				resource += "/" + p.Subresource
			}
			assert.True(t, slices.ContainsFunc(role.Rules, func(r rbacv1.PolicyRule) bool {
				return slices.Contains(r.APIGroups, p.Group) && slices.Contains(r.Resources, resource) && slices.Contains(r.Verbs, p.Verb)
			}), "%s: %s", name, words(p))
		}
		assert.Equal(t, inside, count, "%s: nothing more", name)
	}
}

// Only who makes namespaces may do something outside of the site's own.
func TestAccessOutsideOfTheNamespace(t *testing.T) {
	s := readSite(t, "plain", "")
	for _, create := range []bool{false, true} {
		objects, err := Access(s, AccessOptions{Account: "deploy", CreateNamespace: create})
		require.NoError(t, err)
		role := &rbacv1.ClusterRole{}
		i := slices.IndexFunc(objects, func(o Object) bool { return o.GetKind() == "ClusterRole" })
		assert.Equal(t, "plain-example-com-deploy", objects[i].GetName())
		require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(objects[i].Object, role))
		creates := slices.ContainsFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Verbs, "create") })
		assert.Equal(t, create, creates)
		for _, rule := range role.Rules {
			assert.NotContains(t, rule.Resources, "secrets")
		}
	}
}

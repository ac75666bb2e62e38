package deployer

import (
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sitectl/sitectl/site"
)

// AccessOptions say for whom access is.
type AccessOptions struct {
	Account         string   // name of the ServiceAccount, and of the roles
	Users, Groups   []string // that the roles are for instead, as the API server calls them; then there is no ServiceAccount
	CreateNamespace bool     // whether it may make the namespace, which is a permission for the whole cluster
}

// Access returns the objects that give a ServiceAccount in the site's
// namespace, or users and groups of elsewhere, what a deploy needs and nothing more, from the very list that
// Preflight checks: the namespace, the account, a Role and its binding, and a
// ClusterRole and its binding for what only Preflight reads. In patch mode
// there is no namespace to make and nothing to read outside of it. None of
// them can read a Secret of another namespace.
func Access(s site.Site, opts AccessOptions) ([]Object, error) {
	objects, err := deployed(s)
	if err != nil {
		return nil, err
	}
	var inside, outside []authorizationv1.ResourceAttributes
	for _, permission := range slices.Concat(
		permissions(s, objects, !opts.CreateNamespace), prunings(s), lookups(s),
	) {
		if permission.Namespace == "" {
			outside = append(outside, permission)
		} else {
			inside = append(inside, permission)
		}
	}
	a := access{namespace: s.Namespace, subjects: subjects(s.Namespace, opts)}
	list := slices.DeleteFunc(objects, func(o Object) bool { return o.GetKind() != "Namespace" })
	if len(opts.Users)+len(opts.Groups) == 0 {
		list = append(list, a.object("v1", "ServiceAccount", opts.Account, s.Namespace, nil))
	}
	list = append(list,
		a.role("Role", opts.Account, s.Namespace, inside),
		a.binding("Role", opts.Account, s.Namespace))
	if len(outside) > 0 {
		// Roles of the whole cluster need names of their own in it.
		cluster := s.Namespace + "-" + opts.Account
		list = append(list, a.role("ClusterRole", cluster, "", outside), a.binding("ClusterRole", cluster, ""))
	}
	return list, nil
}

// deployed are the objects of a deploy, as far as is known without a cluster.
func deployed(s site.Site) ([]Object, error) {
	if s.Deploy != nil {
		return patchedKinds(s)
	}
	return Objects(s, site.Image{Repository: s.Image, Tag: "any"})
}

// access makes the objects that give somebody access.
type access struct {
	namespace string
	subjects  []any // of the bindings
}

// subjects are those who get the roles, as a binding has them.
func subjects(namespace string, opts AccessOptions) []any {
	var list []any
	for _, name := range opts.Users {
		list = append(list, map[string]any{"apiGroup": rbac, "kind": "User", "name": name})
	}
	for _, name := range opts.Groups {
		list = append(list, map[string]any{"apiGroup": rbac, "kind": "Group", "name": name})
	}
	if list == nil {
		list = append(list, map[string]any{"kind": "ServiceAccount", "name": opts.Account, "namespace": namespace})
	}
	return list
}

func (a access) object(apiVersion, kind, name, namespace string, fields map[string]any) Object {
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	object.SetName(name)
	object.SetNamespace(namespace)
	object.SetLabels(map[string]string{"app.kubernetes.io/instance": a.namespace, "app.kubernetes.io/managed-by": fieldManager})
	for field, value := range fields {
		object.Object[field] = value
	}
	return Object{Stage: StageFoundation, Unstructured: object}
}

const rbac = "rbac.authorization.k8s.io"

func (a access) role(kind, name, namespace string, permissions []authorizationv1.ResourceAttributes) Object {
	return a.object(rbac+"/v1", kind, name, namespace, map[string]any{"rules": rules(permissions)})
}

func (a access) binding(kind, name, namespace string) Object {
	return a.object(rbac+"/v1", kind+"Binding", name, namespace, map[string]any{
		"roleRef":  map[string]any{"apiGroup": rbac, "kind": kind, "name": name},
		"subjects": a.subjects,
	})
}

// rules writes permissions as a Role has them: one rule for the verbs of a
// resource, or of one object of it, and resources of a group with the same
// verbs together.
func rules(permissions []authorizationv1.ResourceAttributes) []any {
	type rule struct {
		group, name      string
		resources, verbs []string
	}
	var list []*rule
	for _, p := range permissions {
		resource := strings.TrimSuffix(p.Resource+"/"+p.Subresource, "/")
		i := slices.IndexFunc(list, func(r *rule) bool { return r.group == p.Group && r.name == p.Name && r.resources[0] == resource })
		if i < 0 {
			i = len(list)
			list = append(list, &rule{group: p.Group, name: p.Name, resources: []string{resource}})
		}
		if !slices.Contains(list[i].verbs, p.Verb) {
			list[i].verbs = append(list[i].verbs, p.Verb)
		}
	}
	var merged []*rule
	for _, r := range list {
		slices.Sort(r.verbs)
		i := slices.IndexFunc(merged, func(m *rule) bool { return m.group == r.group && m.name == r.name && slices.Equal(m.verbs, r.verbs) })
		if i < 0 {
			merged = append(merged, r)
		} else {
			merged[i].resources = append(merged[i].resources, r.resources...)
		}
	}
	var out []any
	for _, r := range merged {
		rule := map[string]any{"apiGroups": texts(r.group), "resources": texts(r.resources...), "verbs": texts(r.verbs...)}
		if r.name != "" {
			rule["resourceNames"] = texts(r.name)
		}
		out = append(out, rule)
	}
	return out
}

func texts(values ...string) []any {
	list := make([]any, len(values))
	for i, value := range values {
		list[i] = value
	}
	return list
}

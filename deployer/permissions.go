package deployer

import (
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/sitectl/sitectl/site"
)

// everything is the permission of an administrator, who need not be asked
// about each one.
func everything(namespace string) authorizationv1.ResourceAttributes {
	return authorizationv1.ResourceAttributes{Namespace: namespace, Group: "*", Resource: "*", Verb: "*"}
}

// permissions lists what a deploy of these objects does in the namespace of a
// site, and, while there is none, to have one. In patch mode no Secret is made.
func permissions(s site.Site, objects []Object, exists bool) []authorizationv1.ResourceAttributes {
	var list []authorizationv1.ResourceAttributes
	add := func(group, resource, subresource string, verbs ...string) {
		for _, verb := range verbs {
			permission := authorizationv1.ResourceAttributes{
				Namespace: s.Namespace, Group: group, Resource: resource, Subresource: subresource, Verb: verb,
			}
			if !slices.Contains(list, permission) {
				list = append(list, permission)
			}
		}
	}
	if !exists {
		list = append(list, authorizationv1.ResourceAttributes{Resource: "namespaces", Verb: "create"})
	}
	for _, object := range objects {
		if object.GetNamespace() != "" {
			add(object.resource().Group, object.resource().Resource, "", "get", "create", "patch") // apply
		}
	}
	if s.Deploy == nil {
		add("", "secrets", "", "get", "create", "patch") // credentials, pull secret
	}
	add("", "configmaps", "", "get", "list", "create", "patch", "delete") // records of releases
	add("", "pods", "", "list", "watch", "delete")                        // verdicts, and a fresh start after one
	add("", "pods", "log", "get")                                         // what a pod says
	add("", "pods", "portforward", "create")                              // verify
	add("", "events", "", "list", "watch")                                // verdicts
	add("apps", "deployments", "", "list", "watch")                       // rollout
	add("apps", "replicasets", "", "list", "watch")                       // rollout
	add("batch", "cronjobs", "", "get", "list", "patch", "delete")        // suspended and resumed; deleted when the site file drops them
	add("coordination.k8s.io", "leases", "", "get", "create", "update")   // lock
	add("discovery.k8s.io", "endpointslices", "", "list")                 // verify
	for _, object := range objects {
		switch object.GetKind() {
		case "StatefulSet":
			add("apps", "statefulsets", "", "list", "watch")
			add("", "persistentvolumeclaims", "", "get") // no new credentials for old data
		case "Job":
			add("batch", "jobs", "", "list", "watch", "delete")
		}
	}
	return list
}

// lookups lists what Preflight looks at besides, to say sooner what would go
// wrong later. Whoever may not look can deploy all the same, so that these
// are no findings, but sitectl rbac grants them. Those without a namespace
// are of the whole cluster.
func lookups(s site.Site) []authorizationv1.ResourceAttributes {
	list := []authorizationv1.ResourceAttributes{
		{Namespace: s.Namespace, Resource: "namespaces", Verb: "get"}, // a Role in a namespace can grant this
		{Namespace: s.Namespace, Resource: "resourcequotas", Verb: "list"},
	}
	if s.Deploy != nil {
		list = append(list, authorizationv1.ResourceAttributes{Namespace: s.Namespace, Resource: "persistentvolumeclaims", Verb: "get"})
		for _, secret := range ownSecrets(s) {
			list = append(list, authorizationv1.ResourceAttributes{Namespace: s.Namespace, Resource: "secrets", Name: secret.name, Verb: "get"})
		}
		return list
	}
	if s.Ingress != nil && s.Ingress.Gateway != nil {
		list = append(list, authorizationv1.ResourceAttributes{Group: "gateway.networking.k8s.io", Resource: "gateways", Verb: "get"})
	}
	return append(list,
		authorizationv1.ResourceAttributes{Group: "storage.k8s.io", Resource: "storageclasses", Verb: "list"},
		authorizationv1.ResourceAttributes{Group: "networking.k8s.io", Resource: "ingressclasses", Verb: "list"},
		authorizationv1.ResourceAttributes{Group: "cert-manager.io", Resource: "clusterissuers", Verb: "get"})
}

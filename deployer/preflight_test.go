package deployer

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/version"
	discoveryfake "k8s.io/client-go/discovery/fake"
	clienttesting "k8s.io/client-go/testing"
)

// permit answers every SelfSubjectAccessReview.
func (c *fakeCluster) permit(allowed func(authorizationv1.ResourceAttributes) bool) {
	c.clients.PrependReactor("create", "selfsubjectaccessreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
		review := action.(clienttesting.CreateActionImpl).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		review.Status.Allowed = allowed(*review.Spec.ResourceAttributes)
		return true, review, nil
	})
}

func (c *fakeCluster) version(v string) {
	c.clients.Discovery().(*discoveryfake.FakeDiscovery).FakedServerVersion = &version.Info{GitVersion: v}
}

// equip gives the cluster what the sample sites refer to: a default storage
// class and one for files, an ingress class, an issuer.
func (c *fakeCluster) equip() {
	c.put(
		&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{
			Name: "local", Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		}},
		&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "cephfs"}},
		&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "slow"}},
		&networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "traefik"}})
	c.issuer(nil)
}

// issuer answers for every ClusterIssuer.
func (c *fakeCluster) issuer(err error) {
	c.dyn.PrependReactor("get", "clusterissuers", func(action clienttesting.Action) (bool, runtime.Object, error) {
		found := &unstructured.Unstructured{Object: map[string]any{}}
		found.SetName(nameOf(action))
		return true, found, err
	})
}

// refuse has the API server answer every dry run of objects of that name and
// resource with err.
func (c *fakeCluster) refuse(resource, name string, err error) {
	c.dyn.PrependReactor("patch", resource, func(action clienttesting.Action) (bool, runtime.Object, error) {
		assert.Equal(c.t, []string{metav1.DryRunAll}, action.(clienttesting.PatchActionImpl).PatchOptions.DryRun)
		return nameOf(action) == name, nil, err
	})
}

// findings runs Preflight and returns what it found, as "about: message".
func (c *fakeCluster) findings() []string {
	c.t.Helper()
	err := c.Preflight(c.t.Context(), testImage(c.site))
	if err == nil {
		return nil
	}
	var found *PreflightError
	require.ErrorAs(c.t, err, &found)
	return messages(found.Findings)
}

// messages are findings without their hints.
func messages(findings []Finding) []string {
	var list []string
	for _, f := range findings {
		list = append(list, f.About+": "+f.Message)
	}
	return list
}

func anyone(authorizationv1.ResourceAttributes) bool { return true }

func TestPreflightFindsNothing(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	c.permit(anyone)
	c.version("v1.33.0")
	require.NoError(t, c.Preflight(t.Context(), testImage(s)))
	assert.Empty(t, c.requests("patch", "update", "delete"), "nothing is changed")
}

func TestPreflightReportsEverythingTogether(t *testing.T) {
	s := readSite(t, "everything", "production")
	c := newFakeCluster(t, s,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "smtp", Namespace: s.Namespace}})
	c.version("v1.28.3")
	c.permit(func(a authorizationv1.ResourceAttributes) bool { return a.Resource != "*" && a.Resource != "ingresses" })
	c.refuse("statefulsets", "mysql", apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "StatefulSet"}, "mysql", field.ErrorList{
		field.Required(field.NewPath("spec", "template"), "it is needed"),
	}))
	c.issuer(apierrors.NewNotFound(schema.GroupResource{Group: "cert-manager.io", Resource: "clusterissuers"}, "letsencrypt"))
	assert.Equal(t, []string{
		"Kubernetes v1.28.3: too old, it must be 1.33 at least",
		"permission to get ingresses.networking.k8s.io: missing in namespace example-com",
		"permission to create ingresses.networking.k8s.io: missing in namespace example-com",
		"permission to patch ingresses.networking.k8s.io: missing in namespace example-com",
		"Secret payment: not in namespace example-com",
		"Secret search: not in namespace example-com",
		`PersistentVolumeClaim files: the cluster has no storage class "cephfs"`,
		"StatefulSet mysql: names no storage class, and the cluster has no default",
		`PersistentVolumeClaim backup: the cluster has no storage class "slow"`,
		`Ingress web: the cluster has no ingress class "traefik"`,
		"ClusterIssuer letsencrypt: does not exist",
		"StatefulSet mysql: spec.template: Required value: it is needed",
	}, c.findings())
	assert.Empty(t, c.requests("update", "delete"), "nothing is changed")
}

func TestPreflightOfAWellEquippedCluster(t *testing.T) {
	s := readSite(t, "everything", "production")
	c := newFakeCluster(t, s,
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "smtp", Namespace: s.Namespace}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "payment", Namespace: s.Namespace}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "search", Namespace: s.Namespace}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}})
	c.version("v1.36.3")
	c.permit(anyone)
	c.equip()
	assert.Empty(t, c.findings())
	assert.Empty(t, c.lines, "no warnings")
}

func TestPreflightOfANewNamespace(t *testing.T) {
	s := readSite(t, "everything", "production")
	c := newFakeCluster(t, s)
	c.version("v1.36.3")
	c.equip()
	c.permit(func(a authorizationv1.ResourceAttributes) bool {
		return a.Resource != "*" && a.Resource != "namespaces"
	})
	var found *PreflightError
	require.ErrorAs(t, c.Preflight(t.Context(), testImage(s)), &found)
	require.Len(t, found.Findings, 4)
	assert.Equal(t, "permission to create namespaces", found.Findings[0].About)
	assert.Contains(t, found.Findings[1].Hint, "kubectl create namespace example-com && kubectl -n example-com create secret")
	assert.Contains(t, found.Error(), "--from-file=KEY=FILE")
}

// Whoever is refused a permission is told so once, not for every object too.
func TestPreflightNamesAMissingPermissionOnce(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}})
	c.version("v1.36.3")
	c.permit(func(a authorizationv1.ResourceAttributes) bool {
		return a.Resource != "*" && (a.Resource != "deployments" || a.Verb != "patch")
	})
	c.refuse("deployments", "web", apierrors.NewForbidden(schema.GroupResource{Group: "apps", Resource: "deployments"}, "web",
		errors.New(`User "robot" cannot patch resource "deployments" in API group "apps" in the namespace "plain-example-com"`)))
	assert.Equal(t, []string{"permission to patch deployments.apps: missing in namespace plain-example-com"}, c.findings())
}

// A namespace made by hand lacks labels, and who deploys may not add them.
func TestPreflightOfANamespaceThatMustNotBeChanged(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}})
	c.version("v1.36.3")
	c.permit(anyone)
	c.refuse("namespaces", s.Namespace, apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, s.Namespace,
		errors.New(`User "robot" cannot patch resource "namespaces" in API group "" in the namespace "plain-example-com"`)))
	assert.Equal(t, []string{
		"Namespace plain-example-com: lacks labels that every site's namespace has, and must not be changed by this account",
	}, c.findings())
}

func TestPreflightNamesAClusterThatDoesNotAnswer(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	c.clients.PrependReactor("get", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("connect: connection refused")
	})
	err := c.Preflight(t.Context(), testImage(s))
	var unreachable *UnreachableError
	require.ErrorAs(t, err, &unreachable)
	assert.ErrorContains(t, err, "cluster at https://cluster.example.com:6443 is unreachable: connect: connection refused")
}

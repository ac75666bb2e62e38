package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"
)

func TestStorageClassesOfVolumesThatAreThere(t *testing.T) {
	s := readSite(t, "everything", "production")
	c := newFakeCluster(t, s)
	require.NoError(t, c.Apply(t.Context(), testImage(s)))
	objects, err := Objects(s, testImage(s))
	require.NoError(t, err)
	found, err := c.checkStorageClasses(t.Context(), preflight{objects: objects, exists: true})
	require.NoError(t, err)
	assert.Empty(t, found, "a class may go when it has made its volumes")
	assert.NotContains(t, c.requests("list"), "list storageclasses")
}

func TestJudgeStorageClass(t *testing.T) {
	files := Object{Unstructured: fromYAML(t, "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: files}}")}
	class := func(name, standard string) storagev1.StorageClass {
		return storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{
			Name: name, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": standard},
		}}
	}
	assert.Nil(t, judgeStorageClass(claim{files, ""}, []storagev1.StorageClass{class("slow", "false"), class("fast", "true")}))
	assert.Nil(t, judgeStorageClass(claim{files, "slow"}, []storagev1.StorageClass{class("slow", "false")}))
	none := judgeStorageClass(claim{files, ""}, []storagev1.StorageClass{class("slow", "false"), class("fast", "")})
	require.NotNil(t, none)
	assert.Contains(t, none.Hint, "there is: fast, slow")
	missing := judgeStorageClass(claim{files, "ceph"}, nil)
	require.NotNil(t, missing)
	assert.Equal(t, `the cluster has no storage class "ceph"`, missing.Message)
	assert.Contains(t, missing.Hint, "there is none")
}

func TestJudgeIngressClass(t *testing.T) {
	named := Object{Unstructured: fromYAML(t, "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {ingressClassName: nginx}}")}
	unnamed := Object{Unstructured: fromYAML(t, "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}}")}
	traefik := networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "traefik"}}
	standard := *traefik.DeepCopy()
	standard.Annotations = map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true"}

	assert.Nil(t, judgeIngressClass(unnamed, []networkingv1.IngressClass{standard}))
	found := judgeIngressClass(unnamed, []networkingv1.IngressClass{traefik})
	require.NotNil(t, found)
	assert.True(t, found.Warning, "some controllers serve it all the same")
	found = judgeIngressClass(named, []networkingv1.IngressClass{standard})
	require.NotNil(t, found)
	assert.False(t, found.Warning)
	assert.Equal(t, "set ingress.class; there is: traefik", found.Hint)
}

func TestIssuers(t *testing.T) {
	resource := schema.GroupResource{Group: "cert-manager.io", Resource: "clusterissuers"}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"there", nil, ""},
		{"not to be read", apierrors.NewForbidden(resource, "letsencrypt", nil), "this account may not get clusterissuers.cert-manager.io"},
		{"not there", apierrors.NewNotFound(resource, "letsencrypt"), "does not exist"},
		{"no such kind", apierrors.NewGenericServerResponse(404, "get", resource, "letsencrypt", "404 page not found", 0, true), "the cluster has no cert-manager"},
	}
	s := readSite(t, "everything", "production")
	objects, err := Objects(s, testImage(s))
	require.NoError(t, err)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newFakeCluster(t, s)
			c.issuer(test.err)
			found, err := c.checkIssuers(t.Context(), preflight{objects: objects})
			require.NoError(t, err)
			if test.want == "" {
				assert.Empty(t, found)
				return
			}
			assert.Equal(t, apierrors.IsForbidden(test.err), found[0].unseen, "no finding")
			require.Len(t, found, 1)
			assert.Equal(t, "ClusterIssuer letsencrypt", found[0].About)
			assert.Equal(t, test.want, found[0].Message)
		})
	}
}

func TestAnIssuerThatIsNotReady(t *testing.T) {
	issuer := fromYAML(t, `
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: letsencrypt}
status: {conditions: [{type: Ready, status: "False", reason: ErrRegisterACMEAccount, message: no such account}]}
`)
	assert.Equal(t, []Finding{{About: "ClusterIssuer letsencrypt", Message: "is not ready: no such account", Warning: true}},
		judgeIssuer("ClusterIssuer letsencrypt", issuer))
	require.NoError(t, unstructured.SetNestedField(issuer.Object, "of another version", "status", "conditions"))
	assert.Empty(t, judgeIssuer("ClusterIssuer letsencrypt", issuer))
}

func TestKindsThatTheClusterDoesNotKnow(t *testing.T) {
	s := readSite(t, "plain", "")
	route := Object{Unstructured: fromYAML(t, "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: web, namespace: n}}")}
	web := Object{Unstructured: fromYAML(t, "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: n}}")}
	missing := []Finding{{
		About:   "HTTPRoute web",
		Message: "the cluster does not know the kind HTTPRoute of gateway.networking.k8s.io/v1",
		Hint:    "have an administrator install its CustomResourceDefinition",
	}}

	c := newFakeCluster(t, s)
	found, err := c.checkKinds(t.Context(), preflight{objects: []Object{web, route}})
	require.NoError(t, err)
	assert.Equal(t, missing, found)
	c.clients.Resources = []*metav1.APIResourceList{{
		GroupVersion: "gateway.networking.k8s.io/v1", APIResources: []metav1.APIResource{{Name: "httproutes", Kind: "HTTPRoute"}},
	}}
	found, err = c.checkKinds(t.Context(), preflight{objects: []Object{web, route}})
	require.NoError(t, err)
	assert.Empty(t, found)

	c = newFakeCluster(t, s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}})
	unknown := apierrors.NewGenericServerResponse(404, "patch", schema.GroupResource{Resource: "httproutes"}, "web", "404 page not found", 0, true)
	for _, verb := range []string{"get", "patch"} {
		c.dyn.PrependReactor(verb, "httproutes", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, unknown })
	}
	found, err = c.checkObjects(t.Context(), preflight{objects: []Object{route}, exists: true})
	require.NoError(t, err)
	assert.Equal(t, missing, found)
}

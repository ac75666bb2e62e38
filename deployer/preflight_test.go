package deployer

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
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
	c.dyn.PrependReactor("patch", "statefulsets", func(action clienttesting.Action) (bool, runtime.Object, error) {
		assert.Equal(t, []string{metav1.DryRunAll}, action.(clienttesting.PatchActionImpl).PatchOptions.DryRun)
		if nameOf(action) != "mysql" {
			return false, nil, nil
		}
		return true, nil, apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "StatefulSet"}, "mysql", nil)
	})

	var found *PreflightError
	require.ErrorAs(t, c.Preflight(t.Context(), testImage(s)), &found)
	var about []string
	for _, finding := range found.Findings {
		about = append(about, finding.About)
	}
	assert.Equal(t, []string{
		"Kubernetes v1.28.3",
		"permission to get ingresses.networking.k8s.io",
		"permission to create ingresses.networking.k8s.io",
		"permission to patch ingresses.networking.k8s.io",
		"Secret payment",
		"Secret search",
		"StatefulSet mysql",
	}, about)
	assert.Contains(t, found.Error(), "kubectl -n example-com create secret generic payment --from-file=KEY=FILE")
}

func TestPreflightOfANewNamespace(t *testing.T) {
	s := readSite(t, "everything", "production")
	c := newFakeCluster(t, s)
	c.version("v1.36.3")
	c.permit(func(a authorizationv1.ResourceAttributes) bool {
		return a.Resource != "*" && a.Resource != "namespaces"
	})
	var found *PreflightError
	require.ErrorAs(t, c.Preflight(t.Context(), testImage(s)), &found)
	require.Len(t, found.Findings, 4)
	assert.Equal(t, "permission to create namespaces", found.Findings[0].About)
	assert.Contains(t, found.Findings[1].Hint, "kubectl create namespace example-com && kubectl -n example-com create secret")
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

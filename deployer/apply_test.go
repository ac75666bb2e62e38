package deployer

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
)

func TestApplyLaysOutTheFoundationOnly(t *testing.T) {
	s := readSite(t, "everything", "production")
	c := newFakeCluster(t, s)
	require.NoError(t, c.Apply(t.Context(), testImage(s)))
	assert.Equal(t, []string{
		"Namespace example-com created",
		"Secret database created",
		"Secret mysql-root created",
		"ConfigMap site created",
		"NetworkPolicy web created",
		"NetworkPolicy acme created",
		"NetworkPolicy site created",
		"ConfigMap apache created",
		"ConfigMap varnish created",
		"PersistentVolumeClaim files created",
		"Service mysql created",
		"StatefulSet mysql created",
		"Service memcache created",
		"StatefulSet memcache created",
		"PodDisruptionBudget memcache created",
		"PersistentVolumeClaim backup created",
	}, c.lines)

	c.lines = nil
	require.NoError(t, c.Apply(t.Context(), testImage(s)))
	for _, line := range c.lines {
		assert.Contains(t, line, string(Unchanged))
	}

	c.lines = nil
	c.site.Cache.Memcached.Replicas = 3
	require.NoError(t, c.Apply(t.Context(), testImage(s)))
	assert.Contains(t, c.lines, "StatefulSet memcache configured")
	assert.Contains(t, c.lines, "StatefulSet mysql unchanged")
}

func TestApplyWritesThePullSecret(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	c.opts.PullConfig = []byte(`{"auths":{"registry.example.com":{}}}`)
	require.NoError(t, c.Apply(t.Context(), testImage(s)))
	secret, err := c.client.CoreV1().Secrets(s.Namespace).Get(t.Context(), "registry", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, corev1.SecretTypeDockerConfigJson, secret.Type)
	assert.Equal(t, c.opts.PullConfig, secret.Data[corev1.DockerConfigJsonKey])
}

// A namespace that somebody else has set up need not be ours to change.
func TestApplyLeavesANamespaceAloneThatIsRight(t *testing.T) {
	s := readSite(t, "plain", "")
	objects, err := Objects(s, testImage(s))
	require.NoError(t, err)
	c := newFakeCluster(t, s, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace, Labels: objects[0].GetLabels()}})
	require.NoError(t, c.Apply(t.Context(), testImage(s)))
	assert.NotContains(t, c.requests("patch"), "patch namespaces "+s.Namespace)
}

func TestApplyTakesOverAndSaysSo(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	c.dyn.PrependReactor("patch", "services", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if *action.(clienttesting.PatchActionImpl).PatchOptions.Force {
			return false, nil, nil
		}
		return true, nil, apierrors.NewApplyConflict([]metav1.StatusCause{{
			Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec.type", Message: `conflict with "kubectl-edit"`,
		}}, "Apply failed with 1 conflict")
	})
	objects, err := Objects(s, testImage(s))
	require.NoError(t, err)
	require.NoError(t, c.applyAll(t.Context(), in(StageWeb, objects)))
	assert.Equal(t, []string{
		"Service web: taking over spec.type, set by kubectl-edit",
		"Service web created",
		"Deployment web created",
		"PodDisruptionBudget web created",
		"Ingress web created",
	}, c.lines)
}

func TestApplyErrorsNameTheObject(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	c.dyn.PrependReactor("patch", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "site", errors.New("quota"))
	})
	err := c.Apply(t.Context(), testImage(s))
	require.ErrorContains(t, err, "apply ConfigMap site: ")
	assert.True(t, apierrors.IsForbidden(err))
}

func TestCredentialsAreMadeOnce(t *testing.T) {
	s := readSite(t, "wordpress", "")
	c := newFakeCluster(t, s)
	require.NoError(t, c.applyCredentials(t.Context()))
	secrets := c.client.CoreV1().Secrets(s.Namespace)
	database, err := secrets.Get(t.Context(), "database", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, "mysql", string(database.Data["host"]))
	assert.Equal(t, "3306", string(database.Data["port"]))
	assert.Equal(t, "site", string(database.Data["name"]))
	assert.Equal(t, "site", string(database.Data["user"]))
	assert.Regexp(t, "^[a-z2-7]{52}$", string(database.Data["password"]))
	wordpress, err := secrets.Get(t.Context(), "wordpress", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Len(t, wordpress.Data, 9)
	assert.NotEqual(t, wordpress.Data["auth-key"], wordpress.Data["nonce-key"])

	require.NoError(t, c.applyCredentials(t.Context()))
	again, err := secrets.Get(t.Context(), "database", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, database.Data, again.Data)
	for _, line := range c.lines {
		assert.NotContains(t, line, string(database.Data["password"]))
	}
}

func TestCredentialsGetTheKeysTheyLack(t *testing.T) {
	s := readSite(t, "wordpress", "")
	mine := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "wordpress", Namespace: s.Namespace, ResourceVersion: "7"},
		Data:       map[string][]byte{"auth-key": []byte("as it was"), "more": []byte("of the site's own")},
	}
	c := newFakeCluster(t, s, mine)
	require.NoError(t, c.applyCredentials(t.Context()))
	got, err := c.client.CoreV1().Secrets(s.Namespace).Get(t.Context(), "wordpress", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, "as it was", string(got.Data["auth-key"]))
	assert.Equal(t, "of the site's own", string(got.Data["more"]))
	assert.Len(t, got.Data, 10)
	assert.Contains(t, c.lines, "Secret wordpress configured")
}

func TestCredentialsSomebodyElseHasJustMade(t *testing.T) {
	s := readSite(t, "wordpress", "")
	c := newFakeCluster(t, s)
	theirs := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "database", Namespace: s.Namespace},
		Data:       credentials(s)[0].missing(&corev1.Secret{}),
	}
	c.clients.PrependReactor("create", "secrets", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if nameOf(action) != "database" {
			return false, nil, nil
		}
		c.put(theirs)
		return true, nil, apierrors.NewAlreadyExists(corev1.Resource("secrets"), "database")
	})
	require.NoError(t, c.applyCredentials(t.Context()))
	got, err := c.client.CoreV1().Secrets(s.Namespace).Get(t.Context(), "database", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, theirs.Data, got.Data)
}

// A new password would lock the site out of the database it has.
func TestCredentialsAreNotMadeForOldData(t *testing.T) {
	s := readSite(t, "wordpress", "")
	volume := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data-mysql-0", Namespace: s.Namespace, UID: types.UID("volume")}}
	c := newFakeCluster(t, s, volume)
	err := c.applyCredentials(t.Context())
	require.ErrorContains(t, err, "generate Secret database: the volume data-mysql-0 was set up with a password that is gone")
	assert.Empty(t, c.requests("create"))
}

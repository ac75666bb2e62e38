package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sitectl/sitectl/site"
)

const mountedAnnotation = "sitectl.dev/secrets"

// mounted returns the annotation with which a deploy that begins now would
// have the web pods.
func (c *fakeCluster) webAnnotation(t *testing.T) string {
	t.Helper()
	d := &Deployer{site: c.site, client: c.client}
	objects, err := d.objects(t.Context(), testImage(c.site))
	require.NoError(t, err)
	annotations := find(t, objects, "Deployment").Object["spec"].(map[string]any)["template"].(map[string]any)["metadata"].(map[string]any)["annotations"]
	sum, _ := annotations.(map[string]any)[mountedAnnotation].(string)
	return sum
}

func TestAChangedSecretReplacesTheWebPods(t *testing.T) {
	s := readSite(t, "plain", "")
	s.Secrets = []site.Secret{
		{Name: "smtp", For: []string{"web"}},
		{Name: "payment", For: []string{"web", "cron"}},
		{Name: "search", For: []string{"migrate"}},
	}
	c := newFakeCluster(t, s)
	secret := func(name, uid, value string) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.Namespace, UID: types.UID(uid)},
			Data:       map[string][]byte{"password": []byte(value)},
		}
	}
	assert.Empty(t, c.webAnnotation(t), "nothing is there yet")

	c.put(secret("smtp", "a", "1"), secret("payment", "b", "2"), secret("search", "c", "3"))
	first := c.webAnnotation(t)
	assert.NotEmpty(t, first)
	assert.Equal(t, first, c.webAnnotation(t))

	labelled := secret("smtp", "a", "1")
	labelled.Labels = map[string]string{"checked": "today"}
	labelled.ResourceVersion = "77"
	c.put(labelled, secret("search", "c", "other"))
	assert.Equal(t, first, c.webAnnotation(t), "what the web pods read is the same")

	c.put(secret("payment", "b", "other"))
	second := c.webAnnotation(t)
	assert.NotEqual(t, first, second)
	c.put(secret("payment", "b", "2"))
	assert.Equal(t, first, c.webAnnotation(t), "back again")
	c.put(secret("payment", "d", "2"))
	assert.NotEqual(t, first, c.webAnnotation(t), "another Secret: its UID is the key")
}

// The Secrets are read once for all steps, and not at all by a site that has
// none: a ship with nothing to do takes two requests.
func TestSecretsAreReadOnce(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	for range 3 {
		_, err := c.objects(t.Context(), testImage(s))
		require.NoError(t, err)
	}
	assert.Empty(t, c.requests("get"))

	s.Secrets = []site.Secret{{Name: "smtp", For: []string{"web"}}}
	c = newFakeCluster(t, s)
	for range 3 {
		_, err := c.objects(t.Context(), testImage(s))
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"get secrets smtp"}, c.requests("get"))
}

// A pod whose volume asks for a key that is not there never starts.
func TestPreflightWantsTheLoginOfAnExternalDatabase(t *testing.T) {
	s := readSite(t, "shop", "")
	s.Migrate = nil
	c := newFakeCluster(t, s,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "shop-db", Namespace: s.Namespace},
			Data:       map[string][]byte{"username": []byte("shop"), "password": []byte("secret")},
		})
	c.version("v1.36.3")
	c.permit(func(authorizationv1.ResourceAttributes) bool { return true })
	var found *PreflightError
	require.ErrorAs(t, c.Preflight(t.Context(), testImage(s)), &found)
	assert.Equal(t, []Finding{
		{About: "Secret shop-db", Message: "has nothing under the key user", Hint: "it needs the keys user and password"},
		{About: "Secret shop-s3", Message: "not in namespace shop-example-com", Hint: "kubectl -n shop-example-com create secret generic shop-s3 --from-file=KEY=FILE"},
	}, found.Findings)
	assert.Equal(t, []string{"shop-db", "shop-s3"}, webSecrets(s))
}

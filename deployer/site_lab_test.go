//go:build lab

package deployer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/site"
)

// TestLabWholeSite has what TestLabShip has another kind of, and changes it
// while it runs.
func TestLabWholeSite(t *testing.T) {
	l := newLabSite(t, `
web:
  replicas: 2
  resources: {cpu: 10m, memory: 64Mi}
  rollout: {minReadySeconds: 1, drainDelay: 1s, drainTimeout: 5s}
  verify: {path: /page, contains: "password: first"}
database: {external: {host: db.example.com, name: shop, secret: db}}
cache: {redis: {memory: 16Mi}}
files: {s3: {bucket: shop, endpoint: "https://s3.example.com", secret: s3}}
secrets: [{name: smtp, for: [web]}]
migrate:
  steps:
    - name: settings
      command:
        [/pod, cat=/secrets/database/host, cat=/secrets/database/port, cat=/secrets/database/name, cat=/secrets/database/user,
         cat=/config/site/redis, cat=/config/s3/endpoint, cat=/secrets/s3/access-key]
`)
	l.createNamespace()
	l.createSecret("db", map[string]string{"user": "shop", "password": "secret"})
	l.createSecret("s3", map[string]string{"access-key": "AKIA"})
	l.createSecret("smtp", map[string]string{"password": "first"})
	image := l.image("aaaaaa1", "serve")
	require.NoError(t, l.ship(image))
	for _, line := range []string{"db.example.com", "3306", "shop", "redis:6379", "https://s3.example.com", "AKIA"} {
		assert.Contains(t, l.logged(), "settings | "+line+"\n")
	}
	assert.Contains(t, l.lines, "redis: 1 of 1 pods ready")
	l.assertNothingPlanned(image)

	l.changedSecretReplacesPods(image)
	l.autoscalerTakesOver(image)
}

func (l *labSite) createNamespace() {
	l.t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: l.site.Namespace}}
	_, err := l.client.CoreV1().Namespaces().Create(l.t.Context(), namespace, metav1.CreateOptions{})
	require.NoError(l.t, err)
}

func (l *labSite) createSecret(name string, values map[string]string) {
	l.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: values}
	_, err := l.client.CoreV1().Secrets(l.site.Namespace).Create(l.t.Context(), secret, metav1.CreateOptions{})
	require.NoError(l.t, err)
}

// changedSecretReplacesPods: the same commit is shipped again when a Secret
// has changed, and only then.
func (l *labSite) changedSecretReplacesPods(image site.Image) {
	l.t.Helper()
	before := l.pods()
	l.nextShip()
	assert.True(l.t, l.running(image))

	secrets := l.client.CoreV1().Secrets(l.site.Namespace)
	secret, err := secrets.Get(l.t.Context(), "smtp", metav1.GetOptions{})
	require.NoError(l.t, err)
	secret.Data["password"] = []byte("second")
	_, err = secrets.Update(l.t.Context(), secret, metav1.UpdateOptions{})
	require.NoError(l.t, err)
	l.nextShip()
	assert.False(l.t, l.running(image), "a Secret has changed")
	l.site.Web.Verify.Contains = "password: second"
	require.NoError(l.t, l.ship(image))
	assert.True(l.t, l.running(image))
	assert.NotEqual(l.t, before, l.pods())
}

// autoscalerTakesOver: it finds as many pods as there were, what it makes of
// them stays, and it goes when the site file does without it.
func (l *labSite) autoscalerTakesOver(image site.Image) {
	l.t.Helper()
	ctx := l.t.Context()
	deployments := l.client.AppsV1().Deployments(l.site.Namespace)
	seen, err := deployments.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=web"})
	require.NoError(l.t, err)
	defer seen.Stop()

	l.site.Web.Autoscale = &site.Autoscale{Min: 3, Max: 4, CPU: 80}
	l.nextShip()
	require.NoError(l.t, l.ship(image))
	assert.Contains(l.t, l.lines, "Deployment web: leaving spec.replicas (2) to its autoscaler")
	last := int32(0)
	for last < 3 {
		select {
		case event := <-seen.ResultChan():
			web, ok := event.Object.(*appsv1.Deployment)
			require.True(l.t, ok, "%v", event)
			last = replicas(web.Spec.Replicas)
			assert.GreaterOrEqual(l.t, last, int32(2), "never down to one pod")
		case <-time.After(time.Minute):
			require.Fail(l.t, "the autoscaler has not raised the number of pods", last)
		}
	}
	next := l.image("aaaaaa2", "serve")
	l.nextShip()
	require.NoError(l.t, l.ship(next))
	web, err := deployments.Get(ctx, "web", metav1.GetOptions{})
	require.NoError(l.t, err)
	assert.Equal(l.t, int32(3), replicas(web.Spec.Replicas))

	l.site.Web.Autoscale = nil
	l.nextShip()
	require.NoError(l.t, l.ship(next))
	assert.Contains(l.t, l.lines, "HorizontalPodAutoscaler web deleted, the site does without it")
	web, err = deployments.Get(ctx, "web", metav1.GetOptions{})
	require.NoError(l.t, err)
	assert.Equal(l.t, int32(2), replicas(web.Spec.Replicas))
}

// nextShip forgets what one ship reads once.
func (l *labSite) nextShip() { l.mounted = nil }

func (l *labSite) running(image site.Image) bool {
	l.t.Helper()
	_, running, err := l.Current(l.t.Context(), image)
	require.NoError(l.t, err)
	return running
}

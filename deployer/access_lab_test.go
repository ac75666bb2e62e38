//go:build lab

package deployer

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// TestLabAccess ships with the account that Access gives, which is all that a
// ship takes, and without one of its permissions is told which.
func TestLabAccess(t *testing.T) {
	l := newLabSite(t, smallSite+`
migrate: {steps: [{name: quick, command: [/pod]}]}
cron: [{name: nightly, schedule: "H 3 * * *", command: [/pod]}]
`)
	objects, err := Access(l.site, AccessOptions{Account: "pipeline"})
	require.NoError(t, err)
	require.NoError(t, l.applyAll(t.Context(), objects))
	administrator := l.Deployer
	t.Cleanup(func() {
		l.Deployer = administrator
		l.removeClusterRoles(objects)
	})

	l.Deployer, err = Connect(l.site, Options{
		Kubeconfig: l.kubeconfigOf("pipeline"),
		PullConfig: administrator.opts.PullConfig,
		Log:        l,
		Progress:   l.note,
	})
	require.NoError(t, err)
	image := l.image("a000001", "serve")
	require.NoError(t, l.ship(image))

	roles := administrator.client.RbacV1().Roles(l.site.Namespace)
	role, err := roles.Get(t.Context(), "pipeline", metav1.GetOptions{})
	require.NoError(t, err)
	for _, rule := range role.Rules {
		if slices.Contains(rule.Resources, "cronjobs") {
			rule.Verbs[slices.Index(rule.Verbs, "delete")] = "deletecollection"
		}
	}
	_, err = roles.Update(t.Context(), role, metav1.UpdateOptions{})
	require.NoError(t, err)
	// The API server learns of the change by a watch.
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var found *PreflightError
		require.ErrorAs(c, l.Preflight(t.Context(), image), &found)
		require.Len(c, found.Findings, 1)
		assert.Equal(c, "permission to delete cronjobs.batch", found.Findings[0].About)
	}, time.Minute, 200*time.Millisecond)
}

// kubeconfigOf writes a kubeconfig with a token of a ServiceAccount of the
// site's namespace, as one makes it for a pipeline.
func (l *labSite) kubeconfigOf(account string) string {
	l.t.Helper()
	token, err := l.client.CoreV1().ServiceAccounts(l.site.Namespace).
		CreateToken(l.t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(l.t, err)
	config, err := clientcmd.LoadFromFile(environment(l.t, "KUBECONFIG"))
	require.NoError(l.t, err)
	config.AuthInfos = map[string]*clientcmdapi.AuthInfo{account: {Token: token.Status.Token}}
	for _, entry := range config.Contexts {
		entry.AuthInfo = account
	}
	path := l.t.TempDir() + "/kubeconfig"
	require.NoError(l.t, clientcmd.WriteToFile(*config, path))
	return path
}

// removeClusterRoles removes what does not go with the namespace.
func (l *labSite) removeClusterRoles(objects []Object) {
	for _, object := range objects {
		if object.GetNamespace() == "" && object.GroupVersionKind().Group == rbacv1.GroupName {
			assert.NoError(l.t, l.resources(object).Delete(context.Background(), object.GetName(), metav1.DeleteOptions{}))
		}
	}
}

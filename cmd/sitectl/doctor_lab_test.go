//go:build lab

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// TestDoctor asks for a site before its first ship and after it, and then for
// ones that lack something.
func TestDoctor(t *testing.T) {
	t.Parallel()
	s := newLabSample(t, "brochure", "doctor")
	s.git(t, "remote", "add", "origin", "https://ada:secret@git.example.com/agency/brochure.git")

	t.Run("before the first ship", func(t *testing.T) {
		r, _ := s.doctor(t, 0)
		assert.Zero(t, r.Warnings)
		assert.Contains(t, r.found("namespace"), "ok: namespace "+s.namespace+": is not there yet: the first ship makes it")
		assert.Equal(t, []string{"ok: remote: https://git.example.com/agency/brochure.git"}, r.found("remote"))
	})
	t.Run("all is well", func(t *testing.T) {
		s.ship(t)
		r, out := s.doctor(t, 0)
		for _, found := range r.Checks {
			assert.Equal(t, checkOK, found.Result, "%s: %s", found.Check, found.Message)
		}
		assert.NotContains(t, out.stdout, "secret@")
		for _, check := range []string{"builder", "login", "push", "base image", "runtime image", "kubeconfig", "cluster", "clock", "permissions", "objects", "hosts"} {
			assert.NotEmpty(t, r.found(check), check)
		}
		assert.Regexp(t, "^ok: builder: BuildKit at .*, because it is named", r.found("builder")[0])
		assert.Contains(t, r.found("kubeconfig")[0], "client certificate, until ")
		assert.Contains(t, s.succeed(t, "doctor").stdout, "nothing keeps a ship from going: ")
	})
	t.Run("a wrong password", func(t *testing.T) {
		password := filepath.Join(t.TempDir(), "password")
		require.NoError(t, os.WriteFile(password, []byte("wrong password"), 0o600))
		r, out := s.doctor(t, statusRegistry, "--registry-user", "nobody", "--registry-password-file", password)
		failed := r.failed("push")
		assert.Contains(t, failed.Message, `as user "nobody" (from --registry-user)`)
		assert.Contains(t, failed.Mend, "docker login "+lab(t, "SITECTL_REGISTRY"))
		assert.NotContains(t, out.stdout, "wrong password")
		assert.NotEmpty(t, r.found("objects"), "what does not need the registry is looked at")
	})
	t.Run("a token that ends soon, without permissions", func(t *testing.T) {
		r, _ := s.doctor(t, statusFailed, "--kubeconfig", s.accountConfig(t, "visitor"))
		found := r.found("kubeconfig")
		require.Len(t, found, 1)
		assert.Regexp(t, "^warning: kubeconfig: token expires in (59|60) minutes, on ", found[0])
		assert.Contains(t, r.failed("permissions").Mend, "sitectl rbac")
		assert.Contains(t, r.found("permissions"), "failed: permission for deployments.apps: missing: get, create, patch, list, watch in namespace "+s.namespace)
	})
	t.Run("an ingress class that is not there", func(t *testing.T) {
		s.edit(t, func(file map[string]any) { file["ingress"].(map[string]any)["class"] = "nowhere" })
		s.commit(t, "an ingress class")
		r, _ := s.doctor(t, statusFailed)
		failed := r.failed("ingress class")
		assert.Equal(t, `Ingress web: the cluster has no ingress class "nowhere"`, failed.Message)
		assert.Contains(t, failed.Mend, "set ingress.class; there is: traefik")
		assert.Equal(t, 1, r.Failed)
	})
}

// doctor runs it, expects an exit status, and that every failure says how to
// mend it.
func (s *labSite) doctor(t *testing.T, want status, arguments ...string) (doctorResult, outcome) {
	t.Helper()
	out := s.sitectl(t, append([]string{"doctor", "--output", "json"}, arguments...)...)
	require.Equal(t, int(want), out.status, out.stdout+out.stderr)
	var r doctorResult
	require.NoError(t, json.Unmarshal([]byte(out.stdout), &r), out.stdout)
	for _, found := range r.Checks {
		assert.Equal(t, found.Result == checkFailed || found.Result == checkWarning, found.Mend != "", "%s: %s", found.Check, found.Message)
	}
	return r, out
}

// found lists what a check has found.
func (r doctorResult) found(check string) []string {
	var list []string
	for _, found := range r.Checks {
		if found.Check == check {
			list = append(list, string(found.Result)+": "+found.Message)
		}
	}
	return list
}

// failed is the first failure of a check; empty for none.
func (r doctorResult) failed(check string) diagnosis {
	i := slices.IndexFunc(r.Checks, func(d diagnosis) bool { return d.Check == check && d.Result == checkFailed })
	if i < 0 {
		return diagnosis{}
	}
	return r.Checks[i]
}

// accountConfig makes an account without any permission, and a kubeconfig with
// a token of it for an hour.
func (s *labSite) accountConfig(t *testing.T, name string) string {
	t.Helper()
	accounts := s.cluster.CoreV1().ServiceAccounts(s.namespace)
	_, err := accounts.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	require.NoError(t, err)
	hour := int64(3600)
	token, err := accounts.CreateToken(t.Context(), name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	config, err := clientcmd.LoadFromFile(lab(t, "KUBECONFIG"))
	require.NoError(t, err)
	config.AuthInfos = map[string]*api.AuthInfo{name: {Token: token.Status.Token}}
	for _, context := range config.Contexts {
		context.AuthInfo = name
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(*config, path))
	return path
}

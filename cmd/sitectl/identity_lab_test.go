//go:build lab

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// TestShipWithAnIdentityToken: a cluster that trusts the issuer of a job's
// identity tokens needs no other secret, and the permissions that rbac prints.
func TestShipWithAnIdentityToken(t *testing.T) {
	t.Parallel()
	if os.Getenv("SITECTL_ISSUER") == "" {
		t.Skip("SITECTL_ISSUER is not set: the cluster trusts no issuer that the test could be")
	}
	const subject = "project_path:agency/site:ref_type:branch:ref:main"
	s := newLabSample(t, "brochure", "identity")
	s.grant(t, "--user", "issuer:"+subject)
	jobs := newIssuer(t)
	kubeconfig := tokenKubeconfig(t, jobs.token(t, subject))
	// The API server looks for an issuer that it has not found every ten seconds.
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Equal(c, "issuer:"+subject, whoAmI(c, kubeconfig))
	}, time.Minute, 200*time.Millisecond)

	s.succeed(t, "ship", "--kubeconfig", kubeconfig)
	assert.Contains(t, s.page(t, "/"), "Brochure")

	stranger := tokenKubeconfig(t, jobs.token(t, "project_path:agency/another"))
	s.commit(t, "a release of somebody else's")
	out := s.sitectl(t, "ship", "--kubeconfig", stranger)
	assert.Equal(t, int(statusFailed), out.status)
	assert.Contains(t, out.stderr, "sitectl rbac")
}

// TestShipThroughGitLabsAgent: GitLab's agent server is at a path of its own,
// takes a token of the job, and makes the requests as the job.
func TestShipThroughGitLabsAgent(t *testing.T) {
	t.Parallel()
	s := newLabSample(t, "brochure", "agent")
	s.grant(t, "--group", "gitlab:project:150")
	config, err := clientcmd.BuildConfigFromFlags("", lab(t, "KUBECONFIG"))
	require.NoError(t, err)
	config.Impersonate = rest.ImpersonationConfig{UserName: "gitlab:ci_job:7", Groups: []string{"gitlab:ci_job", "gitlab:project:150"}}
	api := http.StripPrefix("/k8s-proxy", passOn(t, config))
	agent := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer ci:3:job-token" {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		r.Header.Del("Authorization")
		api.ServeHTTP(w, r)
	}))
	agent.EnableHTTP2 = true
	agent.StartTLS()
	t.Cleanup(agent.Close)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"gitlab": {
			Server:                   agent.URL + "/k8s-proxy/",
			CertificateAuthorityData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: agent.Certificate().Raw}),
		}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"agent:3": {Token: "ci:3:job-token"}},
		Contexts:  map[string]*clientcmdapi.Context{"agency/site:agent": {Cluster: "gitlab", AuthInfo: "agent:3"}},
	}, kubeconfig))

	out := s.succeed(t, "ship", "--kubeconfig", kubeconfig, "--context", "agency/site:agent", "--progress", "plain")
	assert.NotContains(t, out.stdout+out.stderr, "job-token")
	assert.Contains(t, s.page(t, "/"), "Brochure")
	assert.Contains(t, s.succeed(t, "status", "--kubeconfig", kubeconfig, "--context", "agency/site:agent").stdout, s.address)
}

// grant applies what `sitectl rbac` prints, as an administrator does.
func (s *labSite) grant(t *testing.T, arguments ...string) {
	t.Helper()
	var list unstructured.UnstructuredList
	require.NoError(t, json.Unmarshal([]byte(s.succeed(t, append([]string{"rbac", "--output", "json"}, arguments...)...).stdout), &list))
	config, err := clientcmd.BuildConfigFromFlags("", lab(t, "KUBECONFIG"))
	require.NoError(t, err)
	administrator, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	for _, object := range list.Items {
		kind := object.GroupVersionKind()
		resource := schema.GroupVersionResource{Group: kind.Group, Version: kind.Version, Resource: strings.ToLower(kind.Kind) + "s"}
		objects := administrator.Resource(resource).Namespace(object.GetNamespace())
		_, err := objects.Apply(t.Context(), object.GetName(), &object, metav1.ApplyOptions{FieldManager: "test", Force: true})
		require.NoError(t, err)
		if object.GetNamespace() == "" && kind.Kind != "Namespace" { // which the site's end removes
			t.Cleanup(func() {
				assert.NoError(t, administrator.Resource(resource).Delete(context.Background(), object.GetName(), metav1.DeleteOptions{}))
			})
		}
	}
}

// issuer issues identity tokens as GitLab and GitHub do for their jobs
// (https://openid.net/specs/openid-connect-discovery-1_0.html).
type issuer struct {
	url string
	key *ecdsa.PrivateKey
}

func newIssuer(t *testing.T) issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i := issuer{url: lab(t, "SITECTL_ISSUER"), key: key}
	point, err := key.PublicKey.Bytes() // 4, X, Y
	require.NoError(t, err)
	coordinate := base64.RawURLEncoding.EncodeToString
	documents := http.NewServeMux()
	documents.HandleFunc("/.well-known/openid-configuration", i.serve(map[string]any{
		"issuer": i.url, "jwks_uri": i.url + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"},
		"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
	}))
	documents.HandleFunc("/keys", i.serve(map[string]any{"keys": []map[string]string{
		{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "test", "x": coordinate(point[1:33]), "y": coordinate(point[33:])},
	}}))
	certificate, err := tls.LoadX509KeyPair(lab(t, "SITECTL_ISSUER_CERTIFICATE"), lab(t, "SITECTL_ISSUER_KEY"))
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(documents)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	require.NoError(t, server.Listener.Close())
	server.Listener, err = net.Listen("tcp", strings.TrimPrefix(i.url, "https://"))
	require.NoError(t, err)
	server.StartTLS()
	t.Cleanup(server.Close)
	return i
}

func (i issuer) serve(document any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(document)
	}
}

func (i issuer) token(t *testing.T, subject string) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.RegisteredClaims{
		Issuer: i.url, Subject: subject, Audience: jwt.ClaimStrings{"sitectl"},
		IssuedAt: jwt.NewNumericDate(time.Now()), ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour)),
	})
	token.Header["kid"] = "test"
	text, err := token.SignedString(i.key)
	require.NoError(t, err)
	return text
}

// tokenKubeconfig writes a kubeconfig that takes the token from a variable of
// the job, in the way of the README.
func tokenKubeconfig(t *testing.T, token string) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(lab(t, "KUBECONFIG"))
	require.NoError(t, err)
	const script = `printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}' "$SITECTL_ID_TOKEN"`
	config.AuthInfos = map[string]*clientcmdapi.AuthInfo{"job": {Exec: &clientcmdapi.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		Command: "sh", Args: []string{"-c", script}, Env: []clientcmdapi.ExecEnvVar{{Name: "SITECTL_ID_TOKEN", Value: token}},
	}}}
	for _, entry := range config.Contexts {
		entry.AuthInfo = "job"
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(*config, path))
	return path
}

// whoAmI is the user that the API server takes a kubeconfig's to be.
func whoAmI(t *assert.CollectT, kubeconfig string) string {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(context.Background(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	require.NoError(t, err)
	return review.Status.UserInfo.Username
}

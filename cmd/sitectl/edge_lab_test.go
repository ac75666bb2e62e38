//go:build lab

package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestEdge ships a site as two environments: what is different at their edges
// is done in the pods, and seen through the ingress.
func TestEdge(t *testing.T) {
	t.Parallel()
	s := newLabSample(t, "brochure", "edge")
	s.password(t, "colleagues", "ada", "open sesame")
	s.becomes(t, "staging", map[string]any{
		"hosts":      []string{s.address},
		"basicAuth":  "colleagues",
		"uploadSize": "1Mi",
	})
	shipped := s.ship(t)
	s.staging(t)
	s.works(t, shipped.Commit.Tag)

	s.becomes(t, "production", map[string]any{
		"hosts":     []string{s.address, "shop." + s.address},
		"paths":     []string{"/", "/shop"},
		"redirects": []any{map[string]any{"from": "www." + s.address, "to": s.address}},
		"tls":       map[string]any{},
		"hsts":      map[string]any{"subdomains": true},
	})
	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, ".sitectl")))
	s.commit(t, "no worker")
	s.ship(t)
	s.production(t)
	_, err := s.cluster.AppsV1().Deployments(s.namespace).Get(t.Context(), "worker", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "what the site does without is removed")
	s.destroys(t)
}

// destroys takes the site out of the cluster, at last with its data.
func (s *labSite) destroys(t *testing.T) {
	deployments, namespaces := s.cluster.AppsV1().Deployments(s.namespace), s.cluster.CoreV1().Namespaces()
	refused := s.sitectl(t, "destroy", "--confirm", s.address)
	assert.Equal(t, int(statusUsage), refused.status, "in production a flag is not enough")
	assert.Contains(t, refused.stderr, "Secret colleagues")
	_, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)

	s.becomes(t, "review", map[string]any{"hosts": []string{s.address}})
	s.succeed(t, "destroy", "--confirm", s.address)
	_, err = deployments.Get(t.Context(), "web", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err))
	_, err = s.cluster.CoreV1().Secrets(s.namespace).Get(t.Context(), "colleagues", metav1.GetOptions{})
	require.NoError(t, err)

	s.succeed(t, "destroy", "--delete-data", "--confirm", s.address)
	_, err = namespaces.Get(t.Context(), s.namespace, metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err))
	assert.Contains(t, s.succeed(t, "destroy", "--confirm", s.address).stdout, "there is nothing to remove")
}

// works checks that the worker of .sitectl/manifests is of a release, too.
func (s *labSite) works(t *testing.T, tag string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		pods, err := s.cluster.CoreV1().Pods(s.namespace).List(t.Context(), metav1.ListOptions{
			LabelSelector: "app.kubernetes.io/name=worker,app.kubernetes.io/version=" + tag,
		})
		require.NoError(c, err)
		require.Len(c, pods.Items, 1)
		log, err := s.cluster.CoreV1().Pods(s.namespace).GetLogs(pods.Items[0].Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
		require.NoError(c, err)
		assert.Contains(c, string(log), "worker of "+tag+" for http")
	}, 30*time.Second, 200*time.Millisecond)
}

// becomes makes the site file one for an environment.
func (s *labSite) becomes(t *testing.T, environment string, ingress map[string]any) {
	t.Helper()
	s.edit(t, func(file map[string]any) {
		file["environment"], file["namespace"], file["ingress"] = environment, s.namespace, ingress
	})
	s.commit(t, environment)
}

func (s *labSite) staging(t *testing.T) {
	page := ask{host: s.address, path: "/page"}
	denied, _ := s.ask(t, page, http.StatusUnauthorized)
	assert.Equal(t, `Basic realm="Restricted"`, denied.Header.Get("WWW-Authenticate"))
	assert.Equal(t, "noindex, nofollow", denied.Header.Get("X-Robots-Tag"))

	known := page
	known.password = "open sesame"
	answer, body := s.ask(t, known, http.StatusOK)
	assert.Equal(t, "noindex, nofollow", answer.Header.Get("X-Robots-Tag"))
	assert.Contains(t, body, "uploads of 1048576\n")
	s.ask(t, page, http.StatusUnauthorized) // what was answered to one is not in the cache for all
	s.ask(t, ask{host: s.address, path: "/", header: http.Header{"X-Forwarded-For": {"127.0.0.1"}}}, http.StatusUnauthorized)
	s.ask(t, ask{host: s.address, path: "/.well-known/acme-challenge/../../index.php"}, http.StatusUnauthorized)
	s.ask(t, ask{host: s.address, path: "/.well-known/acme-challenge/a-token"}, http.StatusOK)
	s.ask(t, ask{host: s.address, path: "/healthz"}, http.StatusOK)
	s.ask(t, ask{host: s.address, path: "/.sitectl/health"}, http.StatusOK)
	known.path = "/composer.json"
	s.ask(t, known, http.StatusForbidden)
	known.path, known.upload = "/page", 10<<20
	s.ask(t, known, http.StatusRequestEntityTooLarge)
}

func (s *labSite) production(t *testing.T) {
	page := ask{host: s.address, path: "/page?a=b%20c"}
	redirect, _ := s.ask(t, page, http.StatusMovedPermanently)
	assert.Equal(t, "https://"+s.address+"/page?a=b%20c", redirect.Header.Get("Location"))
	assert.Empty(t, redirect.Header.Get("X-Robots-Tag"))
	s.ask(t, ask{host: s.address, path: "/.well-known/acme-challenge/a-token"}, http.StatusOK)
	s.ask(t, ask{host: s.address, path: "/.sitectl/health"}, http.StatusOK)

	page.host = "www." + s.address
	redirect, _ = s.ask(t, page, http.StatusMovedPermanently)
	assert.Equal(t, "https://"+s.address+"/page?a=b%20c", redirect.Header.Get("Location"))
	page.host = "shop." + s.address
	redirect, _ = s.ask(t, page, http.StatusMovedPermanently)
	assert.Equal(t, "https://shop."+s.address+"/page?a=b%20c", redirect.Header.Get("Location"))

	// As an ingress passes on what comes by HTTPS.
	service, err := s.cluster.CoreV1().Services(s.namespace).Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	secure := ask{host: s.address, path: "/shop", server: "http://" + service.Spec.ClusterIP + ":6081", header: http.Header{"X-Forwarded-Proto": {"https"}}}
	answer, body := s.ask(t, secure, http.StatusOK)
	assert.Equal(t, "max-age=31536000; includeSubDomains", answer.Header.Get("Strict-Transport-Security"))
	assert.Empty(t, answer.Header.Get("X-Robots-Tag"))
	assert.Contains(t, body, "uploads of 64M\n")
	_, again := s.ask(t, secure, http.StatusOK)
	assert.Equal(t, body, again, "from the cache")
	secure.server = "http://" + service.Spec.ClusterIP // port 80 is Apache
	_, again = s.ask(t, secure, http.StatusOK)
	assert.NotEqual(t, body, again, "past the cache")
}

// password makes a Secret as ingress.basicAuth wants it, in a namespace that
// need not be there yet.
func (s *labSite) password(t *testing.T, secret, user, password string) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(t, err)
	_, err = s.cluster.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = s.cluster.CoreV1().Secrets(s.namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: secret},
		StringData: map[string]string{"htpasswd": user + ":" + string(hash) + "\n"},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

// ask is a request to a site.
type ask struct {
	host, path string
	server     string // default: the ingress
	header     http.Header
	password   string // of ada; empty for somebody unknown
	upload     int    // bytes of a body
}

// ask makes a request until it is answered with a status: the ingress, and
// the pods of the release before, may be a moment behind.
func (s *labSite) ask(t *testing.T, a ask, status int) (*http.Response, string) {
	t.Helper()
	var response *http.Response
	var body []byte
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var err error
		response, err = client.Do(a.request(t))
		require.NoError(c, err)
		defer response.Body.Close()
		body, err = io.ReadAll(response.Body)
		require.NoError(c, err)
		require.Equal(c, status, response.StatusCode, "%s%s: %s", a.host, a.path, body)
	}, 30*time.Second, 200*time.Millisecond)
	return response, string(body)
}

func (a ask) request(t *testing.T) *http.Request {
	t.Helper()
	method, server, body := http.MethodGet, a.server, io.Reader(http.NoBody)
	if a.upload > 0 {
		method, body = http.MethodPost, strings.NewReader(strings.Repeat("x", a.upload))
	}
	if server == "" {
		server = lab(t, "SITECTL_INGRESS")
	}
	request, err := http.NewRequestWithContext(t.Context(), method, server+a.path, body)
	require.NoError(t, err)
	request.Host = a.host
	for name, values := range a.header {
		request.Header[name] = values
	}
	if a.password != "" {
		request.SetBasicAuth("ada", a.password)
	}
	return request
}

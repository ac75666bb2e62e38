package deployer

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sitectl/sitectl/site"
)

func TestFetch(t *testing.T) {
	tests := []struct {
		name   string
		verify site.Verify
		answer http.HandlerFunc
		fails  string // part of the error; "" for none
	}{
		{
			name: "as it must be", verify: site.Verify{Path: "/about?x=1", Status: 200, Contains: "About us"},
			answer: func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "/about?x=1", r.RequestURI)
				assert.Equal(t, "example.com", r.Host)
				assert.Equal(t, "https", r.Header.Get("X-Forwarded-Proto"))
				_, _ = w.Write([]byte("<h1>About us</h1>"))
			},
		},
		{
			name: "wrong status", verify: site.Verify{Path: "/", Status: 200},
			answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
			fails:  "status 503 instead of 200",
		},
		{
			name: "wrong text", verify: site.Verify{Path: "/", Status: 200, Contains: "About us"},
			answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("Install me")) },
			fails:  `the page does not contain "About us"`,
		},
		{
			name: "a redirect that must be", verify: site.Verify{Path: "/", Status: 302},
			answer: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/en/", http.StatusFound) },
		},
		{
			name: "a redirect to itself", verify: site.Verify{Path: "/", Status: 302},
			answer: func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://example.com/en/", http.StatusFound)
			},
		},
		{
			name: "a redirect elsewhere", verify: site.Verify{Path: "/", Status: 302},
			answer: func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://old.example.com/", http.StatusFound)
			},
			fails: "a redirect to another host, https://old.example.com/",
		},
		{
			name: "a redirect that must not be", verify: site.Verify{Path: "/", Status: 200},
			answer: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/install.php", http.StatusFound) },
			fails:  "status 302, a redirect to /install.php, instead of 200",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.answer)
			defer server.Close()
			s := readSite(t, "everything", "production")
			s.Web.Verify = test.verify
			err := fetch(t.Context(), strings.TrimPrefix(server.URL, "http://"), s)
			if test.fails == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, test.fails)
			}
		})
	}
}

func TestVerifyAsksAReadyPodOfTheRelease(t *testing.T) {
	s := readSite(t, "plain", "")
	image := testImage(s)
	c := newFakeCluster(t, s,
		webPod(s, "web-old", "0000000"), webPod(s, "web-starting", image.Tag), webPod(s, "web-new", image.Tag),
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: s.Namespace, Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
			Ports:      []discoveryv1.EndpointPort{{Name: ptr.To("http"), Port: ptr.To[int32](6081)}},
			Endpoints:  []discoveryv1.Endpoint{endpointOf("web-old", true), endpointOf("web-starting", false), endpointOf("web-new", true)},
		})
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	c.forward = func(_ context.Context, namespace, pod string, port int32) (string, func(), error) {
		assert.Equal(t, s.Namespace, namespace)
		assert.Equal(t, "web-new", pod)
		assert.Equal(t, int32(6081), port)
		return strings.TrimPrefix(server.URL, "http://"), func() {}, nil
	}
	c.site.Web.Verify.Status = http.StatusNotFound
	require.NoError(t, c.Verify(t.Context(), image))
	assert.Equal(t, []string{"http://plain.example.com/ answers with status 404"}, c.lines)
}

func TestVerifyErrorNamesPageAndPod(t *testing.T) {
	err := &VerifyError{URL: "https://example.com/", Pod: "web-1", Message: "status 500 instead of 200"}
	assert.EqualError(t, err, "verify https://example.com/: pod web-1: status 500 instead of 200")
}

func webPod(s site.Site, name, tag string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.Namespace, Labels: map[string]string{
		"app.kubernetes.io/managed-by": "sitectl",
		"app.kubernetes.io/instance":   s.Namespace,
		"app.kubernetes.io/name":       "web",
		"app.kubernetes.io/version":    tag,
	}}}
}

func endpointOf(pod string, ready bool) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{
		Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		TargetRef:  &corev1.ObjectReference{Kind: "Pod", Name: pod},
	}
}

package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/lab/load"
)

func TestBrowserGoesThroughTheIngress(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("seen"); err == nil {
			w.Write([]byte("again at " + r.Host))
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1"})
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer server.Close()
	ingress := strings.TrimPrefix(server.URL, "http://")
	_, port, _ := strings.Cut(ingress, ":")
	b, err := newBrowser(ingress, "site.localhost")
	require.NoError(t, err)
	assert.Equal(t, "http://site.localhost:"+port, b.site)

	first, err := b.send(t.Context(), http.MethodGet, "/", nil, nil)
	require.NoError(t, err)
	assert.Equal(t, http.StatusFound, first.Status, "a redirect is not followed")
	_, err = b.get(t.Context(), "/", load.Page("again at site.localhost:"+port))
	require.NoError(t, err)

	other, err := b.another()
	require.NoError(t, err)
	_, err = other.get(t.Context(), "/", load.Page())
	require.ErrorContains(t, err, "GET /: 302 Found", "it has no cookies yet")
}

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/lab/load"
)

func sampleSites() map[string]website {
	return map[string]website{
		"guestbook": &guestbook{files: os.DirFS(filepath.Join("..", "..", "testdata", "sites", "guestbook")), entry: "/entries/1"},
		"wordpress": &wordpress{files: os.DirFS(filepath.Join("..", "..", "testdata", "sites", "wordpress")), post: "/a-post/"},
	}
}

// The demo's changes name lines of the sample sites.
func TestChangesApply(t *testing.T) {
	for name, w := range sampleSites() {
		t.Run(name, func(t *testing.T) {
			r := repository(t.TempDir())
			require.NoError(t, os.CopyFS(string(r), os.DirFS(filepath.Join("..", "..", "testdata", "sites", name))))
			require.NoError(t, r.apply(w.change()))
			assert.ErrorContains(t, r.apply(w.change()), "0 times instead of once")
			require.NoError(t, r.apply(edit{file: "site.yaml", old: "image: 127.0.0.1:5000/", new: "image: registry.example.com/"}))
		})
	}
}

func TestRequestsAreMixed(t *testing.T) {
	for name, w := range sampleSites() {
		t.Run(name, func(t *testing.T) {
			paths := map[string]int{}
			for n := 1; n <= 160; n++ {
				r := w.request(n)
				path, _, _ := strings.Cut(r.Path, "?s=")
				paths[r.Method+" "+path]++
			}
			want := map[string]map[string]int{
				"guestbook": {"GET /": 112, "POST /entries": 16, "GET /release": 16, "GET /entries/1": 16},
				"wordpress": {"GET /": 120, "GET /a-post/": 40},
			}
			assert.Equal(t, want[name], paths)
		})
	}
}

func TestEntryCreated(t *testing.T) {
	for _, test := range []struct {
		name     string
		response load.Response
		problem  string
	}{
		{"created", load.Response{Status: 303, Header: http.Header{"Location": {"/entries/12"}}}, ""},
		{"elsewhere", load.Response{Status: 303, Header: http.Header{"Location": {"/"}}}, "303 See Other: "},
		{"refused", load.Response{Status: 422, Body: "<p>Not  taken\n</p>"}, "422 Unprocessable Entity: <p>Not taken </p>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := entryCreated(test.response)
			if test.problem == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.problem)
		})
	}
}

func TestSignatureIsAForm(t *testing.T) {
	body, contentType, err := signature("Ann", "Hello", onePixel())
	require.NoError(t, err)
	r, err := http.NewRequest(http.MethodPost, "http://guestbook.localhost/entries", strings.NewReader(string(body)))
	require.NoError(t, err)
	r.Header.Set("Content-Type", contentType)
	require.NoError(t, r.ParseMultipartForm(1<<20))
	assert.Equal(t, "Ann", r.FormValue("name"))
	assert.Equal(t, "Hello", r.FormValue("message"))
	_, picture, err := r.FormFile("picture")
	require.NoError(t, err)
	assert.EqualValues(t, len(onePixel()), picture.Size)
}

func TestDialAddress(t *testing.T) {
	for _, test := range []struct{ address, want, problem string }{
		{"http://127.0.0.1:8088", "127.0.0.1:8088", ""},
		{"http://ingress.example.com", "ingress.example.com:80", ""},
		{"http://[::1]", "[::1]:80", ""},
		{"127.0.0.1:8088", "", "first path segment in URL cannot contain colon"},
		{"https://127.0.0.1", "", `"https://127.0.0.1" is not of the form http://host:port`},
		{"", "", `"" is not of the form http://host:port`},
	} {
		t.Run(test.address, func(t *testing.T) {
			got, err := dialAddress(test.address)
			if test.problem != "" {
				assert.ErrorContains(t, err, test.problem)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}

package npm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// packed is a package as npm's registry has it, and its integrity.
func packed(t *testing.T, files map[string]int64) ([]byte, string) {
	t.Helper()
	var content bytes.Buffer
	compressed := gzip.NewWriter(&content)
	archive := tar.NewWriter(compressed)
	for name, mode := range files {
		require.NoError(t, archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(name))}))
		_, err := archive.Write([]byte(name))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, compressed.Close())
	sum := sha512.Sum512(content.Bytes())
	return content.Bytes(), "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

func TestPackagesOfNPM(t *testing.T) {
	content, integrity := packed(t, map[string]int64{
		"package/bin/tool": 0o755, "package/README.md": 0o644, "package/../../outside": 0o644,
	})
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/tool/-/tool-1.2.3.tgz" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content)
	}))
	defer registry.Close()
	t.Setenv("NPM_CONFIG_REGISTRY", registry.URL+"/")
	tool := Package{Name: "tool", Version: "1.2.3", Integrity: integrity, Target: "usr/local"}

	folder := t.TempDir()
	require.NoError(t, Unpack(t.Context(), []Package{tool}, folder))
	program, err := os.Stat(filepath.Join(folder, "usr/local/bin/tool"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o755), program.Mode())
	assert.FileExists(t, filepath.Join(folder, "usr/local/README.md"))
	assert.NoFileExists(t, filepath.Join(folder, "outside"))

	cache := t.TempDir()
	for range 2 {
		folder, err := tool.Install(t.Context(), cache)
		require.NoError(t, err)
		assert.FileExists(t, filepath.Join(folder, "usr/local/bin/tool"))
	}

	folder = t.TempDir()
	one := tool
	one.Only = "bin/tool"
	require.NoError(t, Unpack(t.Context(), []Package{one}, folder))
	assert.FileExists(t, filepath.Join(folder, "usr/local/bin/tool"))
	assert.NoFileExists(t, filepath.Join(folder, "usr/local/README.md"))

	other := tool
	other.Integrity = "sha512-x"
	err = Unpack(t.Context(), []Package{other}, t.TempDir())
	assert.ErrorContains(t, err, "get tool 1.2.3 from "+registry.URL+": it is not what was expected: its integrity is "+integrity)

	missing := tool
	missing.Version = "2.0.0"
	assert.ErrorContains(t, Unpack(t.Context(), []Package{missing}, t.TempDir()), "404 Not Found")
}

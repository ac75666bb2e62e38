//go:build lab

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWordPressIsComplete(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "site")
	files := os.DirFS(filepath.Join("..", "..", "testdata", "sites", "wordpress"))
	require.NoError(t, (&wordpress{files: files}).write(t.Context(), folder))
	for _, file := range []string{
		"site.yaml",
		"wp-config.php",
		"wp-load.php",
		"wp-includes/ID3/getid3.php",
		"wp-includes/certificates/ca-bundle.crt",
		"wp-includes/js/underscore.min.js",
		"wp-content/themes/twentytwentyfive/style.css",
		"wp-content/mu-plugins/demo.php",
	} {
		info, err := os.Lstat(filepath.Join(folder, file))
		if assert.NoError(t, err) {
			assert.True(t, info.Mode().IsRegular(), file)
			assert.NotZero(t, info.Size(), file)
		}
	}
}

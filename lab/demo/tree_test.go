package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newRoot writes a root file system: a value that begins with "->" is a
// symbolic link.
func newRoot(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		file := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		if len(content) > 2 && content[:2] == "->" {
			require.NoError(t, os.Symlink(content[2:], file))
			continue
		}
		require.NoError(t, os.WriteFile(file, []byte(content), 0o644))
	}
	return root
}

func TestCopyTreeMakesLinksFiles(t *testing.T) {
	root := newRoot(t, map[string]string{
		"usr/share/site/index.php":     "index",
		"usr/share/site/.htaccess":     "rules",
		"usr/share/site/lib/.htaccess": "rules below",
		"usr/share/site/lib/relative":  "->../../javascript/code.js",
		"usr/share/site/lib/absolute":  "->/etc/ssl/all.crt",
		"usr/share/site/lib/twice":     "->relative",
		"usr/share/site/lib/above":     "->../../../../../../../etc/ssl/all.crt",
		"usr/share/site/themes":        "->/var/lib/site/themes",
		"var/lib/site/themes/plain":    "->../../../../usr/share/themes/plain",
		"usr/share/themes/plain/a.css": "style",
		"usr/share/javascript/code.js": "code",
		"etc/ssl/all.crt":              "certificates",
	})
	target := filepath.Join(t.TempDir(), "new")
	require.NoError(t, copyTree(root, "usr/share/site", target, []string{".htaccess"}))

	got := map[string]string{}
	require.NoError(t, filepath.WalkDir(target, func(file string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		assert.True(t, entry.Type().IsRegular(), file)
		text, err := os.ReadFile(file)
		name, _ := filepath.Rel(target, file)
		got[name] = string(text)
		return err
	}))
	assert.Equal(t, map[string]string{
		"index.php":     "index",
		"lib/.htaccess": "rules below",
		"lib/relative":  "code",
		"lib/absolute":  "certificates",
		"lib/twice":     "code",
		"lib/above":     "certificates", // the root has nothing above it

		"themes/plain/a.css": "style",
	}, got)
}

func TestCopyTreeRefusesWhatItCannotComplete(t *testing.T) {
	for name, link := range map[string]string{
		"dangling": "->/usr/share/php/missing.php",
		"loop":     "->loop",
		"above":    "->../site",
	} {
		t.Run(name, func(t *testing.T) {
			root := newRoot(t, map[string]string{"site/" + name: link})
			err := copyTree(root, "site", t.TempDir(), nil)
			assert.ErrorContains(t, err, "follow site/"+name+": ")
		})
	}
}

func TestWriteCertificates(t *testing.T) {
	root := newRoot(t, map[string]string{
		"usr/share/ca-certificates/mozilla/B.crt":    "b\n",
		"usr/share/ca-certificates/mozilla/A.crt":    "a\n",
		"usr/share/ca-certificates/mozilla/A.readme": "no\n",
	})
	require.NoError(t, writeCertificates(root))
	bundle, err := os.ReadFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"))
	require.NoError(t, err)
	assert.Equal(t, "a\nb\n", string(bundle))
}

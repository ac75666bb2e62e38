package builder

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// packed is an entry of a layer: a file of root with mode 0644, unless it says
// otherwise.
type packed struct {
	name     string // a folder, if it ends in a slash
	content  string
	mode     int64
	uid, gid int
	kind     byte
	link     string
	pax      map[string]string
}

func (p packed) header() *tar.Header {
	header := &tar.Header{
		Name: p.name, Mode: p.mode, Uid: p.uid, Gid: p.gid, Typeflag: p.kind,
		Linkname: p.link, PAXRecords: p.pax, Size: int64(len(p.content)),
	}
	folder := strings.HasSuffix(p.name, "/")
	switch {
	case p.kind == 0 && folder:
		header.Typeflag = tar.TypeDir
	case p.kind == 0:
		header.Typeflag = tar.TypeReg
	}
	if p.mode == 0 && folder {
		header.Mode = 0o755
	}
	header.Mode = cmp.Or(header.Mode, 0o644)
	return header
}

// archive writes entries, each after the folders that it is in, as what makes
// layers does.
func archive(t testing.TB, entries ...packed) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	known := map[string]bool{"/": true, ".": true}
	var folders func(string)
	folders = func(name string) {
		if !known[name] {
			folders(path.Dir(name))
			known[name] = true
			require.NoError(t, writer.WriteHeader(packed{name: name + "/"}.header()))
		}
	}
	for _, entry := range entries {
		if !strings.Contains(entry.name, "..") && !path.IsAbs(entry.name) {
			folders(path.Dir(path.Clean(entry.name)))
			known[path.Clean(entry.name)] = true
		}
		require.NoError(t, writer.WriteHeader(entry.header()))
		_, err := io.WriteString(writer, entry.content)
		require.NoError(t, err)
	}
	require.NoError(t, writer.Close())
	return out.Bytes()
}

func layerOf(t testing.TB, entries ...packed) v1.Layer {
	t.Helper()
	return static.NewLayer(archive(t, entries...), types.OCIUncompressedLayer)
}

// hardened is the configuration of an image that has nothing to object to.
func hardened() *v1.ConfigFile {
	return &v1.ConfigFile{Config: v1.Config{
		User: "10001:10001",
		Env:  []string{"PATH=/usr/bin", "HOME=/tmp", "GPG_KEYS=0123456789ABCDEF", "DB_PASSWORD_FILE=/secrets/db/password"},
	}}
}

// auditLayers audits an image of these layers.
func auditLayers(t testing.TB, layers ...v1.Layer) []Finding {
	t.Helper()
	result, err := audit(t.Context(), audited{Config: hardened(), Layers: layers}, nil, nil)
	require.NoError(t, err)
	return result.Findings
}

// brief are findings as "rule path".
func brief(findings []Finding) []string {
	var texts []string
	for _, finding := range findings {
		texts = append(texts, finding.Rule+" "+finding.Path)
	}
	return texts
}

func layerDigest(t testing.TB, layer v1.Layer) v1.Hash {
	t.Helper()
	digest, err := layer.Digest()
	require.NoError(t, err)
	return digest
}

func TestAuditNamesTheLayer(t *testing.T) {
	clean := layerOf(t, packed{name: "var/www/site/index.php", content: "<?php"})
	bad := layerOf(t, packed{name: "usr/bin/su", mode: 0o4755})
	findings := auditLayers(t, clean, bad, clean)
	assert.Equal(t, []Finding{{
		Rule: "setuid", Path: "/usr/bin/su", Layer: layerDigest(t, bad).String(),
		Reason: "is setuid: it runs as its owner, whoever starts it",
	}}, findings)
}

func TestAuditExceptions(t *testing.T) {
	layer := layerOf(t,
		packed{name: "usr/bin/su", mode: 0o4755},
		packed{name: "var/www/site/.env", content: "A=1"},
		packed{name: "var/www/site/a/b/.env", content: "A=1"},
	)
	image := audited{Config: hardened(), Layers: []v1.Layer{layer}}
	for name, test := range map[string]struct {
		rule, path string
		left       []string // nil if the exception allows nothing
	}{
		"the file":           {"env-file", "/var/www/site/.env", []string{"env-file /var/www/site/a/b/.env", "setuid /usr/bin/su"}},
		"star, one folder":   {"env-file", "/var/www/*/.env", []string{"env-file /var/www/site/a/b/.env", "setuid /usr/bin/su"}},
		"two stars":          {"env-file", "/var/www/**/.env", []string{"setuid /usr/bin/su"}},
		"everything below":   {"env-file", "/var/www/site/a/**", []string{"env-file /var/www/site/.env", "setuid /usr/bin/su"}},
		"a slash at the end": {"setuid", "/usr/bin/su/", []string{"env-file /var/www/site/.env", "env-file /var/www/site/a/b/.env"}},
		"another rule":       {"private-key", "/var/www/site/.env", nil},
		"a folder above":     {"env-file", "/var/www/site", nil},
		"star, not deeper":   {"env-file", "/var/*/.env", nil},
		"unknown rule":       {"no-such-rule", "/**", nil},
	} {
		t.Run(name, func(t *testing.T) {
			allow := []site.AuditException{{Rule: test.rule, Path: test.path, Reason: "a test"}}
			result, err := audit(t.Context(), image, allow, nil)
			require.NoError(t, err)
			if test.left == nil {
				assert.Len(t, result.Findings, 3)
				assert.Equal(t, allow, result.Unused)
				return
			}
			assert.Equal(t, test.left, brief(result.Findings))
			assert.Empty(t, result.Unused)
			assert.Empty(t, result.Marks, "an allowed finding is looked at again next time")
		})
	}
}

func TestAuditExceptionThatIsNoPattern(t *testing.T) {
	for _, wrong := range []string{"/var/[", "/var/[z-a]"} {
		_, err := audit(t.Context(), audited{Config: hardened()}, []site.AuditException{{Rule: "setuid", Path: wrong}}, nil)
		require.ErrorContains(t, err, "build.audit.allow[0].path: "+fmt.Sprintf("%q", wrong))
	}
}

func TestAuditOfTreesIsShort(t *testing.T) {
	layer := layerOf(t,
		packed{name: "srv/", uid: 33},
		packed{name: "srv/a", uid: 33},
		packed{name: "srv/b/c", uid: 33},
		packed{name: "srv-other", uid: 33},
		packed{name: "var/www/site/.git/"},
		packed{name: "var/www/site/.git/HEAD", content: "ref"},
	)
	findings := auditLayers(t, layer)
	assert.Equal(t, []string{"git /var/www/site/.git", "owner /srv", "owner /srv-other"}, brief(findings))
	assert.Contains(t, findings[0].Reason, "(and 1 more below it)")
	assert.Contains(t, findings[1].Reason, "belongs to user 33 and not to root (and 2 more below it)")

	result, err := audit(t.Context(), audited{Config: hardened(), Layers: []v1.Layer{layer}},
		[]site.AuditException{{Rule: "owner", Path: "/srv"}, {Rule: "owner", Path: "/srv/**"}}, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"git /var/www/site/.git", "owner /srv-other"}, brief(result.Findings))
}

func TestAuditError(t *testing.T) {
	layer := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	one := &AuditError{Image: "registry.example.com/site:1", Findings: []Finding{
		{Rule: "setuid", Path: "/usr/bin/su", Layer: layer, Reason: "is setuid"},
	}}
	assert.EqualError(t, one, "audit of registry.example.com/site:1: 1 finding\n"+
		"  setuid: /usr/bin/su in layer 0123456789ab is setuid")
	assert.Contains(t, one.Hint(), "build.audit.allow")
	assert.Contains(t, one.Hint(), `{rule: setuid, path: "/usr/bin/su", reason: ...}`)

	many := &AuditError{Image: "i"}
	for i := range shownFindings + 5 {
		many.Findings = append(many.Findings, Finding{Rule: "owner", Path: fmt.Sprint("/", i), Layer: layer, Reason: "wrong"})
	}
	many.Findings = append(many.Findings,
		Finding{Rule: "setuid", Path: "/two\nlines", Layer: layer, Reason: "is setuid"},
		Finding{Rule: "user", Path: "/config/User", Reason: "names no user"})
	assert.Contains(t, many.Error(), "audit of i: 27 findings\n  owner: /0 in")
	assert.Contains(t, many.Error(), "\n  owner: /19 in layer 0123456789ab wrong\n  owner: and 5 more\n"+
		"  setuid: \"/two\\nlines\" in layer 0123456789ab is setuid\n"+
		"  user: /config/User in the image's configuration names no user")
}

// readLayer counts how often a layer is read.
type readLayer struct {
	v1.Layer
	reads int
}

func (c *readLayer) Compressed() (io.ReadCloser, error) {
	c.reads++
	return c.Layer.Compressed()
}

func countReads(layers ...v1.Layer) (counters []*readLayer, all []v1.Layer) {
	for _, layer := range layers {
		counter := &readLayer{Layer: layer}
		counters, all = append(counters, counter), append(all, counter)
	}
	return counters, all
}

// A base with setuid programs, a layer that clears the bits, and code.
func stack(t *testing.T) (base, fix, code v1.Layer) {
	t.Helper()
	return layerOf(t, packed{name: "usr/bin/su", mode: 0o4755}),
		layerOf(t, packed{name: "usr/bin/su", mode: 0o755}),
		layerOf(t, packed{name: "var/www/site/index.php", content: "1"})
}

func TestAuditReadsLayersOnce(t *testing.T) {
	base, fix, code := stack(t)
	first, err := audit(t.Context(), audited{Config: hardened(), Layers: []v1.Layer{base, fix, code}}, nil, nil)
	require.NoError(t, err)
	require.Empty(t, first.Findings)
	assert.Len(t, first.Marks, 3)

	changed := layerOf(t, packed{name: "var/www/site/index.php", content: "2"})
	reads, layers := countReads(base, fix, code, changed)
	second, err := audit(t.Context(), audited{Config: hardened(), Layers: layers, Marks: first.Marks}, nil, nil)
	require.NoError(t, err)
	assert.Empty(t, second.Findings)
	assert.Len(t, second.Marks, 4, "what was not read keeps its mark")
	for i, want := range []int{0, 0, 0, 1} {
		assert.Equal(t, want, reads[i].reads, "layer %d", i)
	}
}

// The same base without the layer that made it clean must be read.
func TestAuditMarksOfALayerDependOnWhatMadeItClean(t *testing.T) {
	base, fix, code := stack(t)
	first, err := audit(t.Context(), audited{Config: hardened(), Layers: []v1.Layer{base, fix, code}}, nil, nil)
	require.NoError(t, err)

	other := hardened()
	other.Config.User = "33:33"
	for name, test := range map[string]struct {
		config *v1.ConfigFile
		layers []v1.Layer
		reads  []int
		found  []string
	}{
		"without the fix":      {hardened(), []v1.Layer{base, code}, []int{2, 1}, []string{"setuid /usr/bin/su"}},
		"in another order":     {hardened(), []v1.Layer{fix, base}, []int{1, 2}, []string{"setuid /usr/bin/su"}},
		"with a layer between": {hardened(), []v1.Layer{base, code, fix}, []int{2, 1, 1}, nil},
		"with another user":    {other, []v1.Layer{base, fix, code}, []int{1, 1, 1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			reads, layers := countReads(test.layers...)
			result, err := audit(t.Context(), audited{Config: test.config, Layers: layers, Marks: first.Marks}, nil, nil)
			require.NoError(t, err)
			assert.Equal(t, test.found, brief(result.Findings))
			for i, want := range test.reads {
				assert.Equal(t, want, reads[i].reads, "layer %d", i)
			}
		})
	}
}

// What was not read may delete what was found, and links may point there.
func TestAuditReadsAllIfThatDecides(t *testing.T) {
	hides := layerOf(t, packed{name: "usr/bin/.wh.git"})
	clean := layerOf(t, packed{name: "usr/share/target", content: "1"})
	first, err := audit(t.Context(), audited{Config: hardened(), Layers: []v1.Layer{clean, hides}}, nil, nil)
	require.NoError(t, err)
	require.Len(t, first.Marks, 2)

	for name, layer := range map[string]v1.Layer{
		"hidden by a layer above":   layerOf(t, packed{name: "usr/bin/git"}),
		"linked to a layer below":   layerOf(t, packed{name: "usr/bin/x", kind: tar.TypeLink, link: "usr/share/target"}),
		"in a folder not mentioned": static.NewLayer(bareArchive(t, "usr/share/new"), types.OCIUncompressedLayer),
	} {
		t.Run(name, func(t *testing.T) {
			reads, layers := countReads(clean, layer, hides)
			result, err := audit(t.Context(), audited{Config: hardened(), Layers: layers, Marks: first.Marks}, nil, nil)
			require.NoError(t, err)
			assert.Empty(t, result.Findings)
			assert.Equal(t, []int{1, 2, 1}, []int{reads[0].reads, reads[1].reads, reads[2].reads})
		})
	}
}

// What is allowed is read again each time, but not everything else with it.
func TestAuditReadsWhatIsAllowed(t *testing.T) {
	base, _, code := stack(t)
	allow := []site.AuditException{{Rule: "setuid", Path: "/usr/bin/su", Reason: "a test"}}
	first, err := audit(t.Context(), audited{Config: hardened(), Layers: []v1.Layer{base, code}}, allow, nil)
	require.NoError(t, err)
	require.Empty(t, first.Findings)

	reads, layers := countReads(base, code)
	second, err := audit(t.Context(), audited{Config: hardened(), Layers: layers, Marks: first.Marks}, allow, nil)
	require.NoError(t, err)
	assert.Equal(t, first, second)
	assert.Equal(t, []int{1, 0}, []int{reads[0].reads, reads[1].reads})

	third, err := audit(t.Context(), audited{Config: hardened(), Layers: layers, Marks: first.Marks}, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"setuid /usr/bin/su"}, brief(third.Findings), "the exception is gone")
}

// bareArchive has a file without the folders that it is in.
func bareArchive(t testing.TB, name string) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	require.NoError(t, writer.WriteHeader(packed{name: name}.header()))
	require.NoError(t, writer.Close())
	return out.Bytes()
}

func TestAuditMarksNothingThatWasFound(t *testing.T) {
	clean := layerOf(t, packed{name: "a"})
	key := layerOf(t, packed{name: "b/.env", content: "A=1"})
	result, err := audit(t.Context(), audited{Config: hardened(), Layers: []v1.Layer{clean, key}}, nil, nil)
	require.NoError(t, err)
	assert.Contains(t, result.Marks, layerDigest(t, clean))
	assert.NotContains(t, result.Marks, layerDigest(t, key))
}

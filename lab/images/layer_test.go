package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// entry is a file in a tar made for a test: a folder if its name ends with a
// slash, a hard link if it has a target.
type entry struct {
	name, content, target string
	mode                  int64
	uid                   int
	modified              time.Time
	xattrs                map[string]string
}

func tarOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: e.mode, Uid: e.uid, Size: int64(len(e.content)), ModTime: e.modified, PAXRecords: e.xattrs, Typeflag: tar.TypeReg}
		if e.modified.IsZero() {
			header.ModTime = epoch
		}
		switch {
		case e.target != "":
			header.Typeflag, header.Linkname = tar.TypeLink, e.target
		case e.name[len(e.name)-1] == '/':
			header.Typeflag = tar.TypeDir
		}
		require.NoError(t, w.WriteHeader(header))
		_, err := io.WriteString(w, e.content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return buffer.Bytes()
}

// layerOf returns the entries of the layer that leads from below to whole.
func layerOf(t *testing.T, below, whole []byte) []*tar.Header {
	t.Helper()
	files, err := readTree(bytes.NewReader(below))
	require.NoError(t, err)
	var buffer bytes.Buffer
	require.NoError(t, writeLayer(&buffer, bytes.NewReader(whole), files))
	uncompressed, err := gzip.NewReader(&buffer)
	require.NoError(t, err)
	var headers []*tar.Header
	for r := tar.NewReader(uncompressed); ; {
		header, err := r.Next()
		if err == io.EOF {
			return headers
		}
		require.NoError(t, err)
		headers = append(headers, header)
	}
}

func names(headers []*tar.Header) []string {
	names := []string{}
	for _, header := range headers {
		names = append(names, header.Name)
	}
	return names
}

func TestWriteLayer(t *testing.T) {
	capability := map[string]string{"SCHILY.xattr.security.capability": "\x01"}
	base := []entry{{name: "./"}, {name: "./etc/"}, {name: "./etc/one", content: "1"}, {name: "./etc/two", content: "2"}}
	tests := map[string]struct {
		whole []entry
		want  []string
	}{
		"same files":     {base, []string{}},
		"new file":       {append(base[:4:4], entry{name: "./etc/three"}), []string{"etc/three"}},
		"other content":  {[]entry{base[1], base[2], {name: "./etc/two", content: "3"}}, []string{"etc/two"}},
		"other mode":     {[]entry{base[1], base[2], {name: "./etc/two", content: "2", mode: 0o600}}, []string{"etc/two"}},
		"other time":     {[]entry{base[1], base[2], {name: "./etc/two", content: "2", modified: epoch.Add(-time.Hour)}}, []string{"etc/two"}},
		"other xattr":    {[]entry{base[1], base[2], {name: "./etc/two", content: "2", xattrs: capability}}, []string{"etc/two"}},
		"time after all": {[]entry{base[1], base[2], {name: "./etc/two", content: "2", modified: epoch.Add(time.Hour)}}, []string{}},
		"removed file":   {base[:3], []string{"etc/.wh.two"}},
		"removed folder": {base[:1], []string{".wh.etc"}},
		"file for a folder": {
			[]entry{{name: "./etc", content: "a file"}},
			[]string{"etc"},
		},
		"devices": {append(base[:4:4], entry{name: "./dev/"}, entry{name: "./dev/null"}), []string{"dev/"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, names(layerOf(t, tarOf(t, base...), tarOf(t, test.whole...))))
		})
	}
}

func TestWriteLayerFollowsHardLinks(t *testing.T) {
	below := tarOf(t, entry{name: "./perl", content: "5.40"}, entry{name: "./perl5", target: "./perl"})
	whole := tarOf(t, entry{name: "./perl", content: "5.42"}, entry{name: "./perl5", target: "./perl"})
	layer := layerOf(t, below, whole)
	require.Equal(t, []string{"perl", "perl5"}, names(layer), "a link that stays would still lead to the old file")
	assert.Equal(t, "perl", layer[1].Linkname)
}

func TestWriteLayerKeepsWhatCounts(t *testing.T) {
	capability := map[string]string{"SCHILY.xattr.security.capability": "\x01"}
	layer := layerOf(t, tarOf(t), tarOf(t, entry{name: "./ping", mode: 0o4755, xattrs: capability, modified: epoch.Add(90 * time.Minute)}))
	require.Len(t, layer, 1)
	assert.EqualValues(t, 0o4755, layer[0].Mode)
	assert.Equal(t, capability, layer[0].PAXRecords)
	assert.True(t, layer[0].ModTime.Equal(epoch), "no time is newer than the epoch")
}

func TestWriteLayerIsReproducible(t *testing.T) {
	whole := tarOf(t, entry{name: "./a", content: "1"}, entry{name: "./b", content: "2"})
	var first, second bytes.Buffer
	require.NoError(t, writeLayer(&first, bytes.NewReader(whole), tree{"c": {}, "d": {}, "e": {}}))
	require.NoError(t, writeLayer(&second, bytes.NewReader(whole), tree{"e": {}, "d": {}, "c": {}}))
	assert.Equal(t, first.Bytes(), second.Bytes())
}

func TestWriteLayerDoesNotDependOnAptsUser(t *testing.T) {
	whole := tarOf(t, entry{name: "./var/lib/apt/lists/partial/", uid: 42}, entry{name: "./home/", uid: 42})
	layer := layerOf(t, nil, whole)
	require.Len(t, layer, 2)
	assert.Equal(t, 0, layer[0].Uid)
	assert.Equal(t, 42, layer[1].Uid)
}

func TestWriteLayerOfABrokenTar(t *testing.T) {
	whole := tarOf(t, entry{name: "./a", content: "1"})
	err := writeLayer(io.Discard, bytes.NewReader(whole[:512]), nil)
	assert.ErrorContains(t, err, "root file system")
}

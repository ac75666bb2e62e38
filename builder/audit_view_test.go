package builder

import (
	"archive/tar"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A file with the setuid bit is easy to follow through layers.
func su(name string) packed { return packed{name: name, mode: 0o4755} }

func TestAuditView(t *testing.T) {
	for name, test := range map[string]struct {
		layers [][]packed
		found  []string
	}{
		"a whiteout is for layers below": {
			[][]packed{{su("a/su")}, {su("a/su"), {name: "a/.wh.su"}}}, []string{"setuid /a/su"},
		},
		"a whiteout of a folder": {
			[][]packed{{su("a/b/su"), {name: "a/c"}}, {{name: "a/.wh.b"}}}, nil,
		},
		"a whiteout of a folder with a new file in it": {
			[][]packed{{su("a/b/old")}, {su("a/b/new"), {name: "a/.wh.b"}}}, []string{"setuid /a/b/new"},
		},
		"a whiteout of nothing":         {[][]packed{{{name: "a/.wh.nothing"}, su("a/su")}}, []string{"setuid /a/su"}},
		"what AUFS left":                {[][]packed{{su("su")}, {{name: ".wh..wh.plnk/"}, {name: ".wh..wh.aufs"}}}, []string{"setuid /su"}},
		"opaque":                        {[][]packed{{su("a/su"), su("a/b/su")}, {{name: "a/.wh..wh..opq"}}}, nil},
		"opaque after a new file":       {[][]packed{{su("a/old")}, {su("a/new"), {name: "a/.wh..wh..opq"}}}, []string{"setuid /a/new"}},
		"opaque before a new file":      {[][]packed{{su("a/old")}, {{name: "a/.wh..wh..opq"}, su("a/new")}}, []string{"setuid /a/new"}},
		"opaque root":                   {[][]packed{{su("a/su")}, {{name: ".wh..wh..opq"}}}, nil},
		"a folder becomes a file":       {[][]packed{{su("a/su")}, {{name: "a"}}}, nil},
		"a file becomes a folder":       {[][]packed{{su("a")}, {{name: "a/"}}}, nil},
		"a folder stays":                {[][]packed{{su("a/su")}, {{name: "a/"}}}, []string{"setuid /a/su"}},
		"deleted and made again":        {[][]packed{{su("su")}, {{name: ".wh.su"}}, {su("su")}}, []string{"setuid /su"}},
		"a file replaced twice":         {[][]packed{{su("su")}, {{name: "su"}}, {su("su")}}, []string{"setuid /su"}},
		"an absolute name":              {[][]packed{{{name: "/a/su", mode: 0o4755}}}, []string{"setuid /a/su"}},
		"a name with a dot in front":    {[][]packed{{su("./a/su")}, {{name: "./a/.wh.su"}}}, nil},
		"the root is writable":          {[][]packed{{{name: "./", mode: 0o777}, {name: "a", mode: 0o666}}}, []string{"writable /"}},
		"a hard link has the same bits": {[][]packed{{su("a"), {name: "b", kind: tar.TypeLink, link: "a"}}}, []string{"setuid /a", "setuid /b"}},
		"a hard link to a layer below": {
			[][]packed{{su("a")}, {{name: "b", kind: tar.TypeLink, link: "/a"}}, {{name: ".wh.a"}}}, []string{"setuid /b"},
		},
		"a hard link is not chmod": {
			[][]packed{{su("a")}, {{name: "b", kind: tar.TypeLink, link: "a", mode: 0o755}}}, []string{"setuid /a", "setuid /b"},
		},
		"a hard link out of a folder for scratch files": {
			[][]packed{{{name: "tmp/a", mode: 0o666}, {name: "srv/b", kind: tar.TypeLink, link: "tmp/a"}}}, []string{"writable /srv/b"},
		},
		"a hard link to a symlink": {
			[][]packed{{su("a"), {name: "b", kind: tar.TypeSymlink, link: "a"}, {name: "c", kind: tar.TypeLink, link: "b"}}}, []string{"setuid /a"},
		},
		"a symlink is followed to a folder": {
			[][]packed{{{name: "usr/bin/"}, {name: "bin", kind: tar.TypeSymlink, link: "usr/bin"}}, {{name: "/bin/git"}}}, []string{"tool /usr/bin/git"},
		},
		"an absolute symlink, and one up": {
			[][]packed{{{name: "a/b/up", kind: tar.TypeSymlink, link: "../../.."}, {name: "c", kind: tar.TypeSymlink, link: "/a/b"}}, {{name: "/c/up/bin/git"}}},
			[]string{"tool /bin/git"},
		},
		"a whiteout through a symlink": {
			[][]packed{{su("usr/bin/su"), {name: "bin", kind: tar.TypeSymlink, link: "usr/bin"}}, {{name: "/bin/.wh.su"}}}, nil,
		},
		"a symlink becomes a folder": {
			[][]packed{{{name: "usr/x"}, {name: "bin", kind: tar.TypeSymlink, link: "usr"}}, {{name: "bin/"}, su("bin/su")}}, []string{"setuid /bin/su"},
		},
		"a name that leads up": {
			[][]packed{{{name: "../../a/su", mode: 0o4755}}}, []string{"setuid /a/su", "traversal /a/su"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var layers []v1.Layer
			for _, entries := range test.layers {
				layers = append(layers, layerOf(t, entries...))
			}
			assert.Equal(t, test.found, brief(auditLayers(t, layers...)))
		})
	}
}

// What no runtime can unpack cannot be audited either.
func TestAuditOfWhatCannotBeUnpacked(t *testing.T) {
	deep := func() []packed {
		var entries []packed
		// Each is as deep as a name may be, and begins where the last ended.
		entries = append(entries, packed{name: "/" + strings.Repeat("a/", maxPath/2-1) + "b/"})
		entries = append(entries, packed{name: "/link", kind: tar.TypeSymlink, link: "/" + strings.Repeat("a/", maxPath/2-1)})
		return append(entries, packed{name: "/link/b/b/b/b/b/"})
	}
	for name, test := range map[string]struct {
		entries []packed
		message string
	}{
		"a hard link to nothing":    {[]packed{{name: "a", kind: tar.TypeLink, link: "b"}}, `"/a": is a hard link to a file that is not there`},
		"a hard link to a folder":   {[]packed{{name: "b/"}, {name: "a", kind: tar.TypeLink, link: "b"}}, `"/a": is a hard link to a file that is not there`},
		"a loop of symlinks":        {[]packed{{name: "a", kind: tar.TypeSymlink, link: "b"}, {name: "b", kind: tar.TypeSymlink, link: "a"}, {name: "/a/c"}}, `"/a/c": is behind more than 40 symlinks`},
		"a file as a folder":        {[]packed{{name: "a"}, {name: "/a/b"}}, `"/a/b": is below something that is not a folder`},
		"a name that is too long":   {[]packed{{name: strings.Repeat("a/", 2100)}}, "has a name of more than 4096 bytes"},
		"a link that is too long":   {[]packed{{name: "a", kind: tar.TypeSymlink, link: strings.Repeat("a", 5000)}}, `"/a": has a name of more than 4096 bytes`},
		"folders that are too deep": {deep(), "is below too many folders"},
		"an unknown type":           {[]packed{{name: "a", kind: 'x' + 1}}, `"/a": is of a type that no runtime unpacks: 'y'`},
	} {
		t.Run(name, func(t *testing.T) {
			layer := layerOf(t, test.entries...)
			_, err := audit(t.Context(), audited{Config: hardened(), Layers: []v1.Layer{layer}}, nil, nil)
			require.ErrorContains(t, err, test.message)
			assert.ErrorContains(t, err, "audit of layer "+shortDigest(layerDigest(t, layer).String()))
		})
	}
}

func TestAuditOfTooManyFiles(t *testing.T) {
	v := newView()
	v.nodes = maxNodes
	_, err := v.apply(&tar.Header{Name: "a", Typeflag: tar.TypeReg}, 0)
	require.ErrorIs(t, err, errTooMany)
	v.nodes = maxNodes
	_, err = v.apply(&tar.Header{Name: "a/b", Typeflag: tar.TypeReg}, 0)
	require.ErrorIs(t, err, errTooMany)
}

func FuzzAuditLayer(f *testing.F) {
	f.Add(archive(f, su("usr/bin/su"), packed{name: "a/.wh.b"}, packed{name: "a/.wh..wh..opq"}), archive(f, packed{name: "c"}))
	f.Add(archive(f, packed{name: "a", kind: tar.TypeSymlink, link: "../b"}, packed{name: "/a/c"}), []byte(gzipped("x")))
	f.Add(archive(f, packed{name: ".wh."}, packed{name: "a/.wh.."}, packed{name: "a/.wh..."}), []byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Add(bareArchive(f, "a/b/c/.env"), []byte(nil))
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		layers := []v1.Layer{static.NewLayer(lower, types.OCILayer), static.NewLayer(upper, types.OCILayer)}
		first, err := audit(t.Context(), audited{Config: hardened(), Layers: layers}, nil, [][]byte{[]byte("0123456789")})
		if err != nil {
			return
		}
		// What was marked changes no verdict.
		second, err := audit(t.Context(), audited{Config: hardened(), Layers: layers, Marks: first.Marks}, nil, [][]byte{[]byte("0123456789")})
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(first.Findings), fmt.Sprint(second.Findings))
	})
}

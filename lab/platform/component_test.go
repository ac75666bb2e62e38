package platform

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestComponentKey(t *testing.T) {
	source := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(source, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	key := func(c component) string {
		key, err := c.key(source)
		require.NoError(t, err)
		return key
	}
	write("go.mod", "module a\n")
	write("go.sum", "sums\n")
	registry := component{name: "registry", binaries: []binary{{"registry", "."}}, flags: linking("")}
	first := key(registry)
	assert.Regexp(t, `^registry-[0-9a-f]{16}$`, first)
	assert.Equal(t, first, key(registry), "the same source")

	write("main_test.go", "package main\n")
	assert.Equal(t, first, key(registry), "tests are not built")

	write("main.go", "package main\n")
	second := key(registry)
	assert.NotEqual(t, first, second, "another file")
	write("go.sum", "other sums\n")
	assert.NotEqual(t, second, key(registry), "another dependency")

	tagged, cgo := registry, registry
	tagged.flags = append(linking(""), "-tags", "x")
	cgo.cgo = true
	assert.NotEqual(t, key(registry), key(tagged), "other flags")
	assert.NotEqual(t, key(registry), key(cgo), "with cgo")
}

func TestComponentIsBuiltOnce(t *testing.T) {
	l := layout{source: t.TempDir(), cache: t.TempDir()}
	source := l.partSource("hello")
	require.NoError(t, os.MkdirAll(source, 0o755))
	write := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(source, name), []byte(content), 0o644))
	}
	write("go.mod", "module hello\n\ngo 1.26\n")
	write("main.go", "package main\n\nfunc main() { print(`one`) }\n")
	hello := component{name: "hello", binaries: []binary{{"hello", "."}}, flags: linking("")}
	build := func() (outcome, says string) {
		outcome, err := hello.build(t.Context(), l)
		require.NoError(t, err)
		folder, err := hello.folder(l)
		require.NoError(t, err)
		out, err := exec.CommandContext(t.Context(), filepath.Join(folder, "hello")).CombinedOutput()
		require.NoError(t, err)
		return outcome, string(out)
	}
	outcome, says := build()
	assert.Equal(t, "built one", outcome+" "+says)
	outcome, says = build()
	assert.Equal(t, "cached one", outcome+" "+says)
	write("main.go", "package main\n\nfunc main() { print(`two`) }\n")
	outcome, says = build()
	assert.Equal(t, "built two", outcome+" "+says)

	write("main.go", "package main\n\nfunc main() { wrong() }\n")
	_, err := hello.build(t.Context(), l)
	assert.ErrorContains(t, err, "build hello: go build")
	assert.ErrorContains(t, err, "undefined: wrong")
	entries, err := os.ReadDir(l.binaries())
	require.NoError(t, err)
	assert.Len(t, entries, 1, "one build is kept, and nothing unfinished")
}

func TestRemoveOlderBuildsOfOneComponent(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"etcd-0123456789abcdef", "etcd-fedcba9876543210", "etcd-proxy-0123456789abcdef", "lab"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	require.NoError(t, removeOlder(dir, "etcd"))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	assert.Equal(t, []string{"etcd-proxy-0123456789abcdef", "lab"}, left)
}

// The parts take their programs by name from what the components build.
func TestEveryPartHasABinary(t *testing.T) {
	lab, err := New("..")
	require.NoError(t, err)
	binaries, err := findBinaries(lab.layout)
	require.NoError(t, err)
	for _, p := range lab.parts("/self", binaries) {
		assert.True(t, filepath.IsAbs(p.binary), "%s runs %q", p.name, p.binary)
	}
}

func TestLastLines(t *testing.T) {
	assert.Equal(t, "", lastLines(nil, 3))
	assert.Equal(t, "a\nb", lastLines([]byte("a\nb\n"), 3))
	assert.Equal(t, "b\nc", lastLines([]byte("a\nb\nc\n\n"), 2))
}

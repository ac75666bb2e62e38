package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRepository(t *testing.T) {
	var names []string
	for range 2 {
		folder := t.TempDir()
		r, err := createRepository(t.Context(), filepath.Join(folder, "origin.git"))
		require.NoError(t, err)
		require.NoError(t, r.commit(t.Context(), 0, "Begin", sorted(map[string][]byte{"a": []byte("one\n"), "b/c": {0, 1, 2}})))
		require.NoError(t, r.commit(t.Context(), 1, "Change", single("a", []byte("two\n"))))
		require.NoError(t, r.pack(t.Context()))
		clone := filepath.Join(folder, "clone")
		require.NoError(t, r.clone(t.Context(), clone))
		for path, want := range map[string]string{"a": "two\n", "b/c": "\x00\x01\x02"} {
			got, err := os.ReadFile(filepath.Join(clone, path))
			require.NoError(t, err)
			assert.Equal(t, want, string(got))
		}
		name, err := shortName(t.Context(), clone)
		require.NoError(t, err)
		names = append(names, name)
	}
	assert.Equal(t, names[0], names[1], "the same commits have the same names")
}

func TestRepositoryRefusal(t *testing.T) {
	r, err := createRepository(t.Context(), filepath.Join(t.TempDir(), "origin.git"))
	require.NoError(t, err)
	err = r.commit(t.Context(), 0, "Begin", single("", nil))
	assert.ErrorContains(t, err, `commit "Begin": exit status`)
	assert.ErrorContains(t, err, "fatal: ", "the reason is in the output of git")
}

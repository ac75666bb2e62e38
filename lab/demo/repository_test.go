package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRepository(t *testing.T) {
	r := repository(t.TempDir())
	file := filepath.Join(string(r), "greeting.txt")
	require.NoError(t, os.WriteFile(file, []byte("Hello.\nHello, you.\n"), 0o644))
	require.NoError(t, r.create(t.Context()))
	require.NoError(t, r.commit(t.Context(), "Begin"))

	require.ErrorContains(t, r.apply(edit{file: "greeting.txt", old: "Hello", new: "Bye"}), `greeting.txt has "Hello" 2 times instead of once`)
	require.NoError(t, r.apply(edit{file: "greeting.txt", old: "you", new: "world"}))
	require.NoError(t, r.commit(t.Context(), "Greet all"))

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "Hello.\nHello, world.\n", string(text))
	log := exec.Command("git", "log", "--format=%an %s")
	log.Dir = string(r)
	subjects, err := log.Output()
	require.NoError(t, err)
	assert.Equal(t, "Demo Greet all\nDemo Begin\n", string(subjects))

	require.ErrorContains(t, r.commit(t.Context(), "Nothing"), "nothing to commit", "the reason is in the output of git")
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNoTerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	defer file.Close()
	assert.Nil(t, terminalOf(file))
	assert.Nil(t, terminalOf(strings.NewReader("")))
	sizes, stop := watchSize(file)
	assert.Nil(t, sizes.Next(), "it has no size")
	stop()
	assert.Nil(t, sizes.Next(), "and no change of it is waited for")
	stop()
}

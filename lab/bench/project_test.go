package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecipes(t *testing.T) {
	p := &project{site: newSite(100), registry: &registry{host: "127.0.0.1:1"}, base: "127.0.0.1:1/bench/debian:1"}
	files, err := p.recipes()
	require.NoError(t, err)
	written := map[string]string{}
	for path, content := range files {
		written[path] = string(content)
	}
	assert.Len(t, written, 4)
	assert.Contains(t, written["Dockerfile"], "\nFROM 127.0.0.1:1/bench/debian:1 AS runtime\n")
	assert.Contains(t, written["site.yaml"], "image: 127.0.0.1:1/bench/100/sitectl\n")
	assert.Contains(t, written["build.sh"], "buildctl build")
	assert.Contains(t, written[".dockerignore"], ".git\n")
}

//go:build lab && long

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPipelineImageIsReproducible builds the image twice, the second time with
// nothing of the first.
func TestPipelineImageIsReproducible(t *testing.T) {
	o := options{image: lab(t, "SITECTL_REGISTRY") + "/test/reproducible", version: "v0.0.0-test", root: "../.."}
	first, _, err := o.build(t.Context())
	require.NoError(t, err)
	o.rebuild = true
	second, _, err := o.build(t.Context())
	require.NoError(t, err)
	assert.Equal(t, first, second)
}

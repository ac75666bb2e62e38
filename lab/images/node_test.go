package images

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNodeForEachArchitecture(t *testing.T) {
	for _, architecture := range []string{"amd64", "arm64"} {
		assert.NotEmpty(t, NodeBinaries[architecture].Integrity, architecture)
	}
}

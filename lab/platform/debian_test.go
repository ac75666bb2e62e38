package platform

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLacking(t *testing.T) {
	lines := "gcc installed\nmount not-installed\nlibc6-dev installed\nlibc6-dev not-installed\nnftables config-files\n"
	assert.Equal(t, []string{"mount", "nftables", "mmdebstrap"},
		lacking([]string{"gcc", "mount", "libc6-dev", "nftables", "mmdebstrap"}, lines))
	assert.Empty(t, lacking([]string{"gcc"}, lines))
}

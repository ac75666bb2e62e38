package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLogLines(t *testing.T) {
	assert.Nil(t, logLines(""))
	assert.Nil(t, logLines("unable to retrieve container logs for containerd://da967f520f5142b5"))
	assert.Equal(t, []string{"starting", "cannot start"}, logLines("starting\ncannot start\n"))
}

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

func TestProbesAreNoReason(t *testing.T) {
	const probe = `10.0.0.1 - - [02/Jan/2026:03:04:05 +0000] "GET /healthz HTTP/1.1" 500 202 "-" "kube-probe/1.36" 577`
	assert.Equal(t, []string{"Fatal error", "10.0.0.9 GET /"}, withoutProbes([]string{probe, "Fatal error", probe, "10.0.0.9 GET /"}))
	assert.Equal(t, []string{probe, probe}, withoutProbes([]string{probe, probe}), "better than nothing")
	assert.Empty(t, withoutProbes(nil))
}

func TestOnce(t *testing.T) {
	assert.Equal(t, []string{
		"#0 main.php(1)", "#0 main.php(1)",
		"[Fri Nov 27 19:54:42] [mpm_prefork:notice] [pid 1] ready",
		"[Fri Nov 27 19:54:44.1] [php:error] [client 10.0.0.1:2] PHP Fatal error: no class",
		"the end",
	}, once([]string{
		"[Fri Nov 27 19:54:41.7] [php:error] [client 10.0.0.1:1] PHP Fatal error: no class",
		"#0 main.php(1)", "#0 main.php(1)",
		"[Fri Nov 27 19:54:42] [mpm_prefork:notice] [pid 1] ready",
		"[Fri Nov 27 19:54:44.1] [php:error] [client 10.0.0.1:2] PHP Fatal error: no class",
		"the end",
	}))
}

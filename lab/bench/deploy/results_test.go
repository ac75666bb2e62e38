package deploy

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden file")

// TestResults has aims that are met and missed, and a release that sitectl
// does not even begin to roll out.
func TestResults(t *testing.T) {
	rollout := Scenario{
		Name: "rollout", Aim: 1.05,
		Sitectl: Side{Runs: []Cost{{Seconds: 30, Requests: 60, Memory: 61e6, Served: 900}, {Seconds: 20, Requests: 58, Memory: 60e6, Served: 800}}},
		Kubectl: Side{Runs: []Cost{{Seconds: 25, Requests: 12, Served: 890, Dropped: 2}, {Seconds: 21, Requests: 11, Served: 810}}},
	}
	nothing := Scenario{
		Name: "nothing to do", Aim: 0.5, RequestsAim: 10,
		Sitectl: Side{Runs: []Cost{{Seconds: 0.1, Requests: 1, Memory: 50e6, Said: "already running"}}},
		Kubectl: Side{Runs: []Cost{{Seconds: 0.8, Requests: 21}}},
	}
	rollout.finish()
	nothing.finish()
	assert.Empty(t, nothing.Sitectl.Median.Said, "of a success nothing is kept")
	r := Results{
		Scenarios: []Scenario{rollout, nothing},
		Crowd:     Crowd{Pods: 500, Cost: Cost{Seconds: 9, Requests: 60, Memory: 90e6}},
		Verdicts: []Verdict{
			{Name: "crash loop", Sitectl: Cost{Seconds: 9.1, Status: 6, Said: "==> roll\nsitectl: web is not ready: it ends with exit status 3\n  hint: read the log\n"}, Kubectl: Cost{Seconds: 61, Status: 1}},
			{Name: "failing readiness", Sitectl: Cost{Seconds: 60.5, Status: 6, Said: "sitectl: " + strings.Repeat("long ", 40)}, Kubectl: Cost{Seconds: 61, Status: 1}},
			{Name: "volume", Sitectl: Cost{Seconds: 0.4, Status: 1, Said: "sitectl: Secret smtp: not there\n"}, Kubectl: Cost{Seconds: 61, Status: 1}},
		},
	}
	var text strings.Builder
	r.Write(&text)
	if *update {
		require.NoError(t, os.WriteFile("testdata/results.txt", []byte(text.String()), 0o644))
	}
	want, err := os.ReadFile("testdata/results.txt")
	require.NoError(t, err)
	assert.Equal(t, string(want), text.String())
}

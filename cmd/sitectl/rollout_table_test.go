package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
)

var sampleRollout = deployer.Rollout{Deployment: "web", Replicas: 2, Available: 1, Pods: []deployer.Pod{
	{Name: "web-5d9c-x2x4z", Node: "node-1", State: deployer.PodEnding, Created: time.Date(2026, 1, 2, 0, 4, 5, 0, time.UTC)},
	{Name: "web-7f6b-aaaaa", Node: "node-1", New: true, State: deployer.PodReady, Created: time.Date(2026, 1, 2, 3, 3, 5, 0, time.UTC)},
	{Name: "web-7f6b-bbbbb", New: true, State: deployer.PodFailing, Reason: "CrashLoopBackOff", Restarts: 3, Created: time.Date(2026, 1, 2, 3, 4, 1, 0, time.UTC)},
}}

func TestRolloutLines(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	assert.Equal(t, []string{
		"    POD             RELEASE  STATE                      AGE     RESTARTS  NODE",
		"    web-5d9c-x2x4z  old      ending                     3h0m0s  0         node-1",
		"    web-7f6b-aaaaa  new      ready                      1m0s    0         node-1",
		"    web-7f6b-bbbbb  new      failing: CrashLoopBackOff  4s      3         ",
	}, rolloutLines(sampleRollout, now, false))
	painted := rolloutLines(sampleRollout, now, true)
	assert.True(t, strings.HasPrefix(painted[2], "\x1b[32m"), "ready is green")
	assert.True(t, strings.HasPrefix(painted[3], "\x1b[31m"), "failing is red")
}

// TestRolloutTable has the ages go on, second by second, until the step ends.
func TestRolloutTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		log := &ci.Log{Platform: ci.Terminal, Out: &out, Now: time.Now, Width: func() int { return 100 }}
		table := &rolloutTable{log: log, now: time.Now}
		rollout := sampleRollout
		rollout.Pods = []deployer.Pod{{Name: "web-1", New: true, State: deployer.PodStarting, Created: time.Now()}}
		table.tell(event{Kind: podsChanged, Rollout: &rollout})
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		table.tell(event{Kind: stepEnded, Step: "roll"})
		log.Line("the end")

		drawn := strings.Split(out.String(), "\x1b[2A\x1b[J")
		assert.Len(t, drawn, 4, "the event, two seconds, the end of the step")
		for i, age := range []string{"0s", "1s", "2s", "2s"} {
			assert.Contains(t, drawn[i], "web-1  new      starting  "+age)
		}
		assert.True(t, strings.HasSuffix(out.String(), "\n    the end\n"))
		assert.Equal(t, "web 1/2", table.count())
	})
}

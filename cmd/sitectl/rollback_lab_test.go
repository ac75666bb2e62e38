//go:build lab

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/deployer"
)

// TestPutBack ships what does not answer as it must, which is found out when
// the new pods serve and the CronJobs are of the new image, and goes back by
// hand from what does.
func TestPutBack(t *testing.T) {
	t.Parallel()
	s := newLabSite(t, "putback")
	s.edit(t, func(file map[string]any) { file["migrate"].(map[string]any)["reversible"] = true })
	good := s.commit(t, "a migration that can be taken back")
	first := s.ship(t)
	entry := s.leave(t, "here to stay")

	t.Run("what fails is put back", func(t *testing.T) {
		s.edit(t, func(file map[string]any) {
			file["web"].(map[string]any)["verify"] = map[string]any{"path": "/", "contains": "no page has these words"}
		})
		s.commit(t, "expect what is not there")
		out := s.sitectl(t, "ship", "--output", "json")
		assert.Equal(t, int(statusRollout), out.status)
		assert.Contains(t, out.stderr, "no page has these words")
		assert.Contains(t, out.stderr, "The site was put back: release 1 ("+good+") serves.")
		failed := decodeResult(t, out)
		assert.Equal(t, first.Image.Reference, failed.Restored.Image)
		s.serves(t, good, entry, "here to stay")
		s.runsOnly(t, first.Image.Reference)
		s.revert(t)
	})

	var next string // which serves from here on
	t.Run("and again by hand", func(t *testing.T) {
		s.write(t, "public/new.txt", "new\n")
		next = s.commit(t, "add a file")
		s.ship(t)
		s.serves(t, next, entry, "here to stay")
		assert.Contains(t, s.succeed(t, "rollback", "--progress", "plain").stderr, "back to release 1 ("+good+")")
		s.serves(t, good, entry, "here to stay")
		s.runsOnly(t, first.Image.Reference)
		rolled := decodeResult(t, s.succeed(t, "rollback", next, "--output", "json"))
		assert.Equal(t, next, rolled.Image.Tag)
		s.serves(t, next, entry, "here to stay")
		assert.Equal(t, "running", s.ship(t).Outcome, "a ship of that commit has nothing to do")
	})

	t.Run("a first pod alone", func(t *testing.T) {
		s.edit(t, func(file map[string]any) {
			web := file["web"].(map[string]any)
			web["rollout"].(map[string]any)["steps"] = []map[string]any{{"pods": 1}}
			web["verify"] = map[string]any{"path": "/", "contains": "no page has these words"}
		})
		s.commit(t, "fail at the first pod")
		out := s.sitectl(t, "ship")
		assert.Equal(t, int(statusRollout), out.status)
		assert.Contains(t, out.stderr, "web: 1 of 1 first pods ready, 1 old")
		assert.NotContains(t, out.stderr, "==> cron")
		assert.Contains(t, out.stderr, "The site was put back")
		s.serves(t, next, entry, "here to stay")

		s.edit(t, func(file map[string]any) { delete(file["web"].(map[string]any), "verify") })
		fine := s.commit(t, "and pass it")
		s.ship(t)
		s.serves(t, fine, entry, "here to stay")
	})

	var history historyResult
	require.NoError(t, json.Unmarshal([]byte(s.succeed(t, "history", "--output", "json").stdout), &history))
	var outcomes []deployer.Outcome
	for _, release := range history.Releases {
		outcomes = append(outcomes, release.Outcome)
	}
	assert.Equal(t, []deployer.Outcome{
		deployer.Shipped, deployer.Restored, // by its first pod
		deployer.Shipped, deployer.Shipped, deployer.Shipped, // by hand
		deployer.Restored, deployer.Shipped,
	}, outcomes)
	assert.Equal(t, int(statusUsage), s.sitectl(t, "rollback", "2").status, "what was put back is nothing to go back to")

	offered := strings.Fields(s.succeed(t, "__complete", "bash", "rollback", "").stdout)
	assert.Subset(t, offered, []string{"7", "5", "4", "3", "1", good, next})
	assert.NotContains(t, offered, "2")
	assert.NotContains(t, offered, "6")
}

//go:build lab

package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/deployer"
)

// TestBackup: the first ship has nothing to back up, the next one has, and
// what it dumped can be put back. A backup that fails stops the ship.
func TestBackup(t *testing.T) {
	t.Parallel()
	s := newLabSite(t, "backup")
	s.edit(t, func(file map[string]any) {
		file["migrate"].(map[string]any)["backup"] = map[string]any{"size": "1Gi", "keep": 1}
	})
	s.commit(t, "back up before each migration")
	first := s.succeed(t, "ship")
	assert.Contains(t, first.stderr, "the database is empty")
	shipped := s.git(t, "rev-parse", "--short", "HEAD")
	entry := s.leave(t, "before the backup")

	next := s.commit(t, "the next release")
	s.ship(t)
	var backups []deployer.Backup
	s.decode(t, &backups, "backup", "--list", "--output", "json")
	require.Len(t, backups, 1)
	assert.Equal(t, shipped, backups[0].Release)
	assert.Positive(t, backups[0].Bytes)
	assert.Equal(t, backups[0].Name+"\n", s.succeed(t, "__complete", "bash", "restore-db", "").stdout)

	later := s.leave(t, "after the backup")
	assert.Contains(t, s.page(t, later), "after the backup")
	out := s.sitectl(t, "restore-db", backups[0].Name, "--confirm", "wrong")
	assert.Equal(t, int(statusUsage), out.status)
	s.succeed(t, "restore-db", backups[0].Name, "--confirm", s.address)
	s.serves(t, next, entry, "before the backup")
	response, body := s.request(t, http.MethodGet, later, nil)
	assert.Equal(t, http.StatusNotFound, response.StatusCode, body)
	s.runsCron(t)
	s.decode(t, &backups, "backup", "--list", "--output", "json")
	assert.Len(t, backups, 2, "what was there before it was restored is not lost")
	assert.Equal(t, next, backups[0].Release)

	out = s.sitectl(t, "rollback")
	assert.Equal(t, int(statusUsage), out.status)
	assert.Contains(t, out.stderr, "rollback --restore-db 1")
	s.leave(t, "before the rollback")
	s.succeed(t, "rollback", "--restore-db", "--confirm", s.address)
	s.serves(t, shipped, entry, "before the backup")
	assert.NotContains(t, s.page(t, "/"), "before the rollback")
	s.runsCron(t)
	assert.NotContains(t, s.succeed(t, "ship").stderr, "already run", "the migration was taken back with the database")
	s.serves(t, next, entry, "before the backup")

	s.edit(t, func(file map[string]any) {
		file["migrate"].(map[string]any)["backup"].(map[string]any)["timeout"] = "1s"
	})
	s.commit(t, "a backup that takes too long")
	out = s.sitectl(t, "ship")
	assert.Equal(t, int(statusMigration), out.status)
	assert.Contains(t, out.stderr, "migrate.backup.timeout")
	s.serves(t, next, entry, "before the backup")
	s.runsCron(t)
}

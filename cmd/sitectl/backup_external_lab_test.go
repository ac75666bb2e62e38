//go:build lab

package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/deployer"
)

// TestBackupOfAnExternalDatabase: a database that somebody else runs is backed
// up before a migration and put back like one of the site's own, with the
// rights that a site has.
func TestBackupOfAnExternalDatabase(t *testing.T) {
	t.Parallel()
	somebody := newLabSite(t, "somebody")
	somebody.ship(t)
	s := newLabSite(t, "external")
	s.edit(t, func(file map[string]any) {
		file["database"] = map[string]any{"external": map[string]any{
			"host": "mysql." + somebody.namespace + ".svc", "name": "site", "secret": "database-login",
		}}
		file["migrate"].(map[string]any)["backup"] = map[string]any{"size": "1Gi"}
	})
	s.commit(t, "the database of somebody else")
	s.grant(t)
	s.copyLogin(t, somebody)
	s.ship(t)
	var backups []deployer.Backup
	s.decode(t, &backups, "backup", "--list", "--output", "json")
	require.Len(t, backups, 1, "somebody's site has filled it")
	entry := s.leave(t, "before the backup")
	s.succeed(t, "backup")
	later := s.leave(t, "after the backup")

	s.decode(t, &backups, "backup", "--list", "--output", "json")
	s.succeed(t, "restore-db", backups[0].Name, "--confirm", s.address)
	assert.Contains(t, s.page(t, entry), "before the backup")
	response, body := s.request(t, http.MethodGet, later, nil)
	assert.Equal(t, http.StatusNotFound, response.StatusCode, body)
}

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

func TestChanges(t *testing.T) {
	before, after := &site.Migrate{Order: site.MigrateBefore}, &site.Migrate{Order: site.MigrateAfter}
	for name, test := range map[string]struct {
		migrate *site.Migrate
		want    []string
	}{
		"no migration":    {nil, []string{"roll", "cron", "verify"}},
		"before the roll": {before, []string{"roll", "cron", "verify"}},
		"after the roll":  {after, []string{"pause", "migrate", "roll", "cron", "verify"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shipment{source: source{site: site.Site{Migrate: test.migrate}}}
			var got []string
			for _, step := range []string{"lock", "prepare", "pause", "migrate", "roll", "cron", "verify", "record"} {
				if s.changes(step) {
					got = append(got, step)
				}
			}
			assert.Equal(t, test.want, got)
		})
	}
}

func TestBothWays(t *testing.T) {
	last := deployer.Release{Number: 4, Commit: site.Commit{Tag: "1a2b3c4"}}
	s := &shipment{options: options{file: "site.yaml", environment: "staging"}}
	s.source.site.Migrate = &site.Migrate{Backup: &site.Backup{}}
	assert.Equal(t, `The migration of this release has run, and the site file does not call it reversible (migrate.reversible): nothing was put back.
  forward: correct what is wrong, commit, and sitectl ship --environment staging
  back to release 4 (1a2b3c4), on the database as it is now: sitectl rollback --environment staging --keep-database 4
  back to it, with the database as it was before: sitectl rollback --environment staging --restore-db 4`, s.bothWays(last))
}

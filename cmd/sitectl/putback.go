package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// putBack puts the site back to the release that was shipped last, if it
// failed in a step that changes what runs, and if that can be done. It returns
// the error of the ship, with what became of the site, and how the release
// ended.
func (s *shipment) putBack(ctx context.Context, err error) (deployer.Outcome, error) {
	var failed *stepError
	if exitStatus(ctx, err) == statusCancelled {
		return deployer.Cancelled, err
	}
	if ctx.Err() != nil || !errors.As(err, &failed) || !s.left.Changed && !s.changes(failed.step.name) || !deployer.Restorable(err) {
		return deployer.Failed, err
	}
	last, found, historyErr := s.deployer.LastShipped(ctx)
	switch {
	case historyErr != nil:
		failed.step.failed = fmt.Sprintf("The site was not put back: %v", historyErr)
		return deployer.Failed, err
	case !found: // this would have been the first one
		return deployer.Failed, err
	case s.begun != nil && s.begun.Migrated && !s.begun.Reversible, len(s.left.Across) > 0:
		failed.step.failed = s.bothWays(last)
		return deployer.Failed, err
	}
	return s.restore(ctx, failed, last)
}

// changes says whether a step changes what runs. What failed before leaves
// nothing to put back.
func (s *shipment) changes(step string) bool {
	m := s.source.site.Migrate
	after := m != nil && m.Order == site.MigrateAfter
	return slices.Contains([]string{"roll", "cron", "verify"}, step) || after && slices.Contains([]string{"pause", "migrate"}, step)
}

func (s *shipment) restore(ctx context.Context, failed *stepError, last deployer.Release) (deployer.Outcome, error) {
	err := s.do(ctx, step{
		name:    "put back",
		run:     func(ctx context.Context) error { return s.deployer.PutBack(ctx, last) },
		stopped: "The site is being put back to " + releaseName(last) + "; its pods are replaced in the cluster, and the site serves.",
	})
	switch {
	case exitStatus(ctx, err) == statusCancelled:
		return deployer.Cancelled, err
	case err != nil:
		failed.step.failed = fmt.Sprintf("The site could not be put back to %s: %v", releaseName(last), err)
		return deployer.Failed, failed
	}
	s.paused = false
	s.restored = &last
	failed.step.failed = "The site was put back: " + releaseName(last) + " serves."
	return deployer.Restored, failed
}

// bothWays says how to go on after a migration that cannot be taken back.
func (s *shipment) bothWays(last deployer.Release) string {
	number := fmt.Sprint(last.Number)
	ways := fmt.Sprintf("The migration of this release has run, and the site file does not call it reversible (migrate.reversible): nothing was put back.\n"+
		"  forward: correct what is wrong, commit, and %s\n"+
		"  back to %s, on the database as it is now: %s",
		s.commandLine("ship"), releaseName(last), s.commandLine("rollback", "--keep-database", number))
	if m := s.source.site.Migrate; m != nil && m.Backup != nil {
		ways += "\n  back to it, with the database as it was before: " + s.commandLine("rollback", "--restore-db", number)
	}
	return ways
}

// commandLine is a command for the same site and environment.
func (o options) commandLine(command string, arguments ...string) string {
	words := []string{"sitectl", command}
	if o.file != "site.yaml" {
		words = append(words, "--file", o.file)
	}
	if o.environment != "" {
		words = append(words, "--environment", o.environment)
	}
	if o.context != "" {
		words = append(words, "--context", o.context)
	}
	return strings.Join(append(words, arguments...), " ")
}

// releaseName names a release for people: "release 4 (a1b2c3d)".
func releaseName(r deployer.Release) string {
	return fmt.Sprintf("release %d (%s)", r.Number, r.Commit.Tag)
}

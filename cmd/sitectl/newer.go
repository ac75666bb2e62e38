package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// allowOlderFlag is for commands that make a commit the running release.
func allowOlderFlag() cli.Flag {
	return &cli.BoolFlag{Name: "allow-older", DisableDefaultText: true, Usage: "ship this commit although a newer one is running"}
}

// newerError says that a descendant of the commit is running, as it is when
// pipelines overtake each other or an old one is started again.
type newerError struct {
	running deployer.Release
	commit  site.Commit
}

func (e *newerError) Error() string {
	return fmt.Sprintf("a newer release is already out: %s %q, shipped %s by %s, has %s in its history",
		e.running.Commit.Tag, e.running.Commit.Subject, moment(&e.running.At), e.running.By, e.commit.Tag)
}

// Hint says what to do about it.
func (e *newerError) Hint() string {
	return "if this pipeline was overtaken there is nothing to do; to go back: sitectl rollback, or ship this commit with --allow-older"
}

// refuseOlder returns a *newerError if the release that runs is newer than
// the commit. What git cannot tell is no reason to refuse.
func (s *shipment) refuseOlder(ctx context.Context, running *deployer.Release) error {
	if running == nil || s.own.Bool("allow-older") {
		return nil
	}
	relation, err := s.source.repository.Relate(ctx, running.Commit.SHA, s.source.commit.SHA)
	switch {
	case errors.Is(err, site.ErrUnknownCommit):
		s.log.Line(fmt.Sprintf("%s is running, of %s, which this clone does not have: whether it is newer cannot be told "+
			"(a clone with its history can: GIT_DEPTH 0 in GitLab, fetch-depth 0 in GitHub)", running.Commit.Tag, moment(&running.Commit.Time)))
		return nil
	case err != nil:
		return err
	case relation == site.Newer:
		return &newerError{running: *running, commit: s.source.commit}
	case relation == site.Diverged:
		s.log.Line(fmt.Sprintf("%s is running, of another branch: it is neither newer nor older", running.Commit.Tag))
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/deployer"
)

func rollbackCommand() *cli.Command {
	return page{
		name:      "rollback",
		arguments: "[RELEASE]",
		usage:     "go back to an earlier release: the one before, or that of a number or commit",
		description: "Rolls the site back to what a release of the history has applied, as sitectl history lists them: Deployments, " +
			"CronJobs, configuration. All is checked first, as for a ship: that the image is still in the registry, and that the " +
			"cluster takes every object. The site is verified, and the way back is a release of its own. No git repository is needed.\n\n" +
			"The database stays as it is. Where a migration has run since then that the site file does not call reversible " +
			"(migrate.reversible), the rollback is refused without --keep-database.",
		examples: `
			sitectl rollback
			sitectl rollback 4 -e production
			sitectl rollback 1a2b3c4
			sitectl rollback --keep-database   # the code of then, on the database of now
		`,
		own: []cli.Flag{
			&cli.BoolFlag{Name: "keep-database", DisableDefaultText: true, Usage: "go back across migrations, on the database as it is now"},
			lockWaitFlag(),
		},
		flags:    append([]string{"file", "environment", "kubeconfig", "context", "progress", "output"}, registryFlags...),
		statuses: []status{statusDone, statusFailed, statusUsage, statusRegistry, statusRollout, statusLocked, statusCancelled},
	}.command(runRollback)
}

func runRollback(ctx context.Context, o options) error {
	s := newShipment(o, "rolled back")
	err := s.do(ctx, s.checkStep(s.checkRollback))
	if err == nil {
		err = s.deploy(ctx, s.wayAgain, s.rollbackSteps())
	}
	return s.finish(ctx, err)
}

// checkRollback finds the release to go back to, and checks all that it
// needs.
func (s *shipment) checkRollback(ctx context.Context) (err error) {
	if len(s.arguments) > 1 {
		return &usageError{
			message: fmt.Sprintf("rollback takes one release, but got %q, too", s.arguments[1]),
			hint:    "see sitectl rollback --help",
		}
	}
	if s.source.site, err = readSite(s.options); err != nil {
		return err
	}
	if s.builder, err = newBuilder(s.options, s.source.site.Image, s.log.Line); err != nil {
		return err
	}
	if err := s.connect(); err != nil {
		return err
	}
	way, err := s.wayBack(ctx)
	if err != nil {
		return err
	}
	s.source.commit, s.image = way.To.Commit, way.To.Built()
	s.log.Line(fmt.Sprintf("%s: back to %s %q, of %s", s.source.site.Address, releaseName(way.To), way.To.Commit.Subject, moment(&way.To.At)))
	if s.deployer, err = s.deployer.At(ctx, way.To); err != nil {
		return err
	}
	return errors.Join(s.checkMigrations(way), together(ctx, s.requireBuilt, func(ctx context.Context) error {
		return s.deployer.Preflight(ctx, s.image)
	}))
}

func (s *shipment) wayBack(ctx context.Context) (deployer.Way, error) {
	return s.deployer.WayBack(ctx, strings.Join(s.arguments, ""))
}

// wayAgain makes sure that the way back is still the one that was checked.
func (s *shipment) wayAgain(ctx context.Context) error {
	way, err := s.wayBack(ctx)
	if err != nil {
		return err
	}
	if way.To.Image != s.image.Reference() {
		return errors.New("something else was shipped meanwhile: look at it with sitectl history, and roll back again")
	}
	return s.checkMigrations(way)
}

// checkMigrations refuses to go back across a migration that cannot be taken
// back, unless the person knows.
func (s *shipment) checkMigrations(way deployer.Way) error {
	if len(way.Across) == 0 {
		return nil
	}
	var names []string
	for _, release := range slices.Backward(way.Across) {
		names = append(names, releaseName(release))
	}
	if s.own.Bool("keep-database") {
		s.log.Line("the database stays as the migration of " + strings.Join(names, ", ") + " has left it")
		return nil
	}
	return &usageError{
		message: fmt.Sprintf("migrations have run since %s that cannot be taken back: of %s", releaseName(way.To), strings.Join(names, ", ")),
		hint: "if its code can work with the database as it is now: " +
			s.commandLine("rollback", "--keep-database", fmt.Sprint(way.To.Number)),
	}
}

// requireBuilt makes sure that the image of the release is still in the
// registry, under its digest.
func (s *shipment) requireBuilt(ctx context.Context) error {
	found, err := s.builder.Has(ctx, s.image.Reference())
	if err == nil && !found {
		err = &missingImageError{s.image.Reference()}
	}
	return err
}

// rollbackSteps make an earlier release the running one.
func (s *shipment) rollbackSteps() []step {
	return append([]step{{
		name:    "prepare",
		run:     s.prepareRollback,
		stopped: "The site serves what it served before.",
		failed:  "The site serves what it served before.",
	}, s.rollStep()}, s.lastSteps()...)
}

func (s *shipment) prepareRollback(ctx context.Context) error {
	if err := s.deployer.RenewLogin(ctx); err != nil {
		return err
	}
	return s.begin(ctx)
}

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
			"Where a migration has run since then that the site file does not call reversible (migrate.reversible), say what becomes of " +
			"the database: --restore-db puts it back as it was before that migration, from the backup that the ship has made " +
			"(migrate.backup), and what was written since is only in a backup then; --keep-database leaves it as it is.",
		examples: `
			sitectl rollback
			sitectl rollback 4 -e production
			sitectl rollback 1a2b3c4
			sitectl rollback --keep-database   # the code of then, on the database of now
			sitectl rollback --restore-db      # the code and the database of then; asks first
		`,
		own: []cli.Flag{
			&cli.BoolFlag{Name: "keep-database", DisableDefaultText: true, Usage: "go back across migrations, on the database as it is now"},
			&cli.BoolFlag{Name: "restore-db", DisableDefaultText: true, Usage: "go back across migrations, with the database as it was before them"},
			confirmFlag(),
			lockWaitFlag(),
			reportFlag(),
		},
		flags:    append([]string{"file", "environment", "kubeconfig", "context", "progress", "output"}, registryFlags...),
		ships:    true,
		statuses: []status{statusDone, statusFailed, statusUsage, statusRegistry, statusMigration, statusRollout, statusLocked, statusCancelled},
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
	if err := s.openBuilder(); err != nil {
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
	err = errors.Join(s.checkMigrations(way), together(ctx, s.requireBuilt, func(ctx context.Context) error {
		return s.deployer.Preflight(ctx, s.image)
	}))
	if err != nil || !s.own.Bool("restore-db") {
		return err
	}
	return s.chooseBackup(ctx, way)
}

// chooseBackup finds the backup to restore, and asks.
func (s *shipment) chooseBackup(ctx context.Context, way deployer.Way) error {
	backup, err := s.deployer.BackupFor(ctx, way)
	if err != nil {
		return err
	}
	s.dump = backup.Name
	return s.confirm(fmt.Sprintf("The database of %s will be as it is in backup %s, of %s. What it holds now is dumped before.",
		s.source.site.Namespace, backup.Name, moment(&backup.At)), s.source.site.Address)
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
	keep, restore := s.own.Bool("keep-database"), s.own.Bool("restore-db")
	if keep && restore {
		return &usageError{message: "--keep-database and --restore-db say the opposite", hint: "choose one"}
	}
	if len(way.Across) == 0 && restore {
		return &usageError{
			message: fmt.Sprintf("no migration has run since %s that --restore-db would take back", releaseName(way.To)),
			hint:    "leave it out, or put the database back by itself: " + s.commandLine("restore-db", "BACKUP"),
		}
	}
	if len(way.Across) == 0 || restore {
		return nil
	}
	var names []string
	for _, release := range slices.Backward(way.Across) {
		names = append(names, releaseName(release))
	}
	if keep {
		s.log.Line("the database stays as the migration of " + strings.Join(names, ", ") + " has left it")
		return nil
	}
	return &usageError{
		message: fmt.Sprintf("migrations have run since %s that cannot be taken back: of %s", releaseName(way.To), strings.Join(names, ", ")),
		hint: "if its code can work with the database as it is now: " +
			s.commandLine("rollback", "--keep-database", fmt.Sprint(way.To.Number)) +
			"; with the backup from before them (sitectl backup --list): " +
			s.commandLine("rollback", "--restore-db", fmt.Sprint(way.To.Number)),
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
	steps := []step{{
		name:    "prepare",
		run:     s.prepareRollback,
		stopped: "The site serves what it served before.",
		failed:  "The site serves what it served before.",
	}}
	if s.dump != "" {
		steps = append(steps, step{
			name:    "pause",
			run:     s.pauseCron,
			stopped: "The CronJobs are resumed. The site serves what it served before.",
			failed:  "The site serves what it served before.",
		}, step{
			name:    "restore",
			run:     s.restoreDump,
			stopped: "The Job that restores the database may still be running, and the database be incomplete until it is done (sitectl logs --of restore).",
		})
	}
	return append(append(steps, s.rollStep()), s.lastSteps()...)
}

// restoreDump puts the database back. From then on the release that was
// served before does not fit it any more.
func (s *shipment) restoreDump(ctx context.Context) error {
	begun, err := s.deployer.Migrating(ctx, *s.begun)
	if err != nil {
		return err
	}
	s.begun = &begun
	return s.deployer.Restore(ctx, s.dump)
}

func (s *shipment) prepareRollback(ctx context.Context) error {
	if err := s.deployer.RenewLogin(ctx); err != nil {
		return err
	}
	return s.begin(ctx)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

func recoverCommand() *cli.Command {
	return page{
		name:  "recover",
		usage: "finish or take back what a killed ship has left",
		description: "A ship that was killed, or cut off from the cluster, may leave a site between two releases. This brings it to " +
			"one of them: a release whose code runs already is finished, as is one whose migration has run and cannot be " +
			"taken back; otherwise the release before goes on. What cannot be finished is put back, as in a ship. A migration that " +
			"runs is waited for, CronJobs and Deployments that were paused go on, and the lock of who is dead is removed.\n\n" +
			"The next ship does the same on its way. It is safe to run at any time, and needs no git repository.",
		examples: `
			sitectl recover
			sitectl recover -e production
			sitectl recover --output json | jq -r .outcome    # nothing, recovered or failed
		`,
		own:   []cli.Flag{lockWaitFlag(), reportFlag()},
		flags: append([]string{"file", "environment", "kubeconfig", "context", "progress", "output"}, registryFlags...),
		ships: true,
		statuses: []status{
			statusDone, statusFailed, statusUsage, statusRegistry,
			statusMigration, statusRollout, statusLocked, statusCancelled,
		},
	}.command(runRecover)
}

func runRecover(ctx context.Context, o options) error {
	s := newShipment(o, "recovered")
	var nothing bool
	err := s.do(ctx, s.checkStep(func(ctx context.Context) (err error) {
		nothing, err = s.checkRecover(ctx)
		return err
	}))
	switch {
	case nothing:
		s.outcome = "nothing"
	case err == nil:
		err = s.locked(ctx, func(context.Context) error { return nil }, s.recover)
	}
	return s.finish(ctx, err)
}

// checkRecover says whether there is nothing to do.
func (s *shipment) checkRecover(ctx context.Context) (nothing bool, err error) {
	if s.source.site, err = readSite(s.options); err != nil {
		return false, err
	}
	if err := s.openBuilder(); err != nil {
		return false, err
	}
	if err := s.connect(); err != nil {
		return false, err
	}
	left, err := s.deployer.Leftover(ctx)
	if err != nil {
		return false, err
	}
	holder, err := s.deployer.LockHolder(ctx)
	if err != nil || holder != nil || !left.Nothing() {
		return false, err
	}
	s.log.Line(s.source.site.Namespace + ": there is nothing to recover")
	return true, nil
}

// recover brings the site to one release, under the lock.
func (s *shipment) recover(ctx context.Context) error {
	const goesOn = "The site serves; sitectl recover goes on where this has stopped."
	var finish *deployer.Release
	settle := step{
		name: "settle",
		run: func(ctx context.Context) (err error) {
			finish, err = s.decide(ctx)
			return err
		},
		stopped: goesOn,
	}
	if err := s.do(ctx, settle); err != nil {
		return err
	}
	switch {
	case finish != nil:
		return s.finishRelease(ctx, *finish)
	case s.left.Last != nil && len(s.left.Begun) > 0:
		return s.takeBack(ctx, *s.left.Last)
	default:
		return nil
	}
}

// decide waits for a migration, settles what it can, and returns the release
// to be finished; nil for none.
func (s *shipment) decide(ctx context.Context) (*deployer.Release, error) {
	left, err := s.deployer.Leftover(ctx)
	if err != nil {
		return nil, err
	}
	if !left.Nothing() {
		s.log.Line(left.String())
	}
	s.tellInterrupted(left)
	if err := s.deployer.AwaitMigration(ctx, left); err != nil {
		return nil, err
	}
	if err := s.mendDatabase(ctx, left); err != nil {
		return nil, err
	}
	left.Migrating, left.Restoring = nil, ""
	s.left = left
	finish, err := s.deployer.ToFinish(ctx, left)
	if err != nil {
		return nil, err
	}
	keep := 0
	if finish != nil {
		if *finish, err = s.deployer.Interrupted(ctx, *finish); err != nil {
			return nil, err
		}
		keep = finish.Number
	}
	if err := s.deployer.Settle(ctx, left, keep); err != nil {
		return nil, err
	}
	if left.Changed && finish == nil {
		return nil, &foreignError{s.commandLine("ship"), s.commandLine("rollback")}
	}
	return finish, nil
}

// mendDatabase waits for a Job that puts the database back. If it has failed on
// the way of a rollback that has not ended, it is done again: whoever has begun
// that has confirmed it. After any other a person may have mended the database
// by now, and what is in it must not be replaced without being asked for.
func (s *shipment) mendDatabase(ctx context.Context, left deployer.Leftover) error {
	if left.Restoring == "" {
		return nil
	}
	err := s.deployer.AwaitRestore(ctx)
	half := (*deployer.HalfRestoredError)(nil)
	if !errors.As(err, &half) {
		return err
	}
	rollback := slices.ContainsFunc(left.Begun, func(r deployer.Release) bool { return r.Back > 0 && r.Migrated })
	if !rollback || s.deployer.HasBackup(ctx, half.Dump) != nil {
		return half
	}
	s.log.Line(half.Error() + "; doing it again")
	return restore(ctx, s.deployer, half.Dump)
}

// foreignError says that what runs is nothing that was shipped.
type foreignError struct{ ship, rollback string }

func (e *foreignError) Error() string {
	return "what runs is of no release of the history: somebody has changed it with another tool"
}

// Hint says what to do about it.
func (e *foreignError) Hint() string {
	return "make it a release again: " + e.ship + ", or " + e.rollback
}

// finishRelease takes a release to its end, from its record. If that fails,
// the release before it is put back where that can be done: the site is well
// either way.
func (s *shipment) finishRelease(ctx context.Context, release deployer.Release) (err error) {
	s.begun, s.source.commit, s.image = &release, release.Commit, release.Built()
	if s.deployer, err = s.deployer.Resume(ctx, release); err != nil {
		return err
	}
	s.log.Line("finishing " + releaseName(release))
	err = s.deployLocked(ctx, s.finishSteps())
	if err == nil || s.restored == nil {
		return err
	}
	s.log.Line(fmt.Sprintf("%s could not be finished: %v", releaseName(release), err))
	s.log.Line(releaseName(*s.restored) + " serves")
	return nil
}

// finishSteps are those of a ship, but for what is laid out before a release
// is begun.
func (s *shipment) finishSteps() []step {
	const goesOn = "The site serves; sitectl recover goes on where this has stopped."
	login := step{name: "prepare", run: func(ctx context.Context) error { return s.deployer.RenewLogin(ctx) }, stopped: goesOn}
	migration := []step{
		{name: "backup", skip: s.skipFinishedBackup, run: s.backup, stopped: goesOn},
		{name: "pause", skip: s.skipFinished, run: s.pauseCron, stopped: goesOn},
		{name: "migrate", skip: s.skipFinished, run: s.migrate, stopped: goesOn},
	}
	steps := append([]step{login}, migration...)
	steps = append(steps, s.rollStep())
	if m := s.source.site.Migrate; m != nil && m.Order == site.MigrateAfter {
		steps = append([]step{login, s.rollStep()}, migration...)
	}
	return append(steps, s.lastSteps()...)
}

// skipFinished skips a migration that is done, or that the release has not.
func (s *shipment) skipFinished(ctx context.Context) (string, error) {
	pending, err := s.deployer.Pending(ctx, s.image)
	if err != nil || pending {
		return "", err
	}
	return "there is no migration left to run", nil
}

func (s *shipment) skipFinishedBackup(ctx context.Context) (string, error) {
	if m := s.source.site.Migrate; m == nil || m.Backup == nil {
		return "the site file asks for none (migrate.backup)", nil
	}
	return s.skipFinished(ctx)
}

// takeBack makes sure that the release before serves as it did: configuration
// may have changed under it.
func (s *shipment) takeBack(ctx context.Context, last deployer.Release) error {
	s.source.commit, s.image = last.Commit, last.Built()
	return s.do(ctx, step{
		name:    "take back",
		run:     func(ctx context.Context) error { return s.deployer.PutBack(ctx, last) },
		stopped: "The site serves " + releaseName(last) + ".",
	})
}

// settle finds, at the beginning of a ship and under the lock, what an earlier
// one has left. This one takes its place: its release is ended, and its
// CronJobs go on; if this one fails, the site is put back even if it had
// changed nothing yet. A database that is half put back is made whole before, or
// stops it, unless this one puts it back itself.
func (s *shipment) settle(ctx context.Context) error {
	left, err := s.deployer.Leftover(ctx)
	if err != nil || left.Nothing() {
		return err
	}
	s.log.Line("left by a ship that did not come to its end: " + left.String())
	s.tellInterrupted(left)
	if s.dump == "" {
		if err := s.mendDatabase(ctx, left); err != nil {
			return err
		}
		left.Restoring = ""
	}
	s.left = left
	s.paused = len(left.Suspended) > 0 && (len(left.Migrating) > 0 || left.Restoring != "")
	return s.deployer.Settle(ctx, left, 0)
}

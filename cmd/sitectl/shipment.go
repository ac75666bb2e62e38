package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// shipment is one run of ship, build or deploy: what is known of it so far,
// in the order in which it becomes known.
type shipment struct {
	options
	outcome string // of a run that succeeds, as in result
	log     *ci.Log
	events  *events
	stream  *eventWriter // nil unless standard output has the events
	steps   []stepReport
	pods    *rolloutTable // how they stood last
	changed []string      // objects that were not as they should be

	recorder *recorder // nil unless there is to be a report

	source   source
	builder  *builder.Builder
	deployer *deployer.Deployer

	plan        *builder.Plan        // nil if nothing has to be built
	explanation *builder.Explanation // nil unless it was asked for

	image   site.Image        // without a digest while the registry does not have it
	report  *builder.Report   // nil unless something was built
	begun   *deployer.Release // nil until the deploy is about to change what runs
	release *deployer.Release // nil until it is recorded
	// restored is the release that the site was put back to; nil if it was not.
	restored *deployer.Release
	running  bool              // the commit was running already
	paused   bool              // the CronJobs may be suspended
	left     deployer.Leftover // of ships before this one
	dump     string            // backup that a rollback restores; empty for none
	told     told
}

func newShipment(o options, outcome string) *shipment {
	s := &shipment{options: o, outcome: outcome, log: newLog(o), events: newEvents(time.Now)}
	s.log.Tell = s.events.logged
	s.told.since = time.Now()
	s.pods = &rolloutTable{log: s.log, now: time.Now}
	s.events.tell = append(s.events.tell, s.pods.tell)
	if o.output == "jsonl" {
		s.stream = newEventWriter(o.stdout)
		s.events.tell = append(s.events.tell, s.stream.write)
	}
	if o.reportFile != "" {
		s.recorder = &recorder{}
		s.events.tell = append(s.events.tell, s.recorder.record)
	}
	return s
}

// newLog is the log on standard error.
func newLog(o options) *ci.Log {
	terminal := isTerminal(o.stderr)
	log := &ci.Log{
		Platform: ci.Detect(os.Getenv, terminal),
		Out:      o.stderr,
		Now:      time.Now,
		Color:    ci.Colors(o.color, os.Getenv, terminal),
		Hidden:   o.hidden,
	}
	if o.progress == "quiet" {
		log.Out = io.Discard
	}
	if terminal && (o.progress == "auto" || o.progress == "tty") {
		log.Width = func() int { return terminalWidth(o.stderr) }
	}
	return log
}

// do runs more steps.
func (s *shipment) do(ctx context.Context, steps ...step) error {
	reports, err := runSteps(ctx, s.log, steps)
	s.steps = append(s.steps, reports...)
	return err
}

func (s *shipment) checkStep(run func(context.Context) error) step {
	const untouched = "Nothing was touched."
	return step{name: "check", run: run, stopped: untouched, failed: untouched}
}

func (s *shipment) buildStep() step {
	return step{
		name:    "build",
		skip:    s.skipBuild,
		run:     s.build,
		stopped: "Nothing was deployed. What was built is in the builder's cache.",
		failed:  "Nothing was deployed.",
	}
}

func (s *shipment) skipBuild(context.Context) (string, error) {
	if s.plan != nil {
		return "", nil
	}
	return s.image.Repository + ":" + s.image.Tag + " is already in the registry", nil
}

func (s *shipment) build(ctx context.Context) error {
	defer s.leaveBuilder()
	image, report, err := s.plan.Build(ctx)
	if err != nil {
		return err
	}
	s.image, s.report = image, &report
	return nil
}

// leaveBuilder ends the connection to BuildKit, and a BuildKit that was
// started for it: what comes after the build needs none.
func (s *shipment) leaveBuilder() {
	if err := s.builder.Close(); err != nil {
		s.log.Line(err.Error())
	}
}

// endTimeout is how long it may take to leave all in order. What cancels a
// pipeline gives a process about seven seconds (GitHub 7.5, GitLab 10), of
// which the deployer takes two to release the lock.
const endTimeout = 4 * time.Second

// deploy runs the steps that turn s.image into the running release under the
// lock of the site. What has changed since the check is found by again.
func (s *shipment) deploy(ctx context.Context, again func(context.Context) error, steps []step) error {
	lookAgain := func(ctx context.Context) error {
		if err := s.settle(ctx); err != nil {
			return err
		}
		return again(ctx)
	}
	return s.locked(ctx, lookAgain, func(ctx context.Context) error { return s.deployLocked(ctx, steps) })
}

// locked does work under the lock of the site, unless again finds that there
// is none to do.
func (s *shipment) locked(ctx context.Context, again, work func(context.Context) error) error {
	const untouched = "Nothing was deployed."
	held, unlock := ctx, func() {}
	defer func() { unlock() }()
	lock := step{
		name: "lock",
		run: func(ctx context.Context) error {
			locked, release, err := s.deployer.Lock(ctx, s.claim(s.source.commit))
			if err != nil {
				return err
			}
			held, unlock = locked, release
			return again(held)
		},
		stopped: untouched,
		failed:  untouched,
	}
	if err := s.do(ctx, lock); err != nil || s.running {
		return err
	}
	return lockLost(held, work(held))
}

// lookAgain finds out what was shipped since the check, before the lock was
// held: a newer commit, or this very one.
func (s *shipment) lookAgain(ctx context.Context) error {
	running, same, err := s.deployer.Current(ctx, s.image)
	if err != nil {
		return err
	}
	if same && !s.rebuild {
		s.running, s.release = true, running
		s.log.Line(fmt.Sprintf("%s is running by now: %s has shipped it", s.image.Tag, running.By))
		return nil
	}
	return s.refuseOlder(ctx, running)
}

// lockLost is the error of work that ended because its lock was lost: what the
// step makes of the end of its context does not say so.
func lockLost(held context.Context, err error) error {
	lost := context.Cause(held)
	var step *stepError
	if !is[*deployer.LockLostError](lost) && !is[*deployer.LockedError](lost) || !errors.As(err, &step) {
		return err
	}
	return &stepError{step: step.step, err: lost}
}

// deployLocked runs the steps, puts the site back if they fail, and writes
// down how the release ended, whatever the end.
func (s *shipment) deployLocked(ctx context.Context, steps []step) error {
	if s.recorder != nil {
		steps = slices.Concat([]step{s.planStep()}, steps)
	}
	err := s.do(ctx, steps...)
	outcome := deployer.Failed
	if s.release == nil && (s.begun != nil || s.left.Changed) {
		outcome, err = s.putBack(ctx, err)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	s.resumeCron(ending)
	if s.begun == nil || s.release != nil {
		return err
	}
	if _, endErr := s.deployer.End(ending, *s.begun, outcome, err.Error()); endErr != nil {
		s.log.Line(endErr.Error())
	}
	return err
}

// resumeCron resumes the CronJobs that a deploy which did not come to its end
// has suspended.
func (s *shipment) resumeCron(ctx context.Context) {
	if !s.paused {
		return
	}
	if err := s.deployer.ResumeCron(ctx); err != nil {
		s.log.Line(err.Error() + "; the next ship resumes it")
	}
}

// deploySteps turn s.image into the running release.
func (s *shipment) deploySteps() []step {
	m := s.source.site.Migrate
	after := m != nil && m.Order == site.MigrateAfter
	serving := "what it served before."
	if after {
		serving = "the new release."
	}
	pause := step{
		name:    "pause",
		skip:    s.skipMigrated,
		run:     s.pauseCron,
		stopped: "The CronJobs are resumed. The site serves " + serving,
	}
	migrate := step{
		name: "migrate",
		skip: s.skipMigrate,
		run:  s.migrate,
		stopped: "The migration Job may still be running; it is not killed, because half a migration is worse than a whole one. " +
			"The CronJobs are resumed. The site serves " + serving,
	}
	steps := []step{{
		name:    "prepare",
		run:     s.layOut,
		stopped: "Some of namespace, credentials, configuration, volumes, database and cache may be laid out. The site serves what it served before.",
	}, {
		name:    "backup",
		skip:    s.skipBackup,
		run:     s.backup,
		stopped: "The dump of the database may still be under way; the next ship waits for it. The site serves what it served before.",
	}}
	if after {
		steps = append(steps, s.rollStep(), pause, migrate)
	} else {
		steps = append(steps, pause, migrate, s.rollStep())
	}
	return append(steps, s.lastSteps()...)
}

func (s *shipment) rollStep() step {
	return step{
		name:    "roll",
		run:     func(ctx context.Context) error { return s.deployer.Roll(ctx, s.image) },
		stopped: "The rollout goes on in the cluster if it had begun; the site serves.",
	}
}

// lastSteps are what comes after the rollout.
func (s *shipment) lastSteps() []step {
	return []step{{
		name:    "cron",
		run:     s.cron,
		stopped: "The new release serves; some CronJobs may still run the old image.",
	}, {
		name:    "verify",
		run:     func(ctx context.Context) error { return s.deployer.Verify(ctx, s.image) },
		stopped: "The new release serves, but was not verified.",
		failed:  "The new release serves, but not as it must.",
	}, {
		name:    "record",
		run:     s.record,
		stopped: "The new release serves and is verified, but may not be recorded.",
	}, {
		name: "prune",
		run:  s.prune,
	}}
}

func (s *shipment) layOut(ctx context.Context) error {
	if err := s.deployer.Apply(ctx, s.image); err != nil {
		return err
	}
	if err := s.deployer.Data(ctx); err != nil {
		return err
	}
	return s.begin(ctx)
}

// begin writes down what is about to change.
func (s *shipment) begin(ctx context.Context) error {
	begun, err := s.deployer.Begin(ctx, s.image)
	if err != nil {
		return err
	}
	s.begun = &begun
	s.tellStarted()
	return nil
}

func (s *shipment) skipMigrate(context.Context) (string, error) {
	if m := s.source.site.Migrate; m == nil || len(m.Steps) == 0 {
		return "the site has no migration", nil
	}
	return "", nil
}

func (s *shipment) skipBackup(ctx context.Context) (string, error) {
	if m := s.source.site.Migrate; m != nil && m.Backup == nil {
		return "the site file asks for none (migrate.backup)", nil
	}
	return s.skipMigrated(ctx)
}

func (s *shipment) backup(ctx context.Context) error {
	_, err := s.deployer.Backup(ctx)
	return err
}

// skipMigrated skips what is done for a migration if none will run.
func (s *shipment) skipMigrated(ctx context.Context) (string, error) {
	if reason, err := s.skipMigrate(ctx); reason != "" || err != nil {
		return reason, err
	}
	pending, err := s.deployer.Pending(ctx, s.image)
	if err != nil || pending {
		return "", err
	}
	return "the migration has already run", nil
}

func (s *shipment) pauseCron(ctx context.Context) error {
	s.paused = true
	return s.deployer.PauseCron(ctx)
}

func (s *shipment) cron(ctx context.Context) error {
	err := s.deployer.Cron(ctx, s.image)
	s.paused = s.paused && err != nil
	return err
}

func (s *shipment) migrate(ctx context.Context) error {
	begun, err := s.deployer.Migrating(ctx, *s.begun)
	if err != nil {
		return err
	}
	s.begun = &begun
	return s.deployer.Migrate(ctx, s.image)
}

// prune removes what the site does without. The release is shipped whether
// that succeeds or not.
func (s *shipment) prune(ctx context.Context) error {
	if err := s.deployer.Prune(ctx, s.image); err != nil {
		s.log.Line(err.Error() + "; the next ship tries again")
	}
	return nil
}

func (s *shipment) record(ctx context.Context) error {
	release, err := s.deployer.Record(ctx, *s.begun)
	if err != nil {
		return err
	}
	s.release = &release
	return nil
}

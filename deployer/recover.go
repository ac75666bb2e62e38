package deployer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sitectl/sitectl/site"
)

// Leftover is what a ship that was killed or stopped has left of a site, as
// whoever holds the lock finds it: nobody else is at work.
type Leftover struct {
	Last       *Release  // that was shipped last; nil if none was
	Begun      []Release // whose end nobody has written down, the latest first
	Changed    bool      // not all that runs is of Last
	Release    *Release  // what runs besides Last, if Changed; nil if it is none of the history
	Across     []Release // since Last, whose migrations cannot be taken back, the latest first
	Suspended  []string  // CronJobs that PauseCron has suspended
	Paused     []string  // Deployments whose rollout was paused
	Migrating  []string  // migration Jobs that still run
	Restoring  string    // Job that was to put the database back, and still runs or has failed; empty for none
	Unrecorded bool      // Last runs, but the Deployment web does not say so
}

// Nothing says that all is as a ship leaves it that came to its end.
func (l Leftover) Nothing() bool {
	return len(l.Begun) == 0 && !l.Changed && len(l.Suspended) == 0 && len(l.Paused) == 0 && len(l.Migrating) == 0 &&
		l.Restoring == "" && !l.Unrecorded
}

// String says it in one line.
func (l Leftover) String() string {
	var parts []string
	add := func(format string, names ...string) {
		if len(names) > 0 {
			parts = append(parts, fmt.Sprintf(format, strings.Join(names, ", ")))
		}
	}
	for _, release := range l.Begun {
		add("release "+release.name()+" was begun by %s", release.By)
	}
	switch {
	case l.Changed && l.Release != nil:
		add("%s runs, in part at least", "release "+l.Release.name())
	case l.Changed:
		add("%s, which is of no release of the history", "something runs")
	}
	add("suspended: CronJob %s", l.Suspended...)
	add("paused: Deployment %s", l.Paused...)
	add("still running: Job %s", l.Migrating...)
	if l.Restoring != "" {
		add("the database is not put back yet: Job %s", l.Restoring)
	}
	if l.Unrecorded {
		add("%s is not on the Deployment", "the record of release "+l.Last.name())
	}
	return strings.Join(parts, "; ")
}

func (r Release) name() string { return fmt.Sprintf("%d (%s)", r.Number, r.Commit.Tag) }

// Leftover looks for what was left. It takes three requests, and five for a
// site with migrations.
func (d *Deployer) Leftover(ctx context.Context) (Leftover, error) {
	var releases []Release
	err := d.reach(ctx, func(ctx context.Context) (err error) {
		releases, err = d.Releases(ctx)
		return err
	})
	if err != nil {
		return Leftover{}, err
	}
	deployments, err := d.deployments(ctx)
	if err != nil {
		return Leftover{}, err
	}
	crons, err := d.cronJobs(ctx)
	if err != nil {
		return Leftover{}, err
	}
	left := leftover(releases, deployments, crons)
	if d.site.Migrate == nil && !slices.ContainsFunc(left.Begun, func(r Release) bool { return r.Migrated }) {
		return left, nil
	}
	jobs, err := d.jobs(ctx, "migrate")
	if err != nil {
		return Leftover{}, err
	}
	for _, job := range jobs {
		if finished(&job) == nil {
			left.Migrating = append(left.Migrating, job.Name)
		}
	}
	last, err := d.lastRestore(ctx)
	if last != nil && !succeeded(last) {
		left.Restoring = last.Name
	}
	return left, err
}

// deployments lists the site's Deployments: those that sitectl has made or, in
// patch mode, those that the site file names.
func (d *Deployer) deployments(ctx context.Context) ([]appsv1.Deployment, error) {
	selector := "app.kubernetes.io/managed-by=" + fieldManager
	if d.patching() {
		selector = ""
	}
	list, err := d.client.AppsV1().Deployments(d.site.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list Deployments: %w", err)
	}
	return slices.DeleteFunc(list.Items, func(deployment appsv1.Deployment) bool {
		return d.patching() && !slices.Contains(d.site.Deploy.Deployments, deployment.Name)
	}), nil
}

func leftover(releases []Release, deployments []appsv1.Deployment, crons []batchv1.CronJob) Leftover {
	var left Leftover
	last, found := lastShipped(releases)
	if found {
		left.Last = &last
	}
	left.Across = across(releases, last)
	later := slices.DeleteFunc(slices.Clone(releases), func(r Release) bool { return r.Number <= last.Number })
	for _, release := range releases {
		if release.Outcome == Begun {
			left.Begun = append(left.Begun, release)
		}
	}
	for _, deployment := range deployments {
		left.compare(deployment.Spec.Template.Spec, later)
		if deployment.Spec.Paused {
			left.Paused = append(left.Paused, deployment.Name)
		}
		if deployment.Name == "web" && found && !left.Changed {
			recorded := recorded(&deployment)
			left.Unrecorded = recorded == nil || recorded.Number != last.Number
		}
	}
	for _, cron := range crons {
		left.compare(cron.Spec.JobTemplate.Spec.Template.Spec, later)
		if _, paused := cron.Annotations[pausedAnnotation]; paused {
			left.Suspended = append(left.Suspended, cron.Name)
		}
	}
	return left
}

// compare looks for code in a pod that is not of the release which was shipped
// last. An image of another repository is none of the site's code.
func (l *Leftover) compare(pod corev1.PodSpec, later []Release) {
	wanted := ""
	if l.Last != nil {
		wanted = l.Last.Image
	}
	for _, container := range slices.Concat(pod.InitContainers, pod.Containers) {
		if container.Image == wanted {
			continue
		}
		i := slices.IndexFunc(later, func(r Release) bool { return r.Image == container.Image })
		if i >= 0 && (l.Release == nil || later[i].Number > l.Release.Number) {
			l.Changed, l.Release = true, &later[i]
		}
		if repository(container.Image) == repository(wanted) {
			l.Changed = true
		}
	}
}

// repository is an image reference without its tag and digest.
func repository(reference string) string {
	reference, _, _ = strings.Cut(reference, "@")
	if colon := strings.LastIndex(reference, ":"); colon > strings.LastIndex(reference, "/") {
		return reference[:colon]
	}
	return reference
}

// Settle takes back what only a ship that is under way may do: it lets
// Deployments go on that were paused, and CronJobs unless the database is
// still changed; it writes down the end of releases of which nobody else will,
// but not of keep, which is to be finished.
func (d *Deployer) Settle(ctx context.Context, left Leftover, keep int) error {
	for _, name := range left.Paused {
		_, err := d.client.AppsV1().Deployments(d.site.Namespace).Patch(ctx, name, types.MergePatchType,
			[]byte(`{"spec":{"paused":null}}`), metav1.PatchOptions{FieldManager: fieldManager})
		if err != nil {
			return fmt.Errorf("let Deployment %s go on: %w", name, err)
		}
		d.progress(fmt.Sprintf("Deployment %s goes on", name))
	}
	if len(left.Suspended) > 0 && len(left.Migrating) == 0 && left.Restoring == "" {
		if err := d.ResumeCron(ctx); err != nil {
			return err
		}
	}
	for _, release := range left.Begun {
		if release.Number == keep {
			continue
		}
		if _, err := d.End(ctx, release, Cancelled, "its ship was killed"); err != nil {
			return err
		}
	}
	if !left.Unrecorded {
		return nil
	}
	if err := d.annotate(ctx, *left.Last); err != nil {
		return fmt.Errorf("record the release on Deployment web: %w", err)
	}
	return nil
}

// AwaitMigration waits for migration Jobs that run, and shows their logs. What
// follows from how they end is told by ToFinish.
func (d *Deployer) AwaitMigration(ctx context.Context, left Leftover) error {
	for _, name := range left.Migrating {
		d.progress(fmt.Sprintf("waiting for Job %s", name))
		_, err := d.follow(ctx, followed{name: name, limit: "its timeout"})
		var failed *JobError
		if errors.As(err, &failed) {
			d.progress(failed.Error())
		} else if err != nil {
			return err
		}
	}
	return nil
}

// ToFinish decides, when no migration runs any more, which release has to be
// finished; nil for none, where the site goes on as it was. One is finished if
// its code runs somewhere, or if its migration has run which the code of
// before cannot live with. A database that is half put back has to be made
// whole before, see AwaitRestore.
func (d *Deployer) ToFinish(ctx context.Context, left Leftover) (*Release, error) {
	if left.Changed {
		return left.Release, nil
	}
	if len(left.Begun) == 0 {
		return nil, nil
	}
	begun := left.Begun[0]
	overtaken := left.Last != nil && left.Last.Number > begun.Number
	if overtaken || !begun.Migrated || begun.Reversible && begun.Back == 0 {
		return nil, nil
	}
	if begun.Back > 0 {
		restored, err := d.restoredFor(ctx, begun)
		if !restored || err != nil {
			return nil, err
		}
		return &begun, nil
	}
	resumed, err := d.Resume(ctx, begun)
	if err != nil {
		return nil, err
	}
	pending, err := resumed.Pending(ctx, begun.Built())
	if pending || err != nil {
		return nil, err
	}
	return &begun, nil
}

// restoredFor says whether the database was put back for a release that goes
// back. The times are those of the API server.
func (d *Deployer) restoredFor(ctx context.Context, release Release) (bool, error) {
	name := recordName(release.Number)
	record, err := d.client.CoreV1().ConfigMaps(d.site.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return false, fmt.Errorf("read ConfigMap %s: %w", name, err)
	}
	last, err := d.lastRestore(ctx)
	if err != nil || last == nil || last.CreationTimestamp.Before(&record.CreationTimestamp) {
		return false, err
	}
	return succeeded(last), nil
}

// AwaitRestore waits for a Job that still puts the database back, and shows its
// log. If it fails, or the last one has failed, the database is neither what it
// was nor what it was to be until Restore succeeds: a *HalfRestoredError.
func (d *Deployer) AwaitRestore(ctx context.Context) error {
	if err := d.awaitRunningRestore(ctx); err != nil {
		return err
	}
	last, err := d.lastRestore(ctx)
	if err != nil || last == nil || succeeded(last) {
		return err
	}
	return &HalfRestoredError{Namespace: last.Namespace, Job: last.Name, Dump: restoredBy(last)}
}

// lastRestore is the latest Job that was to put the database back; nil if
// there is none.
func (d *Deployer) lastRestore(ctx context.Context) (*batchv1.Job, error) {
	jobs, err := d.jobs(ctx, jobRestore)
	if err != nil || len(jobs) == 0 {
		return nil, err
	}
	return &jobs[len(jobs)-1], nil
}

func succeeded(job *batchv1.Job) bool {
	condition := finished(job)
	return condition != nil && condition.Type == batchv1.JobComplete
}

// restoredBy is the dump that a Job puts the database back to, its last
// argument.
func restoredBy(job *batchv1.Job) string {
	containers := job.Spec.Template.Spec.Containers
	if len(containers) == 0 || len(containers[0].Command) == 0 {
		return ""
	}
	return containers[0].Command[len(containers[0].Command)-1]
}

// HalfRestoredError says that the database is neither what it was nor what it
// was to be.
type HalfRestoredError struct {
	Namespace string
	Job       string
	Dump      string // that the database was to be put back to
}

func (e *HalfRestoredError) Error() string {
	return fmt.Sprintf("the database was not put back to its end: Job %s has failed, which reads backup %s", e.Job, e.Dump)
}

// Hint says what to do next.
func (e *HalfRestoredError) Hint() string {
	return "put it back, to then or to the dump that was made before: sitectl backup --list, sitectl restore-db BACKUP; " +
		fmt.Sprintf("if it was mended otherwise: kubectl -n %s delete job/%s", e.Namespace, e.Job)
}

// Resume returns a Deployer whose steps take all that a release was to apply,
// its migration as well, so that it can be finished by whoever finds it.
func (d *Deployer) Resume(ctx context.Context, release Release) (*Deployer, error) {
	at, err := d.At(ctx, release)
	if err != nil {
		return nil, err
	}
	at.earlier.whole = release.Back == 0 // going back runs no migration
	at.site.Web.Rollout.Steps = d.site.Web.Rollout.Steps
	// The site file of whoever recovers may be another one.
	if at.site.Migrate == nil {
		at.site.Migrate = &site.Migrate{Order: site.MigrateBefore}
	}
	return at, nil
}

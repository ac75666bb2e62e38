package deployer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/site"
)

// migrationAnnotation identifies what a Job runs, so that a ship recognises
// the migration that an earlier, interrupted one has started.
const migrationAnnotation = "sitectl.dev/migration"

// keptJobs is how many finished Jobs of a name stay, with their logs.
const keptJobs = 3

// MigrationError says that the migration did not succeed. Its Job stays.
type MigrationError struct {
	JobError
	Rolled bool // the new release serves already, as the site migrates after its rollout
}

func (e *MigrationError) Error() string { return "migrate: " + e.JobError.Error() }

// Hint says what to do next.
func (e *MigrationError) Hint() string {
	serves := "the site still serves what it served before"
	if e.Rolled {
		serves = "the site serves the new release, without its migration"
	}
	return fmt.Sprintf("%s; the whole log: kubectl -n %s logs job/%s --all-containers", serves, e.Namespace, e.Job)
}

// Migrate runs the migration Job from image and streams its log. An earlier
// migration that is still running is waited for; if it is the very same one,
// started by a ship that was interrupted, its outcome counts, and one that
// has succeeded since then is not run again. Failure is a *MigrationError.
//
// When ctx ends, the Job is left to run: half a migration is worse than one
// that nobody watches.
func (d *Deployer) Migrate(ctx context.Context, image site.Image) error {
	objects, err := d.objects(ctx, image)
	if err != nil {
		return err
	}
	rendered := in(StageMigrate, objects)
	if len(rendered) == 0 {
		return nil
	}
	job := rendered[0]
	identity, err := checksum(job)
	if err != nil {
		return err
	}
	earlier, err := d.migrations(ctx)
	if err != nil {
		return err
	}
	if taken, err := d.takeOver(ctx, earlier, identity); taken || err != nil {
		return err
	}
	job.SetName(jobName(image.Tag, nextAttempt(earlier, image.Tag)))
	job.SetAnnotations(with(job.GetAnnotations(), migrationAnnotation, identity))
	// One that is there already has been made by a request whose answer was lost.
	_, err = d.resources(job).Create(ctx, job.Unstructured, metav1.CreateOptions{FieldManager: fieldManager})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create %s: %w", job, err)
	}
	d.applied(job, Created)
	if err := d.followMigration(ctx, job.GetName()); err != nil {
		return err
	}
	return d.cleanJobs(ctx, "migrate")
}

// followMigration streams the log of a migration Job until it ends.
func (d *Deployer) followMigration(ctx context.Context, job string) error {
	_, err := d.follow(ctx, followed{name: job, limit: "migrate.timeout"})
	if ctx.Err() != nil {
		return fmt.Errorf("migration goes on as Job %s, and the next ship waits for it: %w", job, err)
	}
	if failed := (*JobError)(nil); errors.As(err, &failed) {
		return &MigrationError{JobError: *failed, Rolled: d.site.Migrate != nil && d.site.Migrate.Order == site.MigrateAfter}
	}
	return err
}

// Pending says whether image has a migration that has not run: if not, Migrate
// does nothing.
func (d *Deployer) Pending(ctx context.Context, image site.Image) (bool, error) {
	objects, err := d.objects(ctx, image)
	if err != nil {
		return false, err
	}
	rendered := in(StageMigrate, objects)
	if len(rendered) == 0 {
		return false, nil
	}
	identity, err := checksum(rendered[0])
	if err != nil {
		return false, err
	}
	earlier, err := d.migrations(ctx)
	return err == nil && !alreadyRun(earlier, identity), err
}

// alreadyRun says whether the last of the migrations is the one with this
// identity, and has succeeded.
func alreadyRun(earlier []batchv1.Job, identity string) bool {
	if len(earlier) == 0 {
		return false
	}
	last := earlier[len(earlier)-1]
	condition := finished(&last)
	return condition != nil && condition.Type == batchv1.JobComplete && last.Annotations[migrationAnnotation] == identity
}

// migrations lists the migration Jobs, oldest first.
func (d *Deployer) migrations(ctx context.Context) ([]batchv1.Job, error) {
	return d.jobs(ctx, "migrate")
}

// jobs lists the Jobs that sitectl made under a name, oldest first.
func (d *Deployer) jobs(ctx context.Context, name string) ([]batchv1.Job, error) {
	list, err := d.client.BatchV1().Jobs(d.site.Namespace).List(ctx, metav1.ListOptions{LabelSelector: ownLabels(d.site.Namespace, name)})
	if err != nil {
		return nil, fmt.Errorf("list Jobs: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b batchv1.Job) int {
		if order := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); order != 0 {
			return order
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list.Items, nil
}

// takeOver waits for migrations that still run. It is true if the migration
// with this identity needs no new Job, because it was one of them or was the
// last to succeed.
func (d *Deployer) takeOver(ctx context.Context, earlier []batchv1.Job, identity string) (bool, error) {
	for _, job := range earlier {
		if finished(&job) != nil {
			continue
		}
		same := job.Annotations[migrationAnnotation] == identity
		if same {
			d.progress(fmt.Sprintf("Job %s of an interrupted ship is still running", job.Name))
		} else {
			d.progress(fmt.Sprintf("waiting for Job %s, the migration of another release", job.Name))
		}
		err := d.followMigration(ctx, job.Name)
		if failed := (*MigrationError)(nil); errors.As(err, &failed) && !same {
			err = nil // somebody else's failure
		}
		if same || err != nil {
			return same, err
		}
	}
	if !alreadyRun(earlier, identity) {
		return false, nil
	}
	d.progress(fmt.Sprintf("Job %s has already run", earlier[len(earlier)-1].Name))
	return true, nil
}

// finished returns the condition with which a Job ended, nil if it has not:
//
//	status:
//	  conditions:
//	  - type: Failed # or Complete
//	    status: "True"
//	    reason: DeadlineExceeded # or BackoffLimitExceeded
//	    message: Job was active longer than specified deadline
func finished(job *batchv1.Job) *batchv1.JobCondition {
	for i, condition := range job.Status.Conditions {
		if condition.Status == corev1.ConditionTrue && (condition.Type == batchv1.JobComplete || condition.Type == batchv1.JobFailed) {
			return &job.Status.Conditions[i]
		}
	}
	return nil
}

// nextAttempt counts the attempts at a tag; a name is never used again.
func nextAttempt(earlier []batchv1.Job, tag string) int {
	prefix, next := strings.TrimSuffix(jobName(tag, 1), "1"), 1
	for _, job := range earlier {
		number, err := strconv.Atoi(strings.TrimPrefix(job.Name, prefix))
		if err == nil && strings.HasPrefix(job.Name, prefix) && number >= next {
			next = number + 1
		}
	}
	return next
}

// cleanJobs deletes all but the last few finished Jobs of a name.
func (d *Deployer) cleanJobs(ctx context.Context, name string) error {
	all, err := d.jobs(ctx, name)
	if err != nil {
		return err
	}
	old := slices.DeleteFunc(all, func(job batchv1.Job) bool { return finished(&job) == nil })
	for _, job := range old[:max(0, len(old)-keptJobs)] {
		if err := d.deleteJob(ctx, job.Name); err != nil {
			return err
		}
	}
	return nil
}

func with(annotations map[string]string, key, value string) map[string]string {
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	return annotations
}

package deployer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
)

// pausedAnnotation is on a CronJob while sitectl has it suspended, and holds
// what its spec.suspend was before: "true" or "false". A ship that was killed
// leaves it behind, and with it what the next one needs to know.
//
// Manifests do not set spec.suspend, so that server-side apply neither owns
// it nor takes it back: it is a person's. Both fields are set by a patch, in
// one request.
const pausedAnnotation = "sitectl.dev/suspended-before"

// defaultCronWait is for whoever finishes what a ship has left, with a site
// file that has no migrations any more.
const defaultCronWait = 10 * time.Minute

// settle is how long no Job may run before a pause is believed: the
// controller of CronJobs may be about to create one from a copy that is not
// suspended yet.
const settle = time.Second

// CronError says that Jobs of CronJobs did not end in time.
type CronError struct {
	Namespace string
	Jobs      []string // that still run
	Wait      time.Duration
}

func (e *CronError) Error() string {
	return fmt.Sprintf("pause cron: still running after %s: Job %s", e.Wait, strings.Join(e.Jobs, ", Job "))
}

// Hint says what to do next.
func (e *CronError) Hint() string {
	return fmt.Sprintf("the site still serves what it served before; ship when it has ended, raise migrate.cronWait in the site file, or end it: kubectl -n %s delete job %s",
		e.Namespace, strings.Join(e.Jobs, " "))
}

// PauseCron suspends the site's CronJobs, and returns when none of their Jobs
// runs any more. What each was before is remembered in the cluster, and
// ResumeCron brings it back; the caller sees to that also if PauseCron fails.
// Jobs that do not end in time are a *CronError.
func (d *Deployer) PauseCron(ctx context.Context) error {
	crons, err := d.cronJobs(ctx)
	if err != nil || len(crons) == 0 {
		return err
	}
	for _, cron := range crons {
		if err := d.changeCron(ctx, cron, paused); err != nil {
			return fmt.Errorf("suspend CronJob %s: %w", cron.Name, err)
		}
		d.progress(fmt.Sprintf("CronJob %s suspended", cron.Name))
	}
	return d.awaitCron(ctx, crons)
}

// ResumeCron gives every CronJob that PauseCron has suspended, now or in a
// ship that was killed, the state it had before. One that cannot be resumed
// does not keep the others from it.
func (d *Deployer) ResumeCron(ctx context.Context) error {
	crons, err := d.cronJobs(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, cron := range crons {
		former, found := cron.Annotations[pausedAnnotation]
		if !found {
			continue
		}
		if err := d.changeCron(ctx, cron, resumed); err != nil {
			errs = append(errs, fmt.Errorf("resume CronJob %s: %w", cron.Name, err))
			continue
		}
		word := "resumed"
		if former == "true" {
			word = "stays suspended, as it was before"
		}
		d.progress(fmt.Sprintf("CronJob %s %s", cron.Name, word))
	}
	return errors.Join(errs...)
}

// forgetPause is for an applied CronJob whose manifest says itself whether it
// is suspended, as one of the site's own may: that counts, and not what it was
// before.
func (d *Deployer) forgetPause(ctx context.Context, object Object, live *unstructured.Unstructured) error {
	suspend, found, err := unstructured.NestedBool(object.Object, "spec", "suspend")
	if err != nil || !found || object.GetKind() != "CronJob" {
		return err
	}
	cron := batchv1.CronJob{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, &cron); err != nil {
		return err
	}
	return d.changeCron(ctx, cron, func(*batchv1.CronJob) suspension { return suspension{suspend: suspend} })
}

// cronJobs lists the site's CronJobs: those that sitectl has made or, in patch
// mode, those that the site file names.
func (d *Deployer) cronJobs(ctx context.Context) ([]batchv1.CronJob, error) {
	selector := fmt.Sprintf("app.kubernetes.io/managed-by=%s,app.kubernetes.io/instance=%s", fieldManager, d.site.Namespace)
	if d.patching() {
		selector = ""
	}
	list, err := d.client.BatchV1().CronJobs(d.site.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list CronJobs: %w", err)
	}
	crons := slices.DeleteFunc(list.Items, func(cron batchv1.CronJob) bool {
		return d.patching() && !slices.Contains(d.site.Deploy.CronJobs, cron.Name)
	})
	slices.SortFunc(crons, func(a, b batchv1.CronJob) int { return strings.Compare(a.Name, b.Name) })
	return crons, nil
}

// suspension is what spec.suspend of a CronJob is to be, and what is
// remembered; nil for nothing.
type suspension struct {
	suspend bool
	former  *string
}

// paused suspends a CronJob. One that is paused already is so by a ship that
// was killed, which has remembered the state before.
func paused(cron *batchv1.CronJob) suspension {
	former, found := cron.Annotations[pausedAnnotation]
	if !found {
		former = strconv.FormatBool(suspended(cron))
	}
	return suspension{suspend: true, former: &former}
}

// resumed takes a pause back.
func resumed(cron *batchv1.CronJob) suspension {
	former, found := cron.Annotations[pausedAnnotation]
	if !found {
		return suspension{suspend: suspended(cron)}
	}
	return suspension{suspend: former == "true"}
}

func suspended(cron *batchv1.CronJob) bool { return cron.Spec.Suspend != nil && *cron.Spec.Suspend }

// changeCron patches a CronJob unless it is as it should be, or gone. What it
// should be is decided anew if somebody has changed it meanwhile, as its
// controller does at each start.
func (d *Deployer) changeCron(ctx context.Context, cron batchv1.CronJob, decide func(*batchv1.CronJob) suspension) error {
	crons := d.client.BatchV1().CronJobs(d.site.Namespace)
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		wanted := decide(&cron)
		former, found := cron.Annotations[pausedAnnotation]
		if wanted.suspend == suspended(&cron) && found == (wanted.former != nil) && (!found || former == *wanted.former) {
			return nil
		}
		patch, err := json.Marshal(map[string]any{
			"metadata": map[string]any{
				"resourceVersion": cron.ResourceVersion,
				"annotations":     map[string]any{pausedAnnotation: wanted.former}, // null removes it (RFC 7386)
			},
			"spec": map[string]any{"suspend": wanted.suspend},
		})
		if err != nil {
			return err
		}
		_, err = crons.Patch(ctx, cron.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
		if apierrors.IsConflict(err) {
			fresh, getErr := crons.Get(ctx, cron.Name, metav1.GetOptions{})
			if getErr != nil {
				return getErr
			}
			cron = *fresh
		}
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// awaitCron returns when no Job of these CronJobs runs.
func (d *Deployer) awaitCron(ctx context.Context, crons []batchv1.CronJob) error {
	seen, err := d.observe(ctx, jobs)
	if err != nil {
		return err
	}
	defer seen.close()
	watch := &cronWatch{deployer: d, seen: seen, crons: crons, began: time.Now(), wait: defaultCronWait}
	if m := d.site.Migrate; m != nil && m.CronWait > 0 {
		watch.wait = m.CronWait.Duration()
	}
	return seen.until(watch.look)
}

// cronWatch waits for the Jobs of CronJobs.
type cronWatch struct {
	deployer *Deployer
	seen     *observation
	crons    []batchv1.CronJob
	began    time.Time
	wait     time.Duration
	line     string // last line of progress
}

func (w *cronWatch) look(now time.Time) (bool, error) {
	all, err := w.seen.informers.Batch().V1().Jobs().Lister().Jobs(w.deployer.site.Namespace).List(labels.Everything())
	if err != nil {
		return false, err
	}
	var running []string
	for _, job := range all {
		if w.has(job) && finished(job) == nil {
			running = append(running, job.Name)
		}
	}
	slices.Sort(running)
	if len(running) == 0 {
		return now.Sub(w.began) >= settle, nil
	}
	if now.Sub(w.began) > w.wait {
		return false, &CronError{Namespace: w.deployer.site.Namespace, Jobs: running, Wait: w.wait}
	}
	line := fmt.Sprintf("waiting for Job %s, at most %s", strings.Join(running, ", Job "), w.wait)
	if line != w.line {
		w.line = line
		w.deployer.progress(line)
	}
	return false, nil
}

// has says whether a Job is of one of the CronJobs.
func (w *cronWatch) has(job *batchv1.Job) bool {
	return slices.ContainsFunc(w.crons, func(cron batchv1.CronJob) bool { return metav1.IsControlledBy(job, &cron) })
}

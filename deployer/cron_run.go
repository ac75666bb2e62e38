package deployer

import (
	"context"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
)

// UnknownCronJobError says that the site has no CronJob of that name.
type UnknownCronJobError struct {
	Name  string
	Known []string
}

func (e *UnknownCronJobError) Error() string { return fmt.Sprintf("there is no CronJob %q", e.Name) }

// Hint says what there is.
func (e *UnknownCronJobError) Hint() string {
	if len(e.Known) == 0 {
		return "the site has none that runs"
	}
	return "there is: " + strings.Join(e.Known, ", ")
}

// CronBusyError says that a CronJob cannot be run now.
type CronBusyError struct{ Name, Job string }

func (e *CronBusyError) Error() string {
	if e.Job == "" {
		return fmt.Sprintf("CronJob %s is paused by a ship", e.Name)
	}
	return fmt.Sprintf("CronJob %s runs already, as Job %s, and allows no second one", e.Name, e.Job)
}

// Hint says what to do next.
func (e *CronBusyError) Hint() string {
	if e.Job == "" {
		return "a migration may be under way: wait for the ship (sitectl status); if it was killed, the next one resumes the CronJob"
	}
	return "wait for it, or look at what it does: sitectl logs --of cron -f"
}

// CronJobs lists the site's CronJobs.
func (d *Deployer) CronJobs(ctx context.Context) ([]CronStatus, error) {
	crons, err := d.reachCronJobs(ctx)
	list := make([]CronStatus, len(crons))
	for i, cron := range crons {
		list[i] = cronStatus(cron)
	}
	return list, err
}

func (d *Deployer) reachCronJobs(ctx context.Context) (crons []batchv1.CronJob, err error) {
	err = d.reach(ctx, func(ctx context.Context) (err error) {
		crons, err = d.cronJobs(ctx)
		return err
	})
	return crons, err
}

func (d *Deployer) findCronJob(ctx context.Context, name string) (*batchv1.CronJob, error) {
	crons, err := d.reachCronJobs(ctx)
	if err != nil {
		return nil, err
	}
	unknown := &UnknownCronJobError{Name: name}
	for _, cron := range crons {
		if cron.Name == name {
			return &cron, nil
		}
		unknown.Known = append(unknown.Known, cron.Name)
	}
	return nil, unknown
}

// RunCron runs a CronJob once, now, and writes its output to out. The Job
// belongs to the CronJob, which keeps and deletes it as its others. One that
// runs already and allows no second one is a *CronBusyError, as is one that a
// ship has paused; failure is a *CommandError. When ctx ends, the Job is
// ended.
func (d *Deployer) RunCron(ctx context.Context, name string, out io.Writer) error {
	cron, err := d.findCronJob(ctx, name)
	if err != nil {
		return err
	}
	if _, found := cron.Annotations[pausedAnnotation]; found {
		return &CronBusyError{Name: name}
	}
	if cron.Spec.ConcurrencyPolicy != batchv1.AllowConcurrent {
		jobs, err := d.client.BatchV1().Jobs(d.site.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("list Jobs: %w", err)
		}
		for _, job := range jobs.Items {
			if metav1.IsControlledBy(&job, cron) && finished(&job) == nil {
				return &CronBusyError{Name: name, Job: job.Name}
			}
		}
	}
	return d.runJob(ctx, jobFrom(cron), "the timeout of the CronJob", out)
}

// jobFrom is a Job of a CronJob as kubectl create job --from makes it.
func jobFrom(cron *batchv1.CronJob) *batchv1.Job {
	template := cron.Spec.JobTemplate.DeepCopy()
	annotations := maps.Clone(template.Annotations)
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name:            fmt.Sprintf("%s-run-%s", cron.Name, rand.String(6)),
			Namespace:       cron.Namespace,
			Labels:          template.Labels,
			Annotations:     with(annotations, "cronjob.kubernetes.io/instantiate", "manual"),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(cron, batchv1.SchemeGroupVersion.WithKind("CronJob"))},
		},
		Spec: template.Spec,
	}
}

// SuspendCron suspends a CronJob, or lets it run again. No ship changes that.
// While a ship has it paused, it is what the CronJob will be afterwards.
func (d *Deployer) SuspendCron(ctx context.Context, name string, suspend bool) error {
	cron, err := d.findCronJob(ctx, name)
	if err != nil {
		return err
	}
	verb := "resumed"
	if suspend {
		verb = "suspended"
	}
	word := verb
	err = d.changeCron(ctx, *cron, func(cron *batchv1.CronJob) suspension {
		if _, found := cron.Annotations[pausedAnnotation]; found {
			word = fmt.Sprintf("is paused by a ship, and will be %s after it", verb)
			former := strconv.FormatBool(suspend)
			return suspension{suspend: true, former: &former}
		}
		return suspension{suspend: suspend}
	})
	if err != nil {
		return fmt.Errorf("change CronJob %s: %w", name, err)
	}
	d.progress(fmt.Sprintf("CronJob %s %s", name, word))
	return nil
}

package deployer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/ptr"
)

// jobRun is the name of what a person runs once.
const jobRun = "run"

// runKept is how long the Job of a command that failed stays, or of one that
// nobody watched to its end.
const runKept = 24 * time.Hour

// endTimeout is how long it may take to end a Job when ctx has ended.
const endTimeout = 5 * time.Second

// CommandError says that a command in the cluster did not succeed.
type CommandError struct{ JobError }

func (e *CommandError) Error() string { return "the command did not succeed: " + e.JobError.Error() }

// Hint says what to do next.
func (e *CommandError) Hint() string {
	return fmt.Sprintf("what there is of it: kubectl -n %s describe job %s", e.Namespace, e.Job)
}

// Status is the exit status of the command, 1 if it has none.
func (e *CommandError) Status() int { return max(1, int(e.ExitCode)) }

// NotDeployedError says that nothing of the site runs.
type NotDeployedError struct{ Namespace string }

func (e *NotDeployedError) Error() string {
	return fmt.Sprintf("there is no Deployment web in namespace %s: the site is not deployed", e.Namespace)
}

// Hint says what to do next.
func (e *NotDeployedError) Hint() string { return "ship it first: sitectl ship" }

// Run runs a command once, with the image and the configuration of the web
// pods, and writes its output to out. Its Job goes when the command has
// succeeded, and stays for a day when it has not, which is a *CommandError.
// When ctx ends, the command is ended.
func (d *Deployer) Run(ctx context.Context, command []string, timeout time.Duration, out io.Writer) error {
	web, err := d.web(ctx)
	if err != nil {
		return err
	}
	job, err := oneOff(web, jobRun+"-"+rand.String(6), command, timeout)
	if err != nil {
		return err
	}
	if err := d.runJob(ctx, job, "--timeout", out); err != nil {
		return err
	}
	return d.deleteJob(ctx, job.Name)
}

// web reads the Deployment, as the first request of a command.
func (d *Deployer) web(ctx context.Context) (*appsv1.Deployment, error) {
	var web *appsv1.Deployment
	err := d.reach(ctx, func(ctx context.Context) (err error) {
		web, err = d.client.AppsV1().Deployments(d.site.Namespace).Get(ctx, "web", metav1.GetOptions{})
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil, &NotDeployedError{Namespace: d.site.Namespace}
	}
	if err != nil {
		return nil, fmt.Errorf("read Deployment web: %w", err)
	}
	return web, nil
}

// oneOff is a Job that runs a command in a pod like those of the Deployment,
// but with nothing that serves: its labels are none that a Service selects.
func oneOff(web *appsv1.Deployment, name string, command []string, timeout time.Duration) (*batchv1.Job, error) {
	template := web.Spec.Template.DeepCopy()
	i := webContainer(template.Spec.Containers)
	if i < 0 {
		return nil, errors.New("read Deployment web: it has no containers")
	}
	container := template.Spec.Containers[i]
	container.Name, container.Command, container.Args = jobRun, verbatim(command), nil
	container.Ports, container.Lifecycle = nil, nil
	container.StartupProbe, container.ReadinessProbe, container.LivenessProbe = nil, nil, nil

	labels := map[string]string{
		"app.kubernetes.io/name":       jobRun,
		"app.kubernetes.io/instance":   web.Namespace,
		"app.kubernetes.io/managed-by": fieldManager,
	}
	if release := template.Labels["app.kubernetes.io/version"]; release != "" {
		labels["app.kubernetes.io/version"] = release
	}
	template.Labels = labels
	template.Annotations = with(template.Annotations, "cluster-autoscaler.kubernetes.io/safe-to-evict", "false")
	template.Spec.InitContainers, template.Spec.Containers = nil, []corev1.Container{container}
	template.Spec.Volumes = slices.DeleteFunc(template.Spec.Volumes, func(volume corev1.Volume) bool {
		return !slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume.Name })
	})
	template.Spec.RestartPolicy = corev1.RestartPolicyNever
	template.Spec.TerminationGracePeriodSeconds = ptr.To[int64](10)
	template.Spec.TopologySpreadConstraints = nil
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: web.Namespace, Labels: labels},
		Spec: batchv1.JobSpec{
			BackoffLimit:            ptr.To[int32](0),
			ActiveDeadlineSeconds:   ptr.To(max(1, int64(timeout.Seconds()))),
			TTLSecondsAfterFinished: ptr.To(int32(runKept.Seconds())),
			Template:                *template,
		},
	}, nil
}

// webContainer is the container with the site's code: "web", else the first.
func webContainer(containers []corev1.Container) int {
	i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == "web" })
	if i < 0 && len(containers) > 0 {
		return 0
	}
	return i
}

// runJob creates a Job and writes its output to out until it ends, or ends it
// when ctx does.
func (d *Deployer) runJob(ctx context.Context, job *batchv1.Job, limit string, out io.Writer) error {
	if _, err := d.client.BatchV1().Jobs(job.Namespace).Create(ctx, job, metav1.CreateOptions{FieldManager: fieldManager}); err != nil {
		return fmt.Errorf("create Job %s: %w", job.Name, err)
	}
	d.progress(fmt.Sprintf("Job %s created", job.Name))
	_, err := d.follow(ctx, followed{name: job.Name, limit: limit, show: func(_, line string) { _, _ = io.WriteString(out, line+"\n") }})
	if ctx.Err() != nil {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		if endErr := d.deleteJob(ending, job.Name); endErr != nil {
			return errors.Join(err, endErr)
		}
		return fmt.Errorf("the command was ended, Job %s is deleted: %w", job.Name, err)
	}
	if failed := (*JobError)(nil); errors.As(err, &failed) {
		return &CommandError{*failed}
	}
	return err
}

func (d *Deployer) deleteJob(ctx context.Context, name string) error {
	policy := metav1.DeletePropagationBackground // with the pods
	err := d.client.BatchV1().Jobs(d.site.Namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &policy})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete Job %s: %w", name, err)
	}
	return nil
}

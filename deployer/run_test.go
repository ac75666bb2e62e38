package deployer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/exec"
	"k8s.io/utils/ptr"
)

// backplane is a fake cluster with the Deployment of a site.
type backplane struct {
	*dumps
	out strings.Builder
}

func newBackplane(t *testing.T) *backplane {
	b := &backplane{dumps: &dumps{migration: newMigration(t)}}
	objects, err := Objects(b.site, b.image)
	require.NoError(t, err)
	web := &appsv1.Deployment{}
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(find(t, objects, "Deployment").Object, web))
	b.put(web)
	return b
}

// theJob is the only Job there is.
func (b *backplane) theJob() *batchv1.Job {
	b.t.Helper()
	list, err := b.client.BatchV1().Jobs(b.site.Namespace).List(b.t.Context(), metav1.ListOptions{})
	require.NoError(b.t, err)
	require.Len(b.t, list.Items, 1)
	return &list.Items[0]
}

func (b *backplane) startRun(ctx context.Context, command ...string) *batchv1.Job {
	go func() { b.result <- b.Run(ctx, command, time.Hour, &b.out) }()
	synctest.Wait()
	return b.theJob()
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackplane(t)
		job := b.startRun(t.Context(), "sh", "-c", "echo $HOME")
		pod := job.Spec.Template
		assert.Equal(t, "run", pod.Labels["app.kubernetes.io/name"], "no Service selects it")
		assert.Equal(t, b.image.Tag, pod.Labels["app.kubernetes.io/version"])
		assert.Equal(t, b.image.Reference(), pod.Annotations["sitectl.dev/image"])
		assert.Empty(t, pod.Spec.InitContainers, "no Varnish")
		require.Len(t, pod.Spec.Containers, 1)
		container := pod.Spec.Containers[0]
		assert.Equal(t, []string{"sh", "-c", "echo $$HOME"}, container.Command)
		assert.Equal(t, b.image.Reference(), container.Image)
		assert.Nil(t, container.ReadinessProbe)
		assert.Nil(t, container.Lifecycle)
		assert.Contains(t, container.VolumeMounts, corev1.VolumeMount{Name: "secret-smtp", MountPath: "/secrets/smtp", ReadOnly: true})
		assert.Len(t, pod.Spec.Volumes, len(mountedVolumes(container)), "none that nothing mounts")
		assert.True(t, *container.SecurityContext.ReadOnlyRootFilesystem)
		assert.True(t, *pod.Spec.SecurityContext.RunAsNonRoot)
		assert.Equal(t, int64(3600), *job.Spec.ActiveDeadlineSeconds)

		b.end(job, 0, "")
		require.NoError(t, <-b.result)
		assert.Equal(t, "fake logs\n", b.out.String())
		assert.Equal(t, []string{"delete jobs " + job.Name}, b.requests("delete"))
	})
}

func mountedVolumes(container corev1.Container) map[string]bool {
	names := map[string]bool{}
	for _, mount := range container.VolumeMounts {
		names[mount.Name] = true
	}
	return names
}

func TestRunThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackplane(t)
		b.end(b.startRun(t.Context(), "false"), 7, "")
		var failure *CommandError
		require.ErrorAs(t, <-b.result, &failure)
		assert.Equal(t, 7, failure.Status())
		assert.Contains(t, failure.Error(), "it ends with exit status 7")
		assert.Empty(t, b.requests("delete"), "its Job stays")
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackplane(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		job := b.startRun(ctx, "sleep", "600")
		interrupted := errors.New("interrupted")
		cancel(interrupted)
		err := <-b.result
		require.ErrorIs(t, err, interrupted)
		assert.Equal(t, []string{"delete jobs " + job.Name}, b.requests("delete"))
	})
}

func TestRunNeedsADeployment(t *testing.T) {
	c := newFakeCluster(t, readSite(t, "everything", "production"))
	var missing *NotDeployedError
	require.ErrorAs(t, c.Run(t.Context(), []string{"true"}, time.Hour, &strings.Builder{}), &missing)
}

// runningCron puts a CronJob of the site into the cluster.
func (b *backplane) runningCron(policy batchv1.ConcurrencyPolicy) *batchv1.CronJob {
	cron := cronJob(b.site.Namespace, "hourly", nil)
	cron.Spec.ConcurrencyPolicy = policy
	cron.Spec.JobTemplate.Labels = map[string]string{"app.kubernetes.io/name": "cron"}
	cron.Spec.JobTemplate.Spec.Template.Spec.Containers = []corev1.Container{{Name: "cron", Command: []string{"php"}}}
	b.put(cron)
	return cron
}

func TestRunCron(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackplane(t)
		cron := b.runningCron(batchv1.ForbidConcurrent)
		b.put(completed(jobOf(cron, "hourly-1")))
		go func() { b.result <- b.RunCron(t.Context(), "hourly", &b.out) }()
		synctest.Wait()
		list, err := b.client.BatchV1().Jobs(b.site.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=cron"})
		require.NoError(t, err)
		require.Len(t, list.Items, 1)
		job := &list.Items[0]
		assert.Regexp(t, `^hourly-run-[a-z0-9]{6}$`, job.Name)
		assert.True(t, metav1.IsControlledBy(job, cron), "the CronJob deletes it when it is old")
		assert.Equal(t, "manual", job.Annotations["cronjob.kubernetes.io/instantiate"])
		b.end(job, 0, "")
		require.NoError(t, <-b.result)
		assert.Empty(t, b.requests("delete"))
	})
}

func TestRunCronThatIsBusy(t *testing.T) {
	b := newBackplane(t)
	cron := b.runningCron(batchv1.ForbidConcurrent)
	b.put(jobOf(cron, "hourly-1"))
	var busy *CronBusyError
	require.ErrorAs(t, b.RunCron(t.Context(), "hourly", &b.out), &busy)
	assert.Equal(t, "hourly-1", busy.Job)

	cron.Annotations = map[string]string{pausedAnnotation: "false"}
	b.put(cron)
	require.ErrorAs(t, b.RunCron(t.Context(), "hourly", &b.out), &busy)
	assert.EqualError(t, busy, "CronJob hourly is paused by a ship")

	var unknown *UnknownCronJobError
	require.ErrorAs(t, b.RunCron(t.Context(), "daily", &b.out), &unknown)
	assert.Equal(t, "there is: hourly", unknown.Hint())
	assert.Empty(t, b.requests("create"))
}

func TestSuspendCron(t *testing.T) {
	b := newBackplane(t)
	cron := b.runningCron(batchv1.ForbidConcurrent)
	require.NoError(t, b.SuspendCron(t.Context(), "hourly", true))
	suspend, _ := b.cron("hourly")
	assert.True(t, suspend)
	require.NoError(t, b.SuspendCron(t.Context(), "hourly", false))
	suspend, _ = b.cron("hourly")
	assert.False(t, suspend)

	cron.Annotations, cron.Spec.Suspend = map[string]string{pausedAnnotation: "false"}, ptr.To(true)
	b.put(cron)
	require.NoError(t, b.SuspendCron(t.Context(), "hourly", true))
	assert.Contains(t, b.lines, "CronJob hourly is paused by a ship, and will be suspended after it")
	crons, err := b.CronJobs(t.Context())
	require.NoError(t, err)
	assert.True(t, crons[0].Paused)
	require.NoError(t, b.ResumeCron(t.Context()))
	suspend, former := b.cron("hourly")
	assert.True(t, suspend, "what the person wanted meanwhile")
	assert.Empty(t, former)
}

// webPod is a pod of the Deployment web.
func (b *backplane) webPod(name string, age time.Duration, ready bool) *corev1.Pod {
	condition := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse}
	if ready {
		condition.Status = corev1.ConditionTrue
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: b.site.Namespace,
			CreationTimestamp: metav1.NewTime(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC).Add(-age)),
			Labels: map[string]string{
				"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": b.site.Namespace,
				"app.kubernetes.io/version": "v-" + name,
			},
		},
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Name: "varnish"}},
			Containers:     []corev1.Container{{Name: "web"}},
		},
		Status: corev1.PodStatus{
			Phase:                 corev1.PodRunning,
			Conditions:            []corev1.PodCondition{condition},
			InitContainerStatuses: []corev1.ContainerStatus{{Name: "varnish", State: running}},
			ContainerStatuses:     []corev1.ContainerStatus{{Name: "web", State: running}},
		},
	}
}

func TestExec(t *testing.T) {
	b := newBackplane(t)
	b.put(b.webPod("old", time.Hour, true), b.webPod("new", time.Minute, true), b.webPod("newest", time.Second, false))
	var pod string
	var options *corev1.PodExecOptions
	answer := error(nil)
	b.execute = func(_ context.Context, _, name string, command *corev1.PodExecOptions, _ Streams) error {
		pod, options = name, command
		return answer
	}
	require.NoError(t, b.Exec(t.Context(), "", "", nil, Streams{In: strings.NewReader(""), Out: &b.out, Err: &b.out}))
	assert.Equal(t, "new", pod, "the newest that is ready")
	assert.Equal(t, &corev1.PodExecOptions{Container: "web", Command: shell, Stdin: true, Stdout: true, Stderr: true}, options)

	answer = exec.CodeExitError{Err: errors.New("command terminated with exit code 4"), Code: 4}
	var exit *ExitError
	require.ErrorAs(t, b.Exec(t.Context(), "old", "varnish", []string{"false"}, Streams{}), &exit)
	assert.Equal(t, 4, exit.Status())
	assert.Equal(t, "old", pod)
	assert.Equal(t, "varnish", options.Container)

	require.ErrorContains(t, b.Exec(t.Context(), "nobody", "", nil, Streams{}), `there is no pod "nobody"`)
}

func TestExecWithoutAPod(t *testing.T) {
	b := newBackplane(t)
	b.put(b.webPod("starting", time.Second, false))
	require.ErrorContains(t, b.Exec(t.Context(), "", "", nil, Streams{}), "no web pod is ready")
}

package deployer

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"github.com/sitectl/sitectl/site"
)

// cronJob is a CronJob that sitectl has made.
func cronJob(namespace, name string, suspend *bool) *batchv1.CronJob {
	return &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: namespace, UID: types.UID("CronJob/" + name),
			Labels: map[string]string{
				"app.kubernetes.io/managed-by": "sitectl",
				"app.kubernetes.io/instance":   namespace,
				"app.kubernetes.io/name":       "cron",
			},
		},
		Spec: batchv1.CronJobSpec{Suspend: suspend},
	}
}

// jobOf is a Job that runs for a CronJob.
func jobOf(cron *batchv1.CronJob, name string) *batchv1.Job {
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: cron.Namespace, UID: types.UID("Job/" + name),
		OwnerReferences: controlledBy(cron, batchv1.SchemeGroupVersion.WithKind("CronJob")),
	}}
}

func completed(job *batchv1.Job) *batchv1.Job {
	job = job.DeepCopy()
	job.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
	return job
}

// cron reads a CronJob: whether it is suspended, and what is remembered.
func (c *fakeCluster) cron(name string) (suspend bool, former string) {
	c.t.Helper()
	cron, err := c.client.BatchV1().CronJobs(c.site.Namespace).Get(c.t.Context(), name, metav1.GetOptions{})
	require.NoError(c.t, err)
	return suspended(cron), cron.Annotations[pausedAnnotation]
}

func TestPauseCronWaitsForItsJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := readSite(t, "everything", "production")
		hourly, byHand := cronJob(s.Namespace, "hourly", nil), cronJob(s.Namespace, "by-hand", ptr.To(true))
		job := jobOf(hourly, "hourly-1")
		c := newFakeCluster(t, s, hourly, byHand, job, completed(jobOf(hourly, "hourly-0")),
			jobOf(cronJob(s.Namespace, "somebody-elses", nil), "somebody-elses-1"))
		result := make(chan error, 1)
		go func() { result <- c.PauseCron(t.Context()) }()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.Empty(t, result, "a Job runs")
		suspend, former := c.cron("hourly")
		assert.True(t, suspend)
		assert.Equal(t, "false", former)

		c.put(completed(job))
		require.NoError(t, <-result)
		assert.Equal(t, []string{
			"CronJob by-hand suspended",
			"CronJob hourly suspended",
			"waiting for Job hourly-1, at most 10m0s",
		}, c.lines)

		c.lines = nil
		require.NoError(t, c.ResumeCron(t.Context()))
		suspend, former = c.cron("hourly")
		assert.False(t, suspend)
		assert.Empty(t, former)
		suspend, former = c.cron("by-hand")
		assert.True(t, suspend, "a person has suspended it")
		assert.Empty(t, former)
		assert.Equal(t, []string{"CronJob by-hand stays suspended, as it was before", "CronJob hourly resumed"}, c.lines)
	})
}

func TestPauseCronAfterAShipThatWasKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := readSite(t, "everything", "production")
		hourly := cronJob(s.Namespace, "hourly", ptr.To(true))
		hourly.Annotations = map[string]string{pausedAnnotation: "false"}
		c := newFakeCluster(t, s, hourly)
		require.NoError(t, c.PauseCron(t.Context()))
		suspend, former := c.cron("hourly")
		assert.True(t, suspend)
		assert.Equal(t, "false", former, "what it was before the ship that was killed")
		assert.Empty(t, c.requests("patch"))
		require.NoError(t, c.ResumeCron(t.Context()))
		suspend, _ = c.cron("hourly")
		assert.False(t, suspend)
	})
}

func TestPauseCronGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := readSite(t, "everything", "production")
		s.Migrate.CronWait = site.Duration(2 * time.Minute)
		hourly := cronJob(s.Namespace, "hourly", nil)
		c := newFakeCluster(t, s, hourly, jobOf(hourly, "hourly-1"), jobOf(hourly, "hourly-2"))
		start := time.Now()
		var late *CronError
		require.ErrorAs(t, c.PauseCron(t.Context()), &late)
		assert.InDelta(t, 2*time.Minute, time.Since(start), float64(5*time.Second))
		assert.EqualError(t, late, "pause cron: still running after 2m0s: Job hourly-1, Job hourly-2")
		assert.Contains(t, late.Hint(), "kubectl -n example-com delete job hourly-1 hourly-2")
	})
}

func TestPauseCronWithoutCronJobs(t *testing.T) {
	c := newFakeCluster(t, readSite(t, "everything", "production"))
	require.NoError(t, c.PauseCron(t.Context()))
	assert.Empty(t, c.requests("patch", "watch"))
}

// The controller writes the status of a CronJob at every start: what was
// read is old by then, and must not be written back.
func TestPauseCronIsDecidedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := readSite(t, "everything", "production")
		c := newFakeCluster(t, s, cronJob(s.Namespace, "hourly", nil))
		refused := false
		c.clients.PrependReactor("patch", "cronjobs", func(clienttesting.Action) (bool, runtime.Object, error) {
			if refused {
				return false, nil, nil
			}
			refused = true
			c.put(cronJob(s.Namespace, "hourly", ptr.To(true))) // a person, just now
			return true, nil, apierrors.NewConflict(batchv1.Resource("cronjobs"), "hourly", errors.New("changed"))
		})
		require.NoError(t, c.PauseCron(t.Context()))
		_, former := c.cron("hourly")
		assert.Equal(t, "true", former)
	})
}

func TestResumeCronGoesOnAfterAFailure(t *testing.T) {
	s := readSite(t, "everything", "production")
	first, second := cronJob(s.Namespace, "first", ptr.To(true)), cronJob(s.Namespace, "second", ptr.To(true))
	for _, cron := range []*batchv1.CronJob{first, second} {
		cron.Annotations = map[string]string{pausedAnnotation: "false"}
	}
	c := newFakeCluster(t, s, first, second)
	c.clients.PrependReactor("patch", "cronjobs", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if nameOf(action) == "first" {
			return true, nil, errors.New("no")
		}
		return false, nil, nil
	})
	require.EqualError(t, c.ResumeCron(t.Context()), "resume CronJob first: no")
	suspend, _ := c.cron("second")
	assert.False(t, suspend)
}

func TestCronResumes(t *testing.T) {
	s := readSite(t, "everything", "production")
	newsletter := cronJob(s.Namespace, "newsletter", ptr.To(true))
	newsletter.Annotations = map[string]string{pausedAnnotation: "false"}
	report := cronJob(s.Namespace, "report", ptr.To(true)) // by a person
	c := newFakeCluster(t, s, newsletter, report)
	require.NoError(t, c.Cron(t.Context(), testImage(s)))
	suspend, former := c.cron("newsletter")
	assert.False(t, suspend)
	assert.Empty(t, former)
	suspend, _ = c.cron("report")
	assert.True(t, suspend)
}

// A manifest of the site's own may say whether its CronJob is suspended.
func TestForgetPause(t *testing.T) {
	s := readSite(t, "everything", "production")
	own := cronJob(s.Namespace, "own", ptr.To(true))
	own.Annotations = map[string]string{pausedAnnotation: "false"}
	c := newFakeCluster(t, s, own)
	own.TypeMeta = metav1.TypeMeta{APIVersion: "batch/v1", Kind: "CronJob"}
	object := Object{Stage: StageCron, Unstructured: toUnstructured(t, own)}
	require.NoError(t, c.forgetPause(t.Context(), object, object.Unstructured))
	require.NoError(t, c.ResumeCron(t.Context()))
	suspend, former := c.cron("own")
	assert.True(t, suspend)
	assert.Empty(t, former)
}

package deployer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sitectl/sitectl/site"
)

// migration is a fake cluster on which a migration runs: the test plays the
// part of the Job's controller and of kubelet.
type migration struct {
	*fakeCluster
	image  site.Image
	result chan error
}

func newMigration(t *testing.T) *migration {
	s := readSite(t, "everything", "production")
	return &migration{fakeCluster: newFakeCluster(t, s), image: testImage(s), result: make(chan error, 1)}
}

// start runs Migrate in the bubble of the test.
func (m *migration) start(ctx context.Context) {
	go func() { m.result <- m.Migrate(ctx, m.image) }()
	synctest.Wait()
}

func (m *migration) job(name string) *batchv1.Job {
	m.t.Helper()
	job, err := m.clients.Tracker().Get(batchv1.SchemeGroupVersion.WithResource("jobs"), m.site.Namespace, name)
	require.NoError(m.t, err)
	return job.(*batchv1.Job).DeepCopy()
}

// pod is the Job's pod with the states of its two steps.
func (m *migration) pod(job *batchv1.Job, database, search corev1.ContainerState) {
	m.put(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: job.Name + "-x", Namespace: job.Namespace, UID: types.UID("Pod/" + job.Name),
			OwnerReferences: controlledBy(job, batchv1.SchemeGroupVersion.WithKind("Job")),
		},
		Spec: corev1.PodSpec{
			NodeName:       "node",
			InitContainers: []corev1.Container{{Name: "database"}},
			Containers:     []corev1.Container{{Name: "search"}},
		},
		Status: corev1.PodStatus{
			InitContainerStatuses: []corev1.ContainerStatus{{Name: "database", State: database}},
			ContainerStatuses:     []corev1.ContainerStatus{{Name: "search", State: search}},
		},
	})
	synctest.Wait()
}

func (m *migration) finish(job *batchv1.Job, condition batchv1.JobConditionType, reason string) {
	job.Status.Conditions = []batchv1.JobCondition{{Type: condition, Status: corev1.ConditionTrue, Reason: reason, Message: "says Kubernetes"}}
	m.put(job)
	synctest.Wait()
}

// earlier puts a Job of an earlier ship into the namespace.
func (m *migration) earlier(name string, identity string, conditions ...batchv1.JobCondition) *batchv1.Job {
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: m.site.Namespace, UID: types.UID("Job/" + name),
			CreationTimestamp: metav1.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
			Labels: map[string]string{
				"app.kubernetes.io/managed-by": "sitectl",
				"app.kubernetes.io/instance":   m.site.Namespace,
				"app.kubernetes.io/name":       "migrate",
			},
			Annotations: map[string]string{migrationAnnotation: identity},
		},
		Status: batchv1.JobStatus{Conditions: conditions},
	}
	m.put(job)
	return job
}

// identity is what Migrate would give its Job.
func (m *migration) identity() string {
	objects, err := Objects(m.site, m.image)
	require.NoError(m.t, err)
	identity, err := checksum(in(StageMigrate, objects)[0])
	require.NoError(m.t, err)
	return identity
}

var (
	running = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	waiting = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}
	done    = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}
)

func TestMigrateStreamsItsSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMigration(t)
		m.start(t.Context())
		job := m.job("migrate-a1b2c3d-1")
		assert.Equal(t, m.identity(), job.Annotations[migrationAnnotation])

		m.pod(job, running, waiting)
		m.pod(job, done, running)
		m.pod(job, done, done)
		assert.Empty(t, m.result)
		m.finish(job, batchv1.JobComplete, "CompletionsReached")
		require.NoError(t, <-m.result)
		assert.Contains(t, m.logged.String(), "database | fake logs\n")
		assert.Contains(t, m.logged.String(), "search | fake logs\n")
	})
}

func TestMigrateReportsTheStepThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMigration(t)
		m.start(t.Context())
		job := m.job("migrate-a1b2c3d-1")
		m.pod(job, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Reason: "Error"}}, waiting)
		m.finish(job, batchv1.JobFailed, "BackoffLimitExceeded")

		var failure *MigrationError
		require.ErrorAs(t, <-m.result, &failure)
		assert.Equal(t, "database", failure.Step)
		assert.Equal(t, int32(3), failure.ExitCode)
		assert.Equal(t, "Error", failure.Reason)
		assert.NotEmpty(t, failure.Log)
		assert.EqualError(t, failure, "migrate: step database: it ends with exit status 3 (job migrate-a1b2c3d-1)")
		assert.Contains(t, failure.Hint(), "kubectl -n example-com logs job/migrate-a1b2c3d-1")
		assert.Empty(t, m.requests("delete"), "it is kept")
	})
}

func TestMigrateTriesAgainUnderAnotherName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMigration(t)
		m.earlier("migrate-a1b2c3d-1", m.identity(), batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionTrue})
		m.start(t.Context())
		m.finish(m.job("migrate-a1b2c3d-2"), batchv1.JobComplete, "CompletionsReached")
		require.NoError(t, <-m.result)
	})
}

func TestMigrateReportsThatTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMigration(t)
		m.start(t.Context())
		job := m.job("migrate-a1b2c3d-1")
		m.pod(job, done, running)
		require.NoError(t, m.clients.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), job.Namespace, job.Name+"-x"))
		m.finish(job, batchv1.JobFailed, "DeadlineExceeded")

		var failure *MigrationError
		require.ErrorAs(t, <-m.result, &failure)
		assert.Equal(t, "search", failure.Step)
		assert.Equal(t, "DeadlineExceeded", failure.Reason)
		assert.Contains(t, failure.Error(), "not done within 15m0s")
	})
}

func TestMigrateEndsAJobThatCannotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMigration(t)
		m.start(t.Context())
		job := m.job("migrate-a1b2c3d-1")
		start := time.Now()
		m.pod(job, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "InvalidImageName", Message: "invalid reference format"}}, waiting)
		time.Sleep(time.Second)
		synctest.Wait()

		job = m.job("migrate-a1b2c3d-1")
		assert.Equal(t, int64(1), *job.Spec.ActiveDeadlineSeconds, "the next ship need not wait for it")
		m.finish(job, batchv1.JobFailed, "DeadlineExceeded")
		var failure *MigrationError
		require.ErrorAs(t, <-m.result, &failure)
		assert.Equal(t, "InvalidImageName", failure.Reason)
		assert.Equal(t, "database", failure.Step)
		assert.Less(t, time.Since(start), time.Minute)
	})
}

func TestMigrateLeavesTheJobWhenInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMigration(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		m.start(ctx)
		m.pod(m.job("migrate-a1b2c3d-1"), running, waiting)
		interrupted := errors.New("interrupted")
		cancel(interrupted)
		err := <-m.result
		require.ErrorIs(t, err, interrupted)
		assert.ErrorContains(t, err, "goes on as Job migrate-a1b2c3d-1")
		assert.Empty(t, m.requests("delete"))
	})
}

func TestMigrateTakesOverItsOwnJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMigration(t)
		job := m.earlier("migrate-a1b2c3d-4", m.identity())
		m.start(t.Context())
		assert.Empty(t, m.result)
		m.pod(job, running, waiting)
		m.finish(job, batchv1.JobComplete, "CompletionsReached")
		require.NoError(t, <-m.result)
		assert.Empty(t, m.requests("create"))
	})
}

func TestMigrateWaitsForTheJobOfAnotherRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMigration(t)
		other := m.earlier("migrate-a1b2c3d-4", "another")
		m.start(t.Context())
		assert.Empty(t, m.requests("create"), "one migration at a time")
		m.finish(other, batchv1.JobFailed, "BackoffLimitExceeded")

		job := m.job("migrate-a1b2c3d-5")
		m.finish(job, batchv1.JobComplete, "CompletionsReached")
		require.NoError(t, <-m.result, "what failed was somebody else's")
	})
}

func TestMigrateDoesNotRepeatWhatSucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMigration(t)
		m.earlier("migrate-a1b2c3d-1", m.identity(), batchv1.JobCondition{Type: batchv1.JobComplete, Status: corev1.ConditionTrue})
		m.start(t.Context())
		require.NoError(t, <-m.result)
		assert.Empty(t, m.requests("create"))
		assert.Equal(t, []string{"Job migrate-a1b2c3d-1 has already run"}, m.lines)
	})
}

func TestMigrateWithoutSteps(t *testing.T) {
	s := readSite(t, "plain", "")
	c := newFakeCluster(t, s)
	require.NoError(t, c.Migrate(t.Context(), testImage(s)))
	assert.Empty(t, c.clients.Actions())
}

func TestNextAttempt(t *testing.T) {
	named := func(names ...string) []batchv1.Job {
		var jobs []batchv1.Job
		for _, name := range names {
			jobs = append(jobs, batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}})
		}
		return jobs
	}
	assert.Equal(t, 1, nextAttempt(nil, "abc"))
	assert.Equal(t, 1, nextAttempt(named("migrate-other-7"), "abc"))
	assert.Equal(t, 3, nextAttempt(named("migrate-abc-1", "migrate-abc-2"), "abc"))
	assert.Equal(t, 11, nextAttempt(named("migrate-abc-10", "migrate-abc-9"), "abc"))
	assert.Equal(t, 1, nextAttempt(named("migrate-abc-dirty-1234567-4"), "abc"))
}

func TestOldMigrationsAreCleaned(t *testing.T) {
	m := newMigration(t)
	complete := batchv1.JobCondition{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}
	for _, name := range []string{"migrate-a-1", "migrate-b-1", "migrate-c-1", "migrate-d-1", "migrate-e-1"} {
		m.earlier(name, name, complete)
	}
	m.earlier("migrate-f-1", "running")
	require.NoError(t, m.cleanJobs(t.Context(), "migrate"))
	assert.Equal(t, []string{"delete jobs migrate-a-1", "delete jobs migrate-b-1"}, m.requests("delete"))
}

func TestMigrationErrorSaysWhatServes(t *testing.T) {
	failure := &MigrationError{JobError: JobError{Namespace: "example-com", Job: "migrate-a1b2c3d-1"}}
	assert.Contains(t, failure.Hint(), "still serves what it served before")
	failure.Rolled = true
	assert.Contains(t, failure.Hint(), "serves the new release, without its migration")
}

func TestPending(t *testing.T) {
	m := newMigration(t)
	pending := func() bool {
		pending, err := m.Pending(t.Context(), m.image)
		require.NoError(t, err)
		return pending
	}
	assert.True(t, pending(), "none has run")
	m.earlier("migrate-a1b2c3d-1", m.identity(), batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionTrue})
	assert.True(t, pending(), "it has failed")
	m.earlier("migrate-a1b2c3d-2", m.identity())
	assert.True(t, pending(), "it still runs")
	m.earlier("migrate-a1b2c3d-2", m.identity(), batchv1.JobCondition{Type: batchv1.JobComplete, Status: corev1.ConditionTrue})
	assert.False(t, pending(), "it has succeeded")
	m.earlier("migrate-bbbbbbb-1", "another", batchv1.JobCondition{Type: batchv1.JobComplete, Status: corev1.ConditionTrue})
	assert.True(t, pending(), "another release has migrated since")
	m.site.Migrate = nil
	assert.False(t, pending())
}

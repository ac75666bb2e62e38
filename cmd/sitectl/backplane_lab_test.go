//go:build lab

package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/sitectl/sitectl/deployer"
)

// TestBackplane is what people did by ssh.
func TestBackplane(t *testing.T) {
	t.Parallel()
	s := newLabSite(t, "backplane")
	out := s.sitectl(t, "run", "--", "true")
	assert.Equal(t, int(statusFailed), out.status)
	assert.Contains(t, out.stderr, "not deployed")
	tag := s.ship(t).Image.Tag
	s.page(t, "/")

	t.Run("run", func(t *testing.T) {
		out := s.succeed(t, "run", "--", "sh", "-c", `echo "$(cat /config/release/commit) as $(id -u)"; ls /secrets/database`)
		assert.Equal(t, tag+" as 10001\nhost\nname\npassword\nport\nuser\n", out.stdout)
		assert.Empty(t, s.jobs(t, "run"), "the Job is gone")

		out = s.sitectl(t, "run", "--", "sh", "-c", "echo half way; exit 9")
		assert.Equal(t, 9, out.status)
		assert.Equal(t, "half way\n", out.stdout)
		assert.Contains(t, out.stderr, "exit status 9")
		assert.Len(t, s.jobs(t, "run"), 1, "the Job of a failure stays")
	})
	t.Run("run and Ctrl-C", func(t *testing.T) {
		out := s.interruptCommand(t, "created", "run", "--", "sleep", "600")
		assert.Equal(t, int(statusCancelled), out.status)
		require.NoError(t, wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
			return len(s.jobs(t, "run")) == 1, nil // that which has failed before
		}))
	})
	t.Run("exec", func(t *testing.T) {
		assert.Equal(t, tag, s.succeed(t, "exec", "--", "cat", "/config/release/commit").stdout)
		out := s.sitectl(t, "exec", "--pod", "mysql-0", "--", "sh", "-c", "echo told >&2; exit 3")
		assert.Equal(t, 3, out.status)
		assert.Contains(t, out.stderr, "told\n")
		out = s.sitectl(t, "exec", "--pod", "nobody", "--", "true")
		assert.Equal(t, int(statusFailed), out.status)
		assert.Contains(t, out.stderr, `no pod "nobody"`)
	})
	t.Run("logs", func(t *testing.T) {
		s.page(t, "/?looked-for-in-the-log")
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			assert.Regexp(c, `(?m)^web-\S+ \| .*looked-for-in-the-log`, s.succeed(t, "logs", "--since", "5m", "--release", tag).stdout)
		}, time.Minute, time.Second)
		assert.Regexp(t, `(?m)^migrate-\S+/database \| applied 001|^migrate-\S+ \| applied 001`, s.succeed(t, "logs", "--of", "migrate").stdout)
		assert.Contains(t, s.sitectl(t, "logs", "--release", "nothing").stderr, "no pod of web of release nothing")
	})
	t.Run("cron", func(t *testing.T) {
		s.succeed(t, "cron", "suspend", "sweep")
		var crons []deployer.CronStatus
		s.decode(t, &crons, "cron", "list", "--output", "json")
		require.Len(t, crons, 1)
		assert.True(t, crons[0].Suspended)
		s.idleCron(t)
		s.succeed(t, "cron", "run", "sweep")
		busy := s.busyCron(t)
		out := s.sitectl(t, "cron", "run", "sweep")
		assert.Equal(t, int(statusFailed), out.status)
		assert.Contains(t, out.stderr, "runs already, as Job "+busy)
		s.succeed(t, "cron", "resume", "sweep")
		s.runsCron(t)
	})
}

// jobs lists the Jobs of a name that are not going.
func (s *labSite) jobs(t *testing.T, name string) []batchv1.Job {
	t.Helper()
	list, err := s.cluster.BatchV1().Jobs(s.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + name})
	require.NoError(t, err)
	return list.Items
}

// idleCron waits for the Jobs that the schedule of the CronJob has started
// before it was suspended, as no two may run at once.
func (s *labSite) idleCron(t *testing.T) {
	t.Helper()
	require.NoError(t, wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
		cron, err := s.cluster.BatchV1().CronJobs(s.namespace).Get(ctx, "sweep", metav1.GetOptions{})
		return err == nil && len(cron.Status.Active) == 0, err
	}))
}

// busyCron starts a Job of the CronJob that takes its time.
func (s *labSite) busyCron(t *testing.T) string {
	t.Helper()
	cron, err := s.cluster.BatchV1().CronJobs(s.namespace).Get(t.Context(), "sweep", metav1.GetOptions{})
	require.NoError(t, err)
	spec := cron.Spec.JobTemplate.Spec
	spec.Template.Spec.Containers[0].Command = []string{"sleep", "45"}
	job, err := s.cluster.BatchV1().Jobs(s.namespace).Create(t.Context(), &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name:            "busy",
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(cron, batchv1.SchemeGroupVersion.WithKind("CronJob"))},
		},
		Spec: spec,
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	return job.Name
}

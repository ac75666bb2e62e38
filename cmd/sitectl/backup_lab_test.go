//go:build lab

package main

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sitectl/sitectl/deployer"
)

// TestBackup: the first ship has nothing to back up, the next one has, and
// what it dumped can be put back. A backup that fails stops the ship.
func TestBackup(t *testing.T) {
	t.Parallel()
	s := newLabSite(t, "backup")
	s.edit(t, func(file map[string]any) {
		file["migrate"].(map[string]any)["backup"] = map[string]any{"size": "1Gi", "keep": 1}
	})
	s.commit(t, "back up before each migration")
	first := s.succeed(t, "ship")
	assert.Contains(t, first.stderr, "the database is empty")
	shipped := s.git(t, "rev-parse", "--short", "HEAD")
	entry := s.leave(t, "before the backup")

	next := s.commit(t, "the next release")
	s.ship(t)
	var backups []deployer.Backup
	s.decode(t, &backups, "backup", "--list", "--output", "json")
	require.Len(t, backups, 1)
	assert.Equal(t, shipped, backups[0].Release)
	assert.Positive(t, backups[0].Bytes)
	assert.Equal(t, backups[0].Name+"\n", s.succeed(t, "__complete", "bash", "restore-db", "").stdout)

	later := s.leave(t, "after the backup")
	assert.Contains(t, s.page(t, later), "after the backup")
	out := s.sitectl(t, "restore-db", backups[0].Name, "--confirm", "wrong")
	assert.Equal(t, int(statusUsage), out.status)
	s.succeed(t, "restore-db", backups[0].Name, "--confirm", s.address)
	s.serves(t, next, entry, "before the backup")
	response, body := s.request(t, http.MethodGet, later, nil)
	assert.Equal(t, http.StatusNotFound, response.StatusCode, body)
	s.runsCron(t)
	s.decode(t, &backups, "backup", "--list", "--output", "json")
	assert.Len(t, backups, 2, "what was there before it was restored is not lost")
	assert.Equal(t, next, backups[0].Release)

	out = s.sitectl(t, "rollback")
	assert.Equal(t, int(statusUsage), out.status)
	assert.Contains(t, out.stderr, "rollback --restore-db 1")
	s.leave(t, "before the rollback")
	s.succeed(t, "rollback", "--restore-db", "--confirm", s.address)
	s.serves(t, shipped, entry, "before the backup")
	assert.NotContains(t, s.page(t, "/"), "before the rollback")
	s.runsCron(t)
	assert.NotContains(t, s.succeed(t, "ship").stderr, "already run", "the migration was taken back with the database")
	s.serves(t, next, entry, "before the backup")

	s.signalCommand(t, syscall.SIGKILL, "Job restore-", "rollback", "--restore-db", "--confirm", s.address, "--progress", "plain", shipped)
	s.breakRestore(t, "restore-broken")
	assert.Contains(t, s.succeed(t, "recover").stderr, "; doing it again")
	s.serves(t, shipped, entry, "before the backup")
	s.runsCron(t)

	s.ship(t)
	s.decode(t, &backups, "backup", "--list", "--output", "json")
	s.signalCommand(t, syscall.SIGKILL, "Job restore-", "restore-db", "--confirm", s.address, "--progress", "plain", backups[0].Name)
	s.breakRestore(t, "restore-broken-again")
	out = s.sitectl(t, "ship", "--lock-wait", "2m")
	assert.Equal(t, int(statusFailed), out.status)
	assert.Contains(t, out.stderr, "Job restore-broken-again has failed")
	assert.Contains(t, out.stderr, "sitectl restore-db BACKUP")
	s.succeed(t, "restore-db", "--confirm", s.address, backups[0].Name)
	out = s.succeed(t, "ship")
	assert.NotContains(t, out.stderr, "already running")
	assert.NotContains(t, out.stderr, "already run", "the database may be older than the code")
	s.serves(t, next, entry, "before the backup")
	s.runsCron(t)

	s.edit(t, func(file map[string]any) {
		file["migrate"].(map[string]any)["backup"].(map[string]any)["timeout"] = "1s"
	})
	s.commit(t, "a backup that takes too long")
	out = s.sitectl(t, "ship")
	assert.Equal(t, int(statusMigration), out.status)
	assert.Contains(t, out.stderr, "migrate.backup.timeout")
	s.serves(t, next, entry, "before the backup")
	s.runsCron(t)
}

// breakRestore leaves behind a Job that was to put the database back to the
// same dump as the last one, and has failed.
func (s *labSite) breakRestore(t *testing.T, name string) {
	t.Helper()
	jobs := s.cluster.BatchV1().Jobs(s.namespace)
	ended := func(c *assert.CollectT) (last batchv1.Job) {
		list, err := jobs.List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=restore"})
		require.NoError(c, err)
		require.NotEmpty(c, list.Items)
		for _, job := range list.Items {
			assert.Equal(c, int32(1), job.Status.Succeeded+job.Status.Failed, job.Name)
			if job.CreationTimestamp.After(last.CreationTimestamp.Time) {
				last = job
			}
		}
		return last
	}
	var last batchv1.Job
	require.EventuallyWithT(t, func(c *assert.CollectT) { last = ended(c) }, time.Minute, 200*time.Millisecond)
	pod := last.Spec.Template.Spec
	pod.Containers[0].Command[2] = "exit 1"
	_, err := jobs.Create(t.Context(), &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: last.Labels},
		Spec: batchv1.JobSpec{
			BackoffLimit: ptr.To[int32](0),
			Template:     corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: last.Labels}, Spec: pod},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.EventuallyWithT(t, func(c *assert.CollectT) { ended(c) }, time.Minute, 200*time.Millisecond)
}

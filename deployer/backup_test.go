package deployer

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sitectl/sitectl/site"
)

// dumps is a fake cluster in which release a1b2c3d runs, with a volume on
// which there are dumps. The time in it begins with the year 2000.
type dumps struct {
	*migration
	made chan *Backup
}

func newDumps(t *testing.T, list string) *dumps {
	d := &dumps{migration: newMigration(t), made: make(chan *Backup, 1)}
	release, err := json.Marshal(Release{Commit: site.Commit{Tag: "a1b2c3d"}})
	require.NoError(t, err)
	d.put(
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{
			Name: "web", Namespace: d.site.Namespace, Annotations: map[string]string{releaseAnnotation: string(release)},
		}},
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
			Name: "backup", Namespace: d.site.Namespace, Annotations: map[string]string{backupsAnnotation: list},
		}})
	return d
}

func (d *dumps) startBackup(ctx context.Context) {
	go func() {
		backup, err := d.Backup(ctx)
		d.made <- backup
		d.result <- err
	}()
	synctest.Wait()
}

// end ends a Job: its pod has left a list of the dumps.
func (d *dumps) end(job *batchv1.Job, exitCode int32, list string) {
	name := job.Spec.Template.Spec.Containers[0].Name
	job.UID = types.UID("Job/" + job.Name)
	d.put(job)
	d.put(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: job.Name + "-x", Namespace: job.Namespace, UID: types.UID("Pod/" + job.Name),
			OwnerReferences: controlledBy(job, batchv1.SchemeGroupVersion.WithKind("Job")),
		},
		Spec: corev1.PodSpec{NodeName: "node", Containers: []corev1.Container{{Name: name}}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name:  name,
			State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: exitCode, Message: list}},
		}}},
	})
	synctest.Wait()
	if exitCode == 0 {
		d.finish(job, batchv1.JobComplete, "CompletionsReached")
	} else {
		d.finish(job, batchv1.JobFailed, "BackoffLimitExceeded")
	}
}

// arguments are those of the script.
func arguments(job *batchv1.Job) []string { return job.Spec.Template.Spec.Containers[0].Command[3:] }

const (
	oldDump = "9000000 19991231-000000-0000000.sql.gz\n"
	newDump = "4000000 20000101-000000-a1b2c3d.sql.gz\n"
)

func TestBackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDumps(t, oldDump)
		d.startBackup(t.Context())
		job := d.job("backup-20000101-000000")
		assert.Equal(t, []string{"backup", "20000101-000000-a1b2c3d", "4"}, arguments(job))
		d.end(job, 0, oldDump+newDump)

		made := &Backup{Name: "20000101-000000-a1b2c3d", At: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), Release: "a1b2c3d", Bytes: 4000000}
		assert.Equal(t, made, <-d.made)
		require.NoError(t, <-d.result)
		assert.Equal(t, []string{
			"Job backup-20000101-000000 created",
			"backup 20000101-000000-a1b2c3d is complete: 4.0 MB",
			"warning: it is less than half of the one before, 19991231-000000-0000000 (9.0 MB)",
		}, d.lines)
		list, err := d.Backups(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 2)
		assert.Equal(t, *made, list[0], "the latest first")
	})
}

func TestBackupOfAnEmptyDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDumps(t, "")
		d.put(&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: d.site.Namespace}})
		d.startBackup(t.Context())
		job := d.job("backup-20000101-000000")
		assert.Equal(t, "20000101-000000", arguments(job)[1], "of no release")
		d.end(job, 0, "")
		assert.Nil(t, <-d.made)
		require.NoError(t, <-d.result)
		assert.Contains(t, d.lines, "the database is empty: there is nothing to back up")
	})
}

func TestBackupThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDumps(t, oldDump)
		d.startBackup(t.Context())
		d.end(d.job("backup-20000101-000000"), 2, "")
		assert.Nil(t, <-d.made)
		var failure *BackupError
		require.ErrorAs(t, <-d.result, &failure)
		assert.EqualError(t, failure, "backup: step backup: it ends with exit status 2 (job backup-20000101-000000)")
		assert.Contains(t, failure.Hint(), "still serves what it served before")
		list, err := d.Backups(t.Context())
		require.NoError(t, err)
		assert.Len(t, list, 1, "what there was is not forgotten")
	})
}

func TestBackupTakesOverAnInterruptedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDumps(t, oldDump)
		d.startBackup(t.Context())
		job := d.job("backup-20000101-000000")
		job.CreationTimestamp = metav1.Now()
		d.put(job)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d.startBackup(ctx)
		assert.Nil(t, <-d.made)
		require.ErrorContains(t, <-d.result, "it goes on as Job backup-20000101-000000")
		d.end(job, 0, oldDump+newDump)
		assert.NotNil(t, <-d.made)
		require.NoError(t, <-d.result)
		assert.Len(t, d.requests("create"), 1)
	})
}

func TestBackupAfterAFailedMigrationDeletesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDumps(t, oldDump)
		d.earlier("migrate-b-1", "another", batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionTrue})
		d.startBackup(t.Context())
		job := d.job("backup-20000101-000000")
		assert.Equal(t, "0", arguments(job)[2])
		d.end(job, 0, oldDump+newDump)
		assert.NotNil(t, <-d.made)
		require.NoError(t, <-d.result)
	})
}

func TestRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDumps(t, oldDump)
		d.earlier("migrate-a1b2c3d-1", d.identity(), batchv1.JobCondition{Type: batchv1.JobComplete, Status: corev1.ConditionTrue})
		go func() { d.result <- d.Restore(t.Context(), "19991231-000000-0000000") }()
		synctest.Wait()
		before := d.job("backup-20000101-000000")
		assert.Equal(t, "0", arguments(before)[2], "the one to restore must not make room for it")
		d.end(before, 0, oldDump+newDump)
		job := d.job("restore-20000101-000000")
		assert.Equal(t, []string{"restore", "19991231-000000-0000000"}, arguments(job))
		d.end(job, 1, "")
		var failure *BackupError
		require.ErrorAs(t, <-d.result, &failure)
		assert.ErrorContains(t, failure, "restore 19991231-000000-0000000: step restore: it ends with exit status 1")
		assert.Contains(t, failure.Hint(), "may be incomplete")
		pending, err := d.Pending(t.Context(), d.image)
		require.NoError(t, err)
		assert.True(t, pending, "the database may be as it was before the migration")
		var half *HalfRestoredError
		require.ErrorAs(t, d.AwaitRestore(t.Context()), &half)
		assert.Equal(t, HalfRestoredError{Namespace: d.site.Namespace, Job: job.Name, Dump: "19991231-000000-0000000"}, *half)
	})
}

func TestBackupWaitsForARestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDumps(t, oldDump)
		go func() { d.result <- d.Restore(t.Context(), "19991231-000000-0000000") }()
		synctest.Wait()
		d.end(d.job("backup-20000101-000000"), 0, oldDump+newDump)
		restore := d.job("restore-20000101-000000")
		time.Sleep(time.Minute)
		d.startBackup(t.Context())
		assert.Equal(t, []string{"create jobs backup-20000101-000000", "create jobs restore-20000101-000000"}, d.requests("create"))
		d.end(restore, 0, oldDump+newDump)
		require.NoError(t, <-d.result, "the restore")
		d.end(d.job("backup-20000101-000100"), 0, oldDump+newDump+"5000000 20000101-000100-a1b2c3d.sql.gz")
		assert.NotNil(t, <-d.made)
		require.NoError(t, <-d.result)
	})
}

func TestRestoreOfAnUnknownBackup(t *testing.T) {
	d := newDumps(t, oldDump+newDump)
	var unknown *UnknownBackupError
	require.ErrorAs(t, d.Restore(t.Context(), "../../etc/passwd"), &unknown)
	assert.Equal(t, "there is: 20000101-000000-a1b2c3d, 19991231-000000-0000000", unknown.Hint())
	assert.Empty(t, d.requests("create"))
}

func TestBackupNotAskedFor(t *testing.T) {
	s := readSite(t, "everything", "production")
	s.Migrate.Backup = nil
	c := newFakeCluster(t, s)
	_, err := c.Backup(t.Context())
	require.ErrorIs(t, err, errNoBackup)
	assert.Empty(t, c.clients.Actions())
}

func TestParseBackups(t *testing.T) {
	assert.Empty(t, parseBackups(""))
	list := parseBackups("not a line\n12 20260102-030405.sql.gz\n13 20260102-030406-v1.0_x-dirty-1.sql.gz\nx 20260102-030407.sql.gz\n14 20269902-030407.sql.gz\n")
	assert.Equal(t, []Backup{
		{Name: "20260102-030406-v1.0_x-dirty-1", At: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC), Release: "v1.0_x-dirty-1", Bytes: 13},
		{Name: "20260102-030405", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Bytes: 12},
	}, list)
	assert.Equal(t, "0.0 kB", list[0].Size())
}

func TestBackupJobGolden(t *testing.T) {
	for name, s := range map[string]site.Site{
		"backup":          readSite(t, "everything", "production"),
		"backup-external": readSite(t, "shop", ""),
	} {
		job, err := backupJobObject(s, "backup-20260102-030405", jobBackup, "20260102-030405-a1b2c3d", "4")
		require.NoError(t, err)
		manifest, err := Manifests([]Object{job})
		require.NoError(t, err)
		golden(t, filepath.Join("kubernetes", name+".yaml"), manifest)
	}
}

func TestBackupJobOfABucketGolden(t *testing.T) {
	job, err := backupJobObject(readSite(t, "database", ""), "restore-20260102-030405", jobRestore, "20260102-030405-a1b2c3d")
	require.NoError(t, err)
	manifest, err := Manifests([]Object{job})
	require.NoError(t, err)
	golden(t, filepath.Join("kubernetes", "backup-s3.yaml"), manifest)
}

// The list of dumps in a bucket is on the ConfigMap that says which it is.
func TestBackupToABucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDumps(t, "")
		d.site.Migrate.Backup.S3 = &site.BackupS3{Bucket: "backups"}
		d.put(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Name: "backup", Namespace: d.site.Namespace, Annotations: map[string]string{backupsAnnotation: oldDump},
		}})
		d.startBackup(t.Context())
		d.end(d.job("backup-20000101-000000"), 0, oldDump+newDump)
		assert.Equal(t, "20000101-000000-a1b2c3d", (<-d.made).Name)
		require.NoError(t, <-d.result)
		list, err := d.Backups(t.Context())
		require.NoError(t, err)
		assert.Len(t, list, 2)

		time.Sleep(time.Minute)
		d.startBackup(t.Context())
		d.end(d.job("backup-20000101-000100"), 1, "")
		assert.Nil(t, <-d.made)
		var failure *BackupError
		require.ErrorAs(t, <-d.result, &failure)
		assert.Contains(t, failure.Hint(), "delete in the bucket backups")
	})
}

func TestBackupFor(t *testing.T) {
	d := newDumps(t, "1 20260101-000000-a1b2c3d.sql.gz\n2 20260102-000000-a1b2c3d.sql.gz\n3 20260103-000000-a1b2c3d.sql.gz\n4 20260104-000000-bbbbbbb.sql.gz\n")
	migrated := func(day int) Release { return Release{At: time.Date(2026, 1, day, 12, 0, 0, 0, time.UTC)} }
	way := Way{To: Release{Commit: site.Commit{Tag: "a1b2c3d"}}, Across: []Release{migrated(4), migrated(2)}}
	backup, err := d.BackupFor(t.Context(), way)
	require.NoError(t, err)
	assert.Equal(t, "20260102-000000-a1b2c3d", backup.Name, "that of the 3rd is of a database that may be half migrated")

	way.Across = []Release{{At: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}}
	_, err = d.BackupFor(t.Context(), way)
	var unknown *UnknownBackupError
	require.ErrorAs(t, err, &unknown)
}

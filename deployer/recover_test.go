package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/site"
)

// killed is a site of which one release was shipped, and the next one was not
// shipped to its end.
type killed struct {
	*fakeCluster
	first site.Image
	next  site.Image
	begun Release
}

func newKilled(t *testing.T) *killed {
	t.Helper()
	s := readSite(t, "everything", "production")
	k := &killed{fakeCluster: newFakeCluster(t, s), first: testImage(s), next: testImage(s)}
	k.opts.By = "grace@ship"
	k.next.Tag, k.next.Digest, k.next.Commit.Tag = "2b3c4d5", "sha256:next", "2b3c4d5"
	k.begin(k.first)
	k.apply(StageWeb, k.first)
	k.apply(StageCron, k.first)
	_, err := k.Record(t.Context(), k.begun)
	require.NoError(t, err)
	return k
}

func (k *killed) begin(image site.Image) {
	k.t.Helper()
	var err error
	k.begun, err = k.Begin(k.t.Context(), image)
	require.NoError(k.t, err)
}

func (k *killed) apply(stage Stage, image site.Image) {
	k.t.Helper()
	objects, err := k.objects(k.t.Context(), image)
	require.NoError(k.t, err)
	require.NoError(k.t, k.applyAll(k.t.Context(), in(stage, objects)))
}

// pause is PauseCron without its waiting.
func (k *killed) pause() {
	k.t.Helper()
	crons, err := k.cronJobs(k.t.Context())
	require.NoError(k.t, err)
	for _, cron := range crons {
		require.NoError(k.t, k.changeCron(k.t.Context(), cron, paused))
	}
}

// migrate is the migration Job of the next release, as far as it has come.
func (k *killed) migrate(conditions ...batchv1.JobCondition) {
	k.t.Helper()
	var err error
	k.begun, err = k.Migrating(k.t.Context(), k.begun)
	require.NoError(k.t, err)
	objects, err := k.objects(k.t.Context(), k.next)
	require.NoError(k.t, err)
	job := in(StageMigrate, objects)[0]
	identity, err := checksum(job)
	require.NoError(k.t, err)
	job.SetAnnotations(with(job.GetAnnotations(), migrationAnnotation, identity))
	typed := k.typed(job.Unstructured).(*batchv1.Job)
	typed.Status.Conditions = conditions
	k.put(typed)
}

// goBack begins to go back to the first release, with its database.
func (k *killed) goBack() {
	k.t.Helper()
	at, err := k.At(k.t.Context(), k.begun)
	require.NoError(k.t, err)
	k.begun, err = at.Begin(k.t.Context(), k.first)
	require.NoError(k.t, err)
	k.begun, err = k.Migrating(k.t.Context(), k.begun)
	require.NoError(k.t, err)
}

// restore is the Job that puts the database back, as far as it has come.
func (k *killed) restore(conditions ...batchv1.JobCondition) {
	k.put(&batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "restore", Namespace: k.site.Namespace, Labels: map[string]string{
			"app.kubernetes.io/managed-by": fieldManager, "app.kubernetes.io/instance": k.site.Namespace, "app.kubernetes.io/name": jobRestore,
		}},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Command: []string{"bash", "-c", "script", "restore", "20000101-000000-1a2b3c4"}}},
		}}},
		Status: batchv1.JobStatus{Conditions: conditions},
	})
}

func (k *killed) left() Leftover {
	k.t.Helper()
	left, err := k.Leftover(k.t.Context())
	require.NoError(k.t, err)
	return left
}

var (
	jobComplete = batchv1.JobCondition{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}
	jobFailed   = batchv1.JobCondition{Type: batchv1.JobFailed, Status: corev1.ConditionTrue}
)

// TestKilledAnywhere stops a ship after each of its steps and asks what has
// to become of the release.
func TestKilledAnywhere(t *testing.T) {
	for name, test := range map[string]struct {
		ship   func(k *killed)
		says   string // empty if there is nothing to recover
		finish bool   // the release, rather than take it back
	}{
		"not begun": {ship: func(*killed) {}},
		"begun": {
			ship: func(k *killed) { k.begin(k.next) },
			says: "release 2 (2b3c4d5) was begun by grace@ship",
		},
		"cron paused": {
			ship: func(k *killed) { k.begin(k.next); k.pause() },
			says: "suspended: CronJob newsletter, report",
		},
		"about to migrate": {
			ship: func(k *killed) {
				k.begin(k.next)
				var err error
				k.begun, err = k.Migrating(t.Context(), k.begun)
				require.NoError(t, err)
			},
			says: "was begun",
		},
		"migrating": {
			ship: func(k *killed) { k.begin(k.next); k.pause(); k.migrate() },
			says: "still running: Job migrate-2b3c4d5-1",
		},
		"a migration that fails": {
			ship: func(k *killed) { k.begin(k.next); k.migrate(jobFailed) },
			says: "was begun",
		},
		"migrated": {
			ship:   func(k *killed) { k.begin(k.next); k.migrate(jobComplete) },
			says:   "was begun",
			finish: true,
		},
		"migrated, reversibly": {
			ship: func(k *killed) {
				k.site.Migrate.Reversible = true
				k.begin(k.next)
				k.migrate(jobComplete)
			},
			says: "was begun",
		},
		"migrated, and overtaken": {
			ship: func(k *killed) {
				k.begin(k.next)
				k.migrate(jobComplete)
				k.begin(k.first)
				_, err := k.Record(t.Context(), k.begun)
				require.NoError(t, err)
			},
			says: "release 2 (2b3c4d5) was begun",
		},
		"going back, and restoring": {
			ship: func(k *killed) { k.goBack(); k.restore() },
			says: "the database is not put back yet: Job restore",
		},
		"going back, restored": {
			ship:   func(k *killed) { k.goBack(); k.restore(jobComplete) },
			says:   "was begun",
			finish: true,
		},
		"going back, before the database": {
			ship: func(k *killed) { k.goBack() },
			says: "was begun",
		},
		"rolling": {
			ship:   func(k *killed) { k.begin(k.next); k.apply(StageWeb, k.next) },
			says:   "release 2 (2b3c4d5) runs, in part at least",
			finish: true,
		},
		"one CronJob": {
			ship: func(k *killed) {
				k.begin(k.next)
				objects, err := k.objects(t.Context(), k.next)
				require.NoError(t, err)
				require.NoError(t, k.applyAll(t.Context(), in(StageCron, objects)[:1]))
			},
			says:   "runs, in part at least",
			finish: true,
		},
		"not recorded": {
			ship: func(k *killed) {
				k.begin(k.next)
				k.apply(StageWeb, k.next)
				k.apply(StageCron, k.next)
			},
			says:   "runs, in part at least",
			finish: true,
		},
		"stopped while rolling": {
			ship: func(k *killed) {
				k.begin(k.next)
				k.apply(StageWeb, k.next)
				_, err := k.End(t.Context(), k.begun, Cancelled, "cancelled by interrupt")
				require.NoError(t, err)
			},
			says:   "runs, in part at least",
			finish: true,
		},
		"stopped before": {
			ship: func(k *killed) {
				k.begin(k.next)
				_, err := k.End(t.Context(), k.begun, Cancelled, "cancelled by interrupt")
				require.NoError(t, err)
			},
		},
		"a release that was put back": {
			ship: func(k *killed) {
				k.begin(k.next)
				k.apply(StageWeb, k.next)
				k.apply(StageWeb, k.first)
				_, err := k.End(t.Context(), k.begun, Restored, "crash loop")
				require.NoError(t, err)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKilled(t)
			test.ship(k)
			left := k.left()
			assert.Equal(t, test.says == "", left.Nothing())
			assert.Contains(t, left.String(), test.says)

			left.Migrating = nil
			finish, err := k.ToFinish(t.Context(), left)
			require.NoError(t, err)
			require.Equal(t, test.finish, finish != nil)
			keep := 0
			if finish != nil {
				assert.Equal(t, 2, finish.Number)
				keep = 2
			}
			require.NoError(t, k.Settle(t.Context(), left, keep))
			after := k.left()
			assert.Empty(t, after.Suspended)
			if finish == nil {
				assert.Empty(t, after.Begun)
				_, running, err := k.Current(t.Context(), k.first)
				require.NoError(t, err)
				assert.Equal(t, k.available(), running, "and it is what the next ship of it finds")
			}
		})
	}
}

// available says what Current would, as the fake cluster has no controllers.
func (k *killed) available() bool {
	web, err := k.client.AppsV1().Deployments(k.site.Namespace).Get(k.t.Context(), "web", metav1.GetOptions{})
	require.NoError(k.t, err)
	return available(web)
}

// A CronJob is not resumed while a migration runs.
func TestSettleLeavesCronToARunningMigration(t *testing.T) {
	k := newKilled(t)
	k.begin(k.next)
	k.pause()
	k.migrate()
	require.NoError(t, k.Settle(t.Context(), k.left(), 0))
	assert.Equal(t, []string{"newsletter", "report"}, k.left().Suspended)
}

func TestSettleLetsAPausedDeploymentGoOn(t *testing.T) {
	k := newKilled(t)
	web, err := k.client.AppsV1().Deployments(k.site.Namespace).Patch(t.Context(), "web", types.MergePatchType,
		[]byte(`{"spec":{"paused":true}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.True(t, web.Spec.Paused)
	left := k.left()
	assert.Equal(t, "paused: Deployment web", left.String())
	require.NoError(t, k.Settle(t.Context(), left, 0))
	assert.True(t, k.left().Nothing())
}

// A ship that is killed between its last two requests has shipped.
func TestSettleRecordsWhatWasShipped(t *testing.T) {
	k := newKilled(t)
	k.begin(k.next)
	k.apply(StageWeb, k.next)
	k.apply(StageCron, k.next)
	_, err := k.End(t.Context(), k.begun, Shipped, "")
	require.NoError(t, err)
	left := k.left()
	assert.Equal(t, "the record of release 2 (2b3c4d5) is not on the Deployment", left.String())
	require.NoError(t, k.Settle(t.Context(), left, 0))
	assert.True(t, k.left().Nothing())
	release, _, err := k.Current(t.Context(), k.next)
	require.NoError(t, err)
	assert.Equal(t, 2, release.Number)
}

func TestResumeTakesTheWholeRelease(t *testing.T) {
	k := newKilled(t)
	k.begin(k.next)
	want, err := k.objects(t.Context(), k.next)
	require.NoError(t, err)
	k.site.Migrate, k.site.Cron = nil, nil
	resumed, err := k.Resume(t.Context(), k.begun)
	require.NoError(t, err)
	got, err := resumed.objects(t.Context(), k.begun.Built())
	require.NoError(t, err)
	assert.Equal(t, want, got)
	pending, err := resumed.Pending(t.Context(), k.begun.Built())
	require.NoError(t, err)
	assert.True(t, pending)
}

// The very first ship leaves nothing to go back to.
func TestTheFirstShipIsKilled(t *testing.T) {
	s := readSite(t, "everything", "production")
	k := &killed{fakeCluster: newFakeCluster(t, s), first: testImage(s), next: testImage(s)}
	k.begin(k.first)
	left := k.left()
	assert.Nil(t, left.Last)
	assert.False(t, left.Changed)
	finish, err := k.ToFinish(t.Context(), left)
	require.NoError(t, err)
	assert.Nil(t, finish, "nothing serves yet")

	k.apply(StageWeb, k.first)
	left = k.left()
	finish, err = k.ToFinish(t.Context(), left)
	require.NoError(t, err)
	require.NotNil(t, finish)
	assert.Equal(t, 1, finish.Number)
	require.NoError(t, k.Settle(t.Context(), left, 1))
	assert.Len(t, k.left().Begun, 1, "it is under way")
}

func TestWhatIsOfNoRelease(t *testing.T) {
	deployment := func(images ...string) appsv1.Deployment {
		web := appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Annotations: map[string]string{releaseAnnotation: `{"number":1}`}}}
		for _, image := range images {
			web.Spec.Template.Spec.Containers = append(web.Spec.Template.Spec.Containers, corev1.Container{Image: image})
		}
		web.Spec.Replicas = ptr.To[int32](1)
		return web
	}
	shipped := []Release{{Number: 1, Image: "registry:5000/site:1@sha256:1", Outcome: Shipped}}
	for name, test := range map[string]struct {
		image   string
		changed bool
	}{
		"the release":       {"registry:5000/site:1@sha256:1", false},
		"by kubectl":        {"registry:5000/site:2", true},
		"nothing of a site": {"registry:5000/varnish:7", false},
	} {
		t.Run(name, func(t *testing.T) {
			left := leftover(shipped, []appsv1.Deployment{deployment(test.image)}, nil)
			assert.Equal(t, test.changed, left.Changed)
			assert.Nil(t, left.Release)
		})
	}
	assert.Equal(t, "registry:5000/site", repository("registry:5000/site"))
	assert.Equal(t, "registry:5000/site", repository("registry:5000/site@sha256:1"))
}

func TestHalfRestored(t *testing.T) {
	k := newKilled(t)
	k.goBack()
	require.NoError(t, k.AwaitRestore(t.Context()), "nothing was put back")
	k.restore(jobFailed)
	left := k.left()
	assert.Equal(t, "restore", left.Restoring)
	assert.False(t, left.Nothing())
	assert.Contains(t, left.String(), "Job restore")
	var half *HalfRestoredError
	require.ErrorAs(t, k.AwaitRestore(t.Context()), &half)
	assert.Equal(t, "20000101-000000-1a2b3c4", half.Dump)
	assert.Contains(t, half.Hint(), "sitectl restore-db")
	finish, err := k.ToFinish(t.Context(), left)
	require.NoError(t, err)
	assert.Nil(t, finish)
}

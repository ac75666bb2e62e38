package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestCronDeletesOnlyItsOwn(t *testing.T) {
	s := readSite(t, "everything", "production")
	own := map[string]string{
		"app.kubernetes.io/managed-by": "sitectl",
		"app.kubernetes.io/instance":   s.Namespace,
		"app.kubernetes.io/name":       "cron",
	}
	c := newFakeCluster(t, s,
		&batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "dropped", Namespace: s.Namespace, Labels: own}},
		&batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "somebody-elses", Namespace: s.Namespace}},
		&batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: "elsewhere", Namespace: "other", Labels: own}})
	require.NoError(t, c.Cron(t.Context(), testImage(s)))
	assert.Equal(t, []string{"delete cronjobs dropped"}, c.requests("delete"))
	assert.Equal(t, []string{
		"CronJob newsletter created",
		"CronJob report created",
		"CronJob dropped deleted, the release does not have it",
	}, c.lines)
	job, err := c.client.BatchV1().CronJobs(s.Namespace).Get(t.Context(), "newsletter", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, testImage(s).Reference(), job.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Image)
	assert.Equal(t, batchv1.ForbidConcurrent, job.Spec.ConcurrencyPolicy)
}

package deployer

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// In a namespace that somebody else has laid out, sitectl makes a place for
// dumps, and nothing else.
func TestPatchesWithABackup(t *testing.T) {
	c, image := flightDeckFor(t, readSite(t, "patch-backup", ""))
	require.NoError(t, c.Apply(t.Context(), image))
	assert.Equal(t, []string{"patch persistentvolumeclaims backup"}, c.requests("create", "patch", "update", "delete"))

	objects, err := c.objects(t.Context(), image)
	require.NoError(t, err)
	manifests, err := Manifests(objects)
	require.NoError(t, err)
	golden(t, filepath.Join("patch", "backup.yaml"), manifests)
}

// Its nodes may be for certain pods, and its registry needs a login that
// sitectl does not know.
func TestBackupJobOfPatchesIsPlacedAsWeb(t *testing.T) {
	c, _ := flightDeckFor(t, readSite(t, "patch-backup", ""))
	web := c.webDeployment()
	web.Spec.Template.Spec.Tolerations = []corev1.Toleration{{Key: "pool", Operator: corev1.TolerationOpExists}}
	c.put(web)
	name, err := c.startBackup(t.Context(), 5)
	require.NoError(t, err)
	job, err := c.client.BatchV1().Jobs(c.site.Namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	pod := job.Spec.Template.Spec
	assert.Equal(t, web.Spec.Template.Spec.ImagePullSecrets, pod.ImagePullSecrets)
	assert.Equal(t, web.Spec.Template.Spec.Tolerations, pod.Tolerations)
	assert.Equal(t, web.Spec.Template.Spec.Affinity.NodeAffinity, pod.Affinity.NodeAffinity)
	assert.Nil(t, pod.Affinity.PodAntiAffinity)
	assert.Equal(t, []corev1.EnvVar{
		{Name: "DATABASE_HOST", Value: "mysql-0.mysql"}, {Name: "DATABASE_PORT", Value: "3306"}, {Name: "DATABASE_NAME", Value: "drupal8"},
	}, pod.Containers[0].Env)
}

// A volume of that name may hold something that must not be deleted as if it
// were an old dump.
func TestPatchesLeaveAVolumeOfSomebodyElsesAlone(t *testing.T) {
	c, _ := flightDeckFor(t, readSite(t, "patch-backup", ""))
	c.site.Migrate.Steps = nil
	backup := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "backup", Namespace: c.site.Namespace},
		Spec:       corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}},
	}
	c.put(backup)
	c.put(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "backup-login", Namespace: c.site.Namespace},
		Data:       map[string][]byte{"user": []byte("dump"), "password": []byte("for a test")},
	})
	found := "PersistentVolumeClaim backup: is in the namespace already, and is not the place for backups that sitectl would make"
	assert.Contains(t, c.findings(), found)
	backup.Labels = c.ownership()
	c.put(backup)
	assert.NotContains(t, c.findings(), found)
}

// No more than the Secrets with the logins for the backups can be read.
func TestAccessToBackUpPatches(t *testing.T) {
	objects, err := Access(readSite(t, "patch-backup", ""), AccessOptions{Account: "deploy"})
	require.NoError(t, err)
	manifests, err := Manifests(objects)
	require.NoError(t, err)
	assert.Contains(t, string(manifests), `  resourceNames:
  - backup-login
  resources:
  - secrets
  verbs:
  - get
`)
}

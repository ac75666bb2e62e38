package provisioner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func claimOf(mode corev1.PersistentVolumeAccessMode) controller.ProvisionOptions {
	reclaim := corev1.PersistentVolumeReclaimDelete
	return controller.ProvisionOptions{
		PVName:           "pvc-1",
		SelectedNodeName: "node",
		StorageClass:     &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "local"}, ReclaimPolicy: &reclaim},
		PVC: &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: "example-com", Name: "files"},
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{mode},
				Resources: corev1.VolumeResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
				},
			},
		},
	}
}

func TestProvisionMakesALocalVolume(t *testing.T) {
	for _, mode := range []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce, corev1.ReadWriteMany} {
		t.Run(string(mode), func(t *testing.T) {
			v := volumes{folder: t.TempDir()}
			volume, state, err := v.Provision(t.Context(), claimOf(mode))
			require.NoError(t, err)
			assert.Equal(t, controller.ProvisioningFinished, state)

			assert.Equal(t, "pvc-1", volume.Name)
			assert.Equal(t, []corev1.PersistentVolumeAccessMode{mode}, volume.Spec.AccessModes)
			assert.Equal(t, "1Gi", volume.Spec.Capacity.Storage().String())
			assert.Equal(t, corev1.PersistentVolumeReclaimDelete, volume.Spec.PersistentVolumeReclaimPolicy)
			assert.Equal(t, onNode("node"), volume.Spec.NodeAffinity.Required)
			require.NotNil(t, volume.Spec.Local)
			assert.Equal(t, filepath.Join(v.folder, "pvc-1"), volume.Spec.Local.Path)
			info, err := os.Stat(volume.Spec.Local.Path)
			require.NoError(t, err)
			assert.Equal(t, os.ModeDir|0o777, info.Mode())
		})
	}
}

func TestProvisionAgainKeepsTheContent(t *testing.T) {
	v := volumes{folder: t.TempDir()}
	volume, _, err := v.Provision(t.Context(), claimOf(corev1.ReadWriteOnce))
	require.NoError(t, err)
	file := filepath.Join(volume.Spec.Local.Path, "data")
	require.NoError(t, os.WriteFile(file, nil, 0o600))

	_, _, err = v.Provision(t.Context(), claimOf(corev1.ReadWriteOnce))
	require.NoError(t, err)
	assert.FileExists(t, file)
}

func TestProvisionNeedsANode(t *testing.T) {
	opts := claimOf(corev1.ReadWriteOnce)
	opts.SelectedNodeName = ""
	_, state, err := volumes{folder: t.TempDir()}.Provision(t.Context(), opts)
	assert.Equal(t, controller.ProvisioningFinished, state)
	assert.ErrorContains(t, err, "claim example-com/files")
	assert.ErrorContains(t, err, "storage class local must be WaitForFirstConsumer")
}

func TestDelete(t *testing.T) {
	v := volumes{folder: t.TempDir()}
	volume, _, err := v.Provision(t.Context(), claimOf(corev1.ReadWriteOnce))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(volume.Spec.Local.Path, "data"), nil, 0o600))

	require.NoError(t, v.Delete(t.Context(), volume))
	assert.NoDirExists(t, volume.Spec.Local.Path)
	assert.NoError(t, v.Delete(t.Context(), volume), "a folder that is gone is no failure")
	assert.DirExists(t, v.folder)
}

func TestDeleteLeavesOtherFoldersAlone(t *testing.T) {
	other := t.TempDir()
	tests := map[string]corev1.PersistentVolumeSource{
		"another folder": {Local: &corev1.LocalVolumeSource{Path: other}},
		"another type":   {HostPath: &corev1.HostPathVolumeSource{Path: other}},
	}
	for name, source := range tests {
		t.Run(name, func(t *testing.T) {
			volume := &corev1.PersistentVolume{
				ObjectMeta: metav1.ObjectMeta{Name: "pvc-1"},
				Spec:       corev1.PersistentVolumeSpec{PersistentVolumeSource: source},
			}
			var ignored *controller.IgnoredError
			assert.ErrorAs(t, volumes{folder: t.TempDir()}.Delete(t.Context(), volume), &ignored)
			assert.DirExists(t, other)
		})
	}
}

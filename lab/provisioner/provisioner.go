// Package provisioner makes a node's folders into volumes: a claim of its
// storage class gets a PersistentVolume of type local, which, unlike hostPath,
// honours a pod's fsGroup.
package provisioner

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Name is the provisioner that a StorageClass names. The class must have the
// binding mode WaitForFirstConsumer: the node is known only then.
const Name = "sitectl.dev/lab-local"

// Run provisions volumes as folders below folder, named after their
// PersistentVolume, until ctx is done. The kubeconfig needs the rights to read
// StorageClasses and Nodes, to read and update claims, to manage
// PersistentVolumes, and to write Events.
func Run(ctx context.Context, kubeconfig, folder string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make folder of volumes: %w", err)
	}
	logger := logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, nil))
	controller.NewProvisionController(klog.NewContext(ctx, logger), client, Name, volumes{folder: folder},
		// There is one provisioner, so it need not be elected, which would
		// take up to 15 s after one that was killed.
		controller.LeaderElection(false),
		// A volume whose folder is not removed yet must not be forgotten.
		controller.AddFinalizer(true),
	).Run(klog.NewContext(ctx, logger))
	return nil
}

// volumes makes and removes the folders. It implements
// controller.Provisioner.
type volumes struct {
	folder string
}

// Provision makes the folder of a volume. It is called again for the same
// volume if this process dies before the PersistentVolume is stored.
func (v volumes) Provision(_ context.Context, opts controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if opts.SelectedNodeName == "" {
		return nil, controller.ProvisioningFinished, fmt.Errorf(
			"provision volume for claim %s/%s: no node selected: the binding mode of storage class %s must be WaitForFirstConsumer",
			opts.PVC.Namespace, opts.PVC.Name, opts.StorageClass.Name)
	}
	path := v.path(opts.PVName)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("make folder of volume: %w", err)
	}
	// A pod without fsGroup may write, too, whatever the umask is.
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("open folder of volume: %w", err)
	}
	return persistentVolume(opts, path), controller.ProvisioningFinished, nil
}

// Delete removes the folder of a volume, if it is still there.
func (v volumes) Delete(_ context.Context, volume *corev1.PersistentVolume) error {
	// The object could have been changed since: only what this provisioner
	// would make is removed.
	path := v.path(volume.Name)
	if volume.Spec.Local == nil || volume.Spec.Local.Path != path {
		return &controller.IgnoredError{Reason: "its folder is not one of this provisioner's"}
	}
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("remove folder of volume: %w", err)
	}
	return nil
}

func (v volumes) path(volume string) string { return filepath.Join(v.folder, volume) }

// persistentVolume is what a claim binds to. All access modes are the same for
// a folder of one node.
func persistentVolume(opts controller.ProvisionOptions, path string) *corev1.PersistentVolume {
	reclaim := corev1.PersistentVolumeReclaimDelete
	if opts.StorageClass.ReclaimPolicy != nil {
		reclaim = *opts.StorageClass.ReclaimPolicy
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: opts.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: reclaim,
			AccessModes:                   opts.PVC.Spec.AccessModes,
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: opts.PVC.Spec.Resources.Requests[corev1.ResourceStorage],
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				Local: &corev1.LocalVolumeSource{Path: path},
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: onNode(opts.SelectedNodeName)},
		},
	}
}

func onNode(name string) *corev1.NodeSelector {
	return &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{
			Key:      corev1.LabelHostname,
			Operator: corev1.NodeSelectorOpIn,
			Values:   []string{name},
		}},
	}}}
}

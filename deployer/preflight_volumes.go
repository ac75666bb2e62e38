package deployer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// checkVolumes looks, in a namespace that somebody else has laid out, for
// volumes that a pod cannot have while another one has them: a rollout that
// adds a pod before it takes one away would hang for ever. In a layout of
// sitectl's own, the site file tells.
func (d *Deployer) checkVolumes(ctx context.Context, _ preflight) ([]Finding, error) {
	if !d.patching() || d.site.Web.Rollout.MaxSurge == 0 {
		return nil, nil
	}
	names := d.site.Deploy.Deployments
	return each(ctx, len(names), parallel, func(ctx context.Context, i int) ([]Finding, error) {
		live, err := d.client.AppsV1().Deployments(d.site.Namespace).Get(ctx, names[i], metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("read Deployment %s: %w", names[i], err)
		}
		return d.checkAttachable(ctx, live)
	})
}

func (d *Deployer) checkAttachable(ctx context.Context, live *appsv1.Deployment) ([]Finding, error) {
	var findings []Finding
	for _, volume := range live.Spec.Template.Spec.Volumes {
		if volume.PersistentVolumeClaim == nil || volume.PersistentVolumeClaim.ReadOnly {
			continue
		}
		name := volume.PersistentVolumeClaim.ClaimName
		claim, err := d.client.CoreV1().PersistentVolumeClaims(live.Namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
			continue
		case err != nil:
			return nil, fmt.Errorf("read PersistentVolumeClaim %s: %w", name, err)
		}
		if single(claim) {
			findings = append(findings, Finding{
				About:   "Deployment " + live.Name,
				Message: fmt.Sprintf("a new pod cannot have the volume %s (%s) while an old one runs, perhaps on another node", name, accessModes(claim)),
				Hint:    "have the volume made ReadWriteMany, or set web.rollout: maxSurge: 0, maxUnavailable: 1, which stops the site for each rollout",
			})
		}
	}
	return findings, nil
}

// single says whether a claim is for the pods of one node, or for one pod.
func single(claim *corev1.PersistentVolumeClaim) bool {
	modes := claim.Spec.AccessModes
	return !slices.Contains(modes, corev1.ReadWriteMany) && !slices.Contains(modes, corev1.ReadOnlyMany)
}

func accessModes(claim *corev1.PersistentVolumeClaim) string {
	var modes []string
	for _, mode := range claim.Spec.AccessModes {
		modes = append(modes, string(mode))
	}
	return strings.Join(modes, ", ")
}

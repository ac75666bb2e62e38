package deployer

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Record writes down that a release which Begin has returned is shipped: the
// last step, after which the next ship of the same commit finds nothing to
// do. Records of releases long ago are deleted.
func (d *Deployer) Record(ctx context.Context, release Release) (Release, error) {
	release, err := d.End(ctx, release, Shipped, "")
	if err != nil {
		return Release{}, err
	}
	if err := d.annotate(ctx, release); err != nil {
		return Release{}, fmt.Errorf("record the release on Deployment web: %w", err)
	}
	if err := d.forgetReleases(ctx); err != nil {
		d.progress(err.Error()) // the next ship tries again
	}
	return release, nil
}

// annotate sets only the annotation, which replaces no pods. It does raise
// the Deployment's generation: annotations are copied to the ReplicaSet.
func (d *Deployer) annotate(ctx context.Context, release Release) error {
	value, err := json.Marshal(release)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{
			releaseAnnotation: string(value), begunAnnotation: nil,
		}},
	})
	if err != nil {
		return err
	}
	_, err = d.client.AppsV1().Deployments(d.site.Namespace).
		Patch(ctx, "web", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	return err
}

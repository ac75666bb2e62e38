package deployer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sitectl/sitectl/site"
)

// Record writes down that image is shipped: the last step, after which the
// next ship of the same commit finds nothing to do.
func (d *Deployer) Record(ctx context.Context, image site.Image) (Release, error) {
	manifests, err := manifestsChecksum(d.site, image)
	if err != nil {
		return Release{}, err
	}
	release := Release{
		Commit:    image.Commit,
		Image:     reference(image),
		Digest:    image.Digest,
		Manifests: manifests,
		At:        time.Now().UTC().Truncate(time.Second),
		By:        d.opts.By,
		Outcome:   Shipped,
	}
	if err := d.annotate(ctx, release); err != nil {
		return Release{}, fmt.Errorf("record the release on Deployment web: %w", err)
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
		"metadata": map[string]any{"annotations": map[string]string{releaseAnnotation: string(value)}},
	})
	if err != nil {
		return err
	}
	_, err = d.client.AppsV1().Deployments(d.site.Namespace).
		Patch(ctx, "web", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	return err
}

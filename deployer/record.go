package deployer

import (
	"context"
	"encoding/json"
	"fmt"
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

// annotate has the Deployment web say which release runs, and that nothing else
// is known.
func (d *Deployer) annotate(ctx context.Context, release Release) error {
	value, err := json.Marshal(release)
	if err != nil {
		return err
	}
	return d.annotateWeb(ctx, map[string]any{
		releaseAnnotation: string(value), begunAnnotation: nil, restoredAnnotation: nil,
	})
}

package deployer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/site"
)

// Outcome says how a release ended.
type Outcome string

// Shipped is the outcome of a release that was rolled out and verified.
const Shipped Outcome = "shipped"

// Release is what runs, from which commit, since when and with which outcome.
type Release struct {
	Commit    site.Commit `json:"commit"`
	Image     string      `json:"image"`     // reference by tag and digest
	Digest    string      `json:"digest"`    // "sha256:…" of the image
	Manifests string      `json:"manifests"` // checksum of all rendered objects
	At        time.Time   `json:"at"`        // when it was verified, UTC
	By        string      `json:"by,omitempty"`
	Outcome   Outcome     `json:"outcome"`
}

// releaseAnnotation is where the Deployment web keeps the Release that was
// shipped last. It is written at the very end, so that a deploy which stopped
// before is done again.
const releaseAnnotation = "sitectl.dev/release"

// Current returns the release that was shipped last, nil if there is none,
// and whether it is image with the very same manifests and all its pods are
// available, so that there is nothing to do. It takes one request.
func (d *Deployer) Current(ctx context.Context, image site.Image) (*Release, bool, error) {
	var web *appsv1.Deployment
	err := d.reach(ctx, func(ctx context.Context) (err error) {
		web, err = d.client.AppsV1().Deployments(d.site.Namespace).Get(ctx, "web", metav1.GetOptions{})
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read Deployment web: %w", err)
	}
	release := recorded(web)
	if release == nil {
		return nil, false, nil
	}
	manifests, err := manifestsChecksum(d.site, image)
	if err != nil {
		return nil, false, err
	}
	same := release.Digest == image.Digest && release.Manifests == manifests
	return release, same && runningImage(web) == reference(image) && available(web), nil
}

// recorded reads the Release of a Deployment. One that cannot be read, by an
// older sitectl for example, counts as none: then everything is done again.
func recorded(web *appsv1.Deployment) *Release {
	release := &Release{}
	if json.Unmarshal([]byte(web.Annotations[releaseAnnotation]), release) != nil {
		return nil
	}
	return release
}

// runningImage is the image that the pods of the Deployment web run.
func runningImage(web *appsv1.Deployment) string {
	for _, container := range web.Spec.Template.Spec.Containers {
		if container.Name == "web" {
			return container.Image
		}
	}
	return ""
}

// manifestsChecksum identifies all that is rendered for an image.
func manifestsChecksum(s site.Site, image site.Image) (string, error) {
	objects, err := Objects(s, image)
	if err != nil {
		return "", err
	}
	return checksum(objects)
}

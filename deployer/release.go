package deployer

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/site"
)

// Outcome says how a release ended.
type Outcome string

// The outcomes of a release.
const (
	Begun     Outcome = "begun"     // it is under way, or its ship was killed
	Shipped   Outcome = "shipped"   // it was rolled out and verified
	Failed    Outcome = "failed"    // it was not, and what it has changed is still there
	Restored  Outcome = "restored"  // it was not, and the release before it runs again
	Cancelled Outcome = "cancelled" // somebody stopped the ship
)

// Release is what was shipped, from which commit, when and with which
// outcome.
type Release struct {
	Number     int         `json:"number"` // ascending from 1; 0 if it was recorded before there were numbers
	Commit     site.Commit `json:"commit"`
	Image      string      `json:"image"`     // reference by tag and digest
	Digest     string      `json:"digest"`    // "sha256:…" of the image
	Manifests  string      `json:"manifests"` // checksum of all rendered objects
	At         time.Time   `json:"at"`        // of the outcome, UTC
	By         string      `json:"by,omitempty"`
	Outcome    Outcome     `json:"outcome"`
	Migrated   bool        `json:"migrated,omitempty"`   // its migration was started
	Reversible bool        `json:"reversible,omitempty"` // what was served before it can run on what its migration leaves
	Back       int         `json:"back,omitempty"`       // number of the release that it went back to; 0 if it is a new one
	Message    string      `json:"message,omitempty"`    // why it was not shipped
	// Interrupted says that its ship was killed, and that others know.
	Interrupted bool `json:"interrupted,omitempty"`
}

// Built is the image of the release.
func (r Release) Built() site.Image {
	repository := strings.TrimSuffix(r.Image, "@"+r.Digest)
	return site.Image{
		Repository: strings.TrimSuffix(repository, ":"+r.Commit.Tag),
		Tag:        r.Commit.Tag,
		Digest:     r.Digest,
		Commit:     r.Commit,
	}
}

// releaseAnnotation is where the Deployment web keeps the Release that was
// shipped last. It is written at the very end, so that a deploy which stopped
// before is done again.
const releaseAnnotation = "sitectl.dev/release"

// Current returns the release that was shipped last, nil if there is none,
// and whether it is image with the very same manifests and all its pods are
// available, no other ship is under way or was killed, and the database was not
// put back since, so that there is nothing to do. It takes one request.
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
	objects, err := d.objects(ctx, image)
	if err != nil {
		return nil, false, err
	}
	manifests, err := checksum(objects)
	if err != nil {
		return nil, false, err
	}
	_, begun := web.Annotations[begunAnnotation]
	_, restored := web.Annotations[restoredAnnotation]
	same := !begun && !restored && release.Digest == image.Digest && release.Manifests == manifests
	return release, same && runningImage(web, d.container()) == reference(image) && available(web), nil
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

// runningImage is the image that the pods of the Deployment web run, in the
// container of that name or the only one.
func runningImage(web *appsv1.Deployment, name string) string {
	containers := web.Spec.Template.Spec.Containers
	for _, container := range containers {
		if container.Name == name || len(containers) == 1 {
			return container.Image
		}
	}
	return ""
}

// releaseTag is the tag of the release that a pod is of, empty for none. In a
// namespace that somebody else has laid out, only the annotation is ours.
func releaseTag(pod metav1.Object) string {
	name, _, _ := strings.Cut(pod.GetAnnotations()[imageAnnotation], "@")
	if i := strings.LastIndex(name, ":"); i >= 0 {
		return name[i+1:]
	}
	return pod.GetLabels()["app.kubernetes.io/version"]
}

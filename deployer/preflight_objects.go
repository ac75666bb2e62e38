package deployer

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// checkObjects has the API server apply every object without keeping it:
// schema, admission, quota, conflicts, immutable fields. A namespace that is
// not there yet takes none.
func (d *Deployer) checkObjects(ctx context.Context, p preflight) ([]Finding, error) {
	if !p.exists {
		return nil, nil
	}
	return each(ctx, len(p.objects), parallel, func(ctx context.Context, i int) ([]Finding, error) {
		found, err := d.checkObject(ctx, p.objects[i])
		if err != nil {
			return nil, fmt.Errorf("try out %s: %w", p.objects[i], err)
		}
		return found, nil
	})
}

func (d *Deployer) checkObject(ctx context.Context, object Object) ([]Finding, error) {
	switch object.GetKind() {
	case "Namespace":
		return d.checkNamespace(ctx, object)
	case "Job": // one that is there cannot be changed, and another one is made
		_, err := d.tryOutNew(ctx, object)
		return refusal(object, err)
	}
	live, err := d.visible(ctx, object)
	if err != nil {
		return nil, err
	}
	// The API server would refuse the same, without saying what to do.
	if found := fixed(live, object); len(found) > 0 {
		return found, nil
	}
	_, conflicts, err := d.tryOut(ctx, object, live)
	refused, err := refusal(object, err)
	return append(conflictFindings(object, conflicts), refused...), err
}

// visible is live for a check: that an object must not be read is reported
// with the permissions.
func (d *Deployer) visible(ctx context.Context, object Object) (*unstructured.Unstructured, error) {
	live, err := d.live(ctx, object)
	if apierrors.IsForbidden(err) {
		return nil, nil
	}
	return live, err
}

// checkNamespace asks for what Apply does with a namespace that is there.
func (d *Deployer) checkNamespace(ctx context.Context, namespace Object) ([]Finding, error) {
	live, err := d.client.CoreV1().Namespaces().Get(ctx, namespace.GetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err), err == nil && carries(live.Labels, namespace.GetLabels()):
		return nil, nil
	case err != nil:
		return nil, err
	}
	_, _, err = d.tryOut(ctx, namespace, nil)
	if !apierrors.IsForbidden(err) {
		return refusal(namespace, err)
	}
	return []Finding{{
		About:   namespace.String(),
		Message: "lacks labels that every site's namespace has, and must not be changed by this account",
		Hint:    "have an administrator apply what sitectl rbac prints",
	}}, nil
}

// denied matches what the API server says of a missing permission, as
// opposed to an admission that refuses the object.
var denied = regexp.MustCompile(`User ".*" cannot \w+ resource`)

const refusedHint = "sitectl render shows the object; change what it is made of: site.yaml, .sitectl/manifests or .sitectl/templates"

// refusal turns the API server's answer to a dry run into findings. What is
// no answer stays an error.
func refusal(object Object, err error) ([]Finding, error) {
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return nil, nil
	case !errors.As(err, &status):
		return nil, err
	case apierrors.IsForbidden(err) && denied.MatchString(err.Error()):
		return nil, nil // reported with the permissions
	case isUnknownResource(err):
		return []Finding{unknownKind(object)}, nil
	case apierrors.IsInvalid(err) && status.Status().Details != nil && len(status.Status().Details.Causes) > 0:
		var findings []Finding
		for _, cause := range status.Status().Details.Causes {
			findings = append(findings, Finding{
				About: object.String(), Message: strings.TrimPrefix(cause.Field+": "+cause.Message, ": "), Hint: refusedHint,
			})
		}
		return findings, nil
	default:
		return []Finding{{About: object.String(), Message: err.Error(), Hint: refusedHint}}, nil
	}
}

package deployer

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// checkPermissions asks for each thing that a deploy does whether it may.
func (d *Deployer) checkPermissions(ctx context.Context, p preflight) ([]Finding, error) {
	if allowed, err := d.allowed(ctx, everything(d.site.Namespace)); allowed || err != nil {
		return nil, err
	}
	missing, err := d.refused(ctx, permissions(d.site, p.objects, p.exists))
	var findings []Finding
	for _, permission := range missing {
		findings = append(findings, Finding{
			About:   "permission to " + words(permission),
			Message: "missing in namespace " + d.site.Namespace,
			Hint:    grantHint,
		})
	}
	return findings, err
}

const grantHint = "have an administrator apply what sitectl rbac prints, or grant it to the account of this kubeconfig context"

// refused are those of the permissions that this account has not.
func (d *Deployer) refused(ctx context.Context, wanted []authorizationv1.ResourceAttributes) ([]authorizationv1.ResourceAttributes, error) {
	return each(ctx, len(wanted), parallel, func(ctx context.Context, i int) ([]authorizationv1.ResourceAttributes, error) {
		allowed, err := d.allowed(ctx, wanted[i])
		if allowed || err != nil {
			return nil, err
		}
		return wanted[i : i+1], nil
	})
}

func (d *Deployer) allowed(ctx context.Context, permission authorizationv1.ResourceAttributes) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &permission},
	}
	answer, err := d.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask for the permission to %s: %w", words(permission), err)
	}
	return answer.Status.Allowed, nil
}

func words(permission authorizationv1.ResourceAttributes) string {
	resource := permission.Resource
	if permission.Subresource != "" {
		resource += "/" + permission.Subresource
	}
	return permission.Verb + " " + schema.GroupResource{Group: permission.Group, Resource: resource}.String()
}

package deployer

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// conflict is a field that somebody else has set to another value.
type conflict struct {
	field       string // "spec.replicas"
	manager     string // as it calls itself: "kubectl-edit"
	subresource string // through which it was set; empty for the object itself
}

// conflictMessage matches how the API server words a conflict
// (structured-merge-diff and apimachinery, managedfields/internal/conflict.go).
var conflictMessage = regexp.MustCompile(`^conflict with "([^"]*)"(?: with subresource "([^"]*)")?`)

// conflictsOf lists the fields, each with its manager, because of which
// server-side apply refused:
//
//	status:
//	  reason: Conflict
//	  details:
//	    causes:
//	    - reason: FieldManagerConflict
//	      field: .spec.replicas
//	      message: conflict with "kubectl-scale" with subresource "scale" using apps/v1
func conflictsOf(err error) []conflict {
	var status apierrors.APIStatus
	if !apierrors.IsConflict(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var conflicts []conflict
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		c := conflict{field: strings.TrimPrefix(cause.Field, "."), manager: cause.Message}
		if match := conflictMessage.FindStringSubmatch(cause.Message); match != nil {
			c.manager, c.subresource = match[1], match[2]
		}
		conflicts = append(conflicts, c)
	}
	slices.SortFunc(conflicts, func(a, b conflict) int { return strings.Compare(a.field, b.field) })
	return conflicts
}

// autoscaled says whether a HorizontalPodAutoscaler has set the field: its
// controller is part of kube-controller-manager.
func (c conflict) autoscaled() bool {
	return c.field == "spec.replicas" && c.manager == "kube-controller-manager" && c.subresource == "scale"
}

// leaveToAutoscaler leaves out the replicas that an autoscaler has set: a
// deploy in the middle of a busy hour must not scale the site down. The field
// stays as it is, because the autoscaler owns it. One that is gone leaves its
// last number behind, which is taken over like anything else.
func (d *Deployer) leaveToAutoscaler(ctx context.Context, object Object, conflicts []conflict) (Object, []conflict, error) {
	others := slices.DeleteFunc(slices.Clone(conflicts), conflict.autoscaled)
	if len(others) == len(conflicts) {
		return object, conflicts, nil
	}
	if there, err := d.hasAutoscaler(ctx, object); !there || err != nil {
		return object, conflicts, err
	}
	content := object.DeepCopy()
	unstructured.RemoveNestedField(content.Object, "spec", "replicas")
	return Object{Stage: object.Stage, Unstructured: content}, others, nil
}

// hasAutoscaler says whether a HorizontalPodAutoscaler, whosever it is, scales
// the object. Who may not see any has to expect one.
func (d *Deployer) hasAutoscaler(ctx context.Context, object Object) (bool, error) {
	list, err := d.client.AutoscalingV2().HorizontalPodAutoscalers(d.site.Namespace).List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the autoscaler of %s: %w", object, err)
	}
	return slices.ContainsFunc(list.Items, func(autoscaler autoscalingv2.HorizontalPodAutoscaler) bool {
		target := autoscaler.Spec.ScaleTargetRef
		return target.Kind == object.GetKind() && target.Name == object.GetName()
	}), nil
}

// reconcilers are managers that do not set a field once, but keep it set.
var reconcilers = map[string]string{
	"argocd-controller":             "Argo CD",
	"argocd-application-controller": "Argo CD",
	"kustomize-controller":          "Flux",
	"helm-controller":               "Flux",
	"fleet-agent":                   "Fleet",
}

// conflictFindings says of each field that somebody else has set what becomes
// of it. That it is taken over is only a warning, since a pipeline has nobody
// to ask; but there is no taking over from a controller that sets it back.
func conflictFindings(object Object, conflicts []conflict) []Finding {
	var findings []Finding
	for _, c := range conflicts {
		name, keeps := reconcilers[c.manager]
		if keeps {
			findings = append(findings, Finding{
				About:   object.String(),
				Message: fmt.Sprintf("%s (%s) keeps %s at another value, and would set it back", name, c.manager, c.field),
				Hint:    fmt.Sprintf("one of the two has to let go: take the object out of what %s applies, or the field out of it", name),
			})
			continue
		}
		findings = append(findings, Finding{
			About:   object.String(),
			Message: fmt.Sprintf("%s was set by %s, and is taken over", c.field, c.manager),
			Hint:    "what is to stay belongs into the site file",
			Warning: true,
		})
	}
	return findings
}

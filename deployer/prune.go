package deployer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sitectl/sitectl/site"
)

// prunable are the kinds that are removed when a site does without. They hold
// no data, and a release that has them brings them back when the site goes
// back to it. A database, a cache, a volume and a Secret are never removed.
var prunable = []schema.GroupVersionResource{
	{Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "services"},
	{Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
	{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
	{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
}

// Prune removes what an earlier release of the history has applied and image
// has not: an autoscaler that the site file no longer has would go on
// changing the number of pods. What may hold data stays, and is named.
func (d *Deployer) Prune(ctx context.Context, image site.Image) error {
	wanted, err := d.whole(ctx, image)
	if err != nil {
		return err
	}
	left, err := d.leftOver(ctx, wanted)
	if err != nil {
		return err
	}
	for _, object := range left {
		if !isPrunable(object) {
			d.progress(fmt.Sprintf("%s stays, as it may hold data, and the site does without it; to remove it: kubectl -n %s delete %s/%s",
				object, d.site.Namespace, strings.ToLower(object.GetKind()), object.GetName()))
			continue
		}
		if err := d.remove(ctx, object); err != nil {
			return err
		}
		d.progress(fmt.Sprintf("%s deleted, the site does without it", object))
		if err := d.takeBackReplicas(ctx, object, wanted); err != nil {
			return err
		}
	}
	return nil
}

// takeBackReplicas applies what an autoscaler has scaled until it was removed:
// nobody changes the number any more that it has left behind.
func (d *Deployer) takeBackReplicas(ctx context.Context, removed Object, wanted []Object) error {
	if removed.GetKind() != "HorizontalPodAutoscaler" {
		return nil
	}
	kind, _, _ := unstructured.NestedString(removed.Object, "spec", "scaleTargetRef", "kind")
	name, _, _ := unstructured.NestedString(removed.Object, "spec", "scaleTargetRef", "name")
	for _, object := range wanted {
		if object.GetKind() == kind && object.GetName() == name {
			return d.applyAll(ctx, []Object{object})
		}
	}
	return nil
}

// leftOver finds what an earlier release has applied, wanted lacks, and is
// still there, as it is now. What somebody else has made in its place is not
// ours; in patch mode, that is everything by now.
func (d *Deployer) leftOver(ctx context.Context, wanted []Object) ([]Object, error) {
	if d.patching() {
		return nil, nil
	}
	applied, err := d.appliedEver(ctx)
	if err != nil {
		return nil, err
	}
	var left []Object
	seen := slices.Clone(wanted)
	for _, object := range applied {
		if slices.ContainsFunc(seen, object.same) || !hasItsOwnLife(object) {
			continue
		}
		seen = append(seen, object)
		live, err := d.live(ctx, object)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", object, err)
		}
		if live != nil && live.GetDeletionTimestamp() == nil && carries(live.GetLabels(), d.ownership()) && !isKept(live) {
			left = append(left, Object{object.Stage, live})
		}
	}
	return left, nil
}

// appliedEver are the objects of every release in the history. A record that
// cannot be read, of an older sitectl, has none.
func (d *Deployer) appliedEver(ctx context.Context) ([]Object, error) {
	records, err := d.client.CoreV1().ConfigMaps(d.site.Namespace).List(ctx, metav1.ListOptions{LabelSelector: d.recordSelector()})
	if err != nil {
		return nil, fmt.Errorf("list the records of releases: %w", err)
	}
	var applied []Object
	for _, record := range records.Items {
		if objects, err := unpackObjects(record.BinaryData[manifestsKey]); err == nil {
			applied = append(applied, objects...)
		}
	}
	return applied, nil
}

// hasItsOwnLife leaves out the namespace, and what is cleaned up elsewhere: by
// Cron and after a migration, or with the StatefulSet that it belongs to.
func hasItsOwnLife(object Object) bool {
	switch object.GetKind() {
	case "Namespace", "Job", "CronJob":
		return false
	case "Service":
		return object.Stage == StageWeb
	default:
		return object.GetNamespace() != ""
	}
}

// keepAnnotation, with any value but "false", keeps an object that the site
// does without.
const keepAnnotation = "sitectl.dev/keep"

func isKept(object metav1.Object) bool {
	value, set := object.GetAnnotations()[keepAnnotation]
	return set && value != "false"
}

// ownership are the labels of what sitectl has made for this site.
func (d *Deployer) ownership() map[string]string {
	return map[string]string{"app.kubernetes.io/instance": d.site.Namespace, "app.kubernetes.io/managed-by": fieldManager}
}

func isPrunable(object Object) bool { return slices.Contains(prunable, object.resource()) }

// same compares kind and name: a newer version of a kind is the same object.
func (o Object) same(other Object) bool {
	return o.GetKind() == other.GetKind() && o.GetName() == other.GetName() && o.GetNamespace() == other.GetNamespace()
}

// remove deletes an object, and nothing that has taken its place since it was
// read.
func (d *Deployer) remove(ctx context.Context, object Object) error {
	uid, policy := object.GetUID(), metav1.DeletePropagationBackground // with the pods
	err := d.resources(object).Delete(ctx, object.GetName(), metav1.DeleteOptions{
		Preconditions:     &metav1.Preconditions{UID: &uid},
		PropagationPolicy: &policy,
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete %s: %w", object, err)
	}
	return nil
}

// prunings lists what Prune does, and what a deploy looks at before it takes
// over the number of pods. Whoever may not can deploy all the same.
func prunings(s site.Site) []authorizationv1.ResourceAttributes {
	if s.Deploy != nil {
		return nil
	}
	var list []authorizationv1.ResourceAttributes
	for _, kind := range prunable {
		for _, verb := range []string{"get", "delete"} {
			list = append(list, authorizationv1.ResourceAttributes{
				Namespace: s.Namespace, Group: kind.Group, Resource: kind.Resource, Verb: verb,
			})
		}
	}
	return append(list, authorizationv1.ResourceAttributes{ // whether replicas are an autoscaler's
		Namespace: s.Namespace, Group: "autoscaling", Resource: "horizontalpodautoscalers", Verb: "list",
	})
}

package deployer

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// replicasManager owns the number of replicas of a Deployment between the
// last time that sitectl sets it and the first time that an autoscaler does.
const replicasManager = fieldManager + "-replicas"

// leaveReplicas prepares a Deployment for being applied without a number of
// replicas. A field that its only owner does not apply any more is removed,
// and Kubernetes takes no number for one: the site would be down to a single
// pod until the autoscaler looks at it. So somebody else becomes an owner of
// the present number first, as Kubernetes' documentation of server-side apply
// describes it ("Transferring ownership").
func (d *Deployer) leaveReplicas(ctx context.Context, object Object, live *unstructured.Unstructured) error {
	number, left := leftReplicas(object, live)
	if !left || !applies(live, fieldManager, "spec", "replicas") {
		return nil
	}
	keep := Object{Stage: object.Stage, Unstructured: &unstructured.Unstructured{}}
	keep.SetGroupVersionKind(object.GroupVersionKind())
	keep.SetName(object.GetName())
	keep.SetNamespace(object.GetNamespace())
	if err := unstructured.SetNestedField(keep.Object, number, "spec", "replicas"); err != nil {
		return err
	}
	_, err := d.patch(ctx, keep, metav1.ApplyOptions{FieldManager: replicasManager})
	if len(conflictsOf(err)) > 0 {
		return nil // the autoscaler has just set another number, and owns it
	}
	if err == nil {
		d.progress(fmt.Sprintf("%s: leaving spec.replicas (%d) to its autoscaler", object, number))
	}
	return err
}

// leftReplicas returns the number of replicas that a Deployment has, and
// whether that is somebody else's: the rendered object does not say it.
func leftReplicas(object Object, live *unstructured.Unstructured) (int64, bool) {
	if live == nil || object.GetKind() != "Deployment" {
		return 0, false
	}
	if _, said, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "replicas"); said {
		return 0, false
	}
	number, found, err := unstructured.NestedInt64(live.Object, "spec", "replicas")
	return number, found && err == nil
}

// withReplicas is the object with the number of replicas that it will keep,
// for a dry run, in which nobody can become another owner of that.
func withReplicas(object Object, live *unstructured.Unstructured) (Object, error) {
	number, left := leftReplicas(object, live)
	if !left {
		return object, nil
	}
	object.Unstructured = object.DeepCopy()
	return object, unstructured.SetNestedField(object.Object, number, "spec", "replicas")
}

// applies says whether a manager owns a field because it has applied it:
//
//	metadata:
//	  managedFields:
//	  - manager: sitectl
//	    operation: Apply
//	    fieldsV1: {"f:spec": {"f:replicas": {}}}
func applies(object *unstructured.Unstructured, manager string, path ...string) bool {
	for _, entry := range object.GetManagedFields() {
		if entry.Manager != manager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.FieldsV1 == nil {
			continue
		}
		var fields map[string]any
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		keys := make([]string, len(path))
		for i, name := range path {
			keys[i] = "f:" + name
		}
		if _, found, _ := unstructured.NestedFieldNoCopy(fields, keys...); found {
			return true
		}
	}
	return false
}

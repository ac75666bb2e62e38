package deployer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Destruction is what Destroy removes, and what it leaves.
type Destruction struct {
	Namespace string `json:"namespace"`
	// Whole says that the namespace goes with all that is in it.
	Whole   bool    `json:"whole"`
	Removed []Thing `json:"removed"` // in this order
	Kept    []Thing `json:"kept"`

	objects []Object // of Removed
}

// Thing is an object, for people.
type Thing struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Size string `json:"size,omitempty"` // of a volume
}

// String is a line of a list.
func (t Thing) String() string {
	if t.Size != "" {
		return fmt.Sprintf("%s %s, %s", t.Kind, t.Name, t.Size)
	}
	return t.Kind + " " + t.Name
}

// The kinds of a namespace. What a site is made of goes in this order: first
// the ways in and what would start something anew, last what others stand on.
var (
	destructible = slices.Concat([]schema.GroupVersionResource{
		{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
		{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"},
		{Group: "batch", Version: "v1", Resource: "cronjobs"},
		{Group: "batch", Version: "v1", Resource: "jobs"},
		{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
		{Group: "apps", Version: "v1", Resource: "deployments"},
		{Group: "apps", Version: "v1", Resource: "daemonsets"},
		{Group: "apps", Version: "v1", Resource: "statefulsets"},
	}, prunable)
	dataKinds = []schema.GroupVersionResource{
		{Version: "v1", Resource: "persistentvolumeclaims"},
		{Version: "v1", Resource: "secrets"},
	}
)

// PlanDestroy finds out what Destroy would remove: with data the namespace,
// and otherwise what a ship can make anew. It is nil if there is nothing.
func (d *Deployer) PlanDestroy(ctx context.Context, data bool) (*Destruction, error) {
	var carried map[string]string
	err := d.reach(ctx, func(ctx context.Context) error {
		namespace, err := d.client.CoreV1().Namespaces().Get(ctx, d.site.Namespace, metav1.GetOptions{})
		if err == nil {
			carried = namespace.Labels
		}
		return err
	})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read Namespace %s: %w", d.site.Namespace, err)
	case data && !carries(carried, d.ownership()):
		return nil, errors.New("the namespace " + d.site.Namespace + " is not one that sitectl has laid out: it is not removed")
	}
	plan := &Destruction{Namespace: d.site.Namespace, Whole: data, Removed: []Thing{}, Kept: []Thing{}}
	var seen []Object
	for _, kind := range destructible {
		objects, err := d.list(ctx, kind, labels.FormatLabels(d.ownership()))
		if err != nil {
			return nil, err
		}
		for _, object := range objects {
			if slices.ContainsFunc(seen, object.same) {
				continue
			}
			seen = append(seen, object)
			if isKept(object) && !data {
				plan.Kept = append(plan.Kept, thing(object))
				continue
			}
			plan.objects = append(plan.objects, object)
			plan.Removed = append(plan.Removed, thing(object))
		}
	}
	return plan, d.planData(ctx, plan)
}

// planData adds volumes and Secrets, whoever made them: they go with their
// namespace or not at all.
func (d *Deployer) planData(ctx context.Context, plan *Destruction) error {
	for _, kind := range dataKinds {
		objects, err := d.list(ctx, kind, "")
		if err != nil {
			return err
		}
		for _, object := range objects {
			if plan.Whole {
				plan.Removed = append(plan.Removed, thing(object))
			} else {
				plan.Kept = append(plan.Kept, thing(object))
			}
		}
	}
	namespace := Thing{Kind: "Namespace", Name: plan.Namespace}
	if plan.Whole {
		plan.Removed = append(plan.Removed, namespace)
	} else {
		plan.Kept = append(plan.Kept, namespace)
	}
	return nil
}

func thing(object Object) Thing {
	t := Thing{Kind: object.GetKind(), Name: object.GetName()}
	if spec, ok := object.Object["spec"].(map[string]any); ok && t.Kind == "PersistentVolumeClaim" {
		resources, _ := spec["resources"].(map[string]any)
		requests, _ := resources["requests"].(map[string]any)
		t.Size, _ = requests["storage"].(string)
	}
	return t
}

// list returns the objects of a kind, sorted by name. A kind that the cluster
// does not have has none.
func (d *Deployer) list(ctx context.Context, kind schema.GroupVersionResource, selector string) ([]Object, error) {
	list, err := d.dynamic.Resource(kind).Namespace(d.site.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind.Resource, err)
	}
	var objects []Object
	for i := range list.Items {
		objects = append(objects, Object{Unstructured: &list.Items[i]})
	}
	slices.SortFunc(objects, func(a, b Object) int { return strings.Compare(a.GetName(), b.GetName()) })
	return objects, nil
}

// Destroy removes what a plan says. It returns when that is done; a namespace
// is gone only after everything in it.
func (d *Deployer) Destroy(ctx context.Context, plan *Destruction) error {
	for _, object := range plan.objects {
		if err := d.remove(ctx, object); err != nil {
			return err
		}
		d.progress(fmt.Sprintf("%s deleted", object))
	}
	if !plan.Whole {
		return nil
	}
	namespaces := d.client.CoreV1().Namespaces()
	if err := namespaces.Delete(ctx, plan.Namespace, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete Namespace %s: %w", plan.Namespace, err)
	}
	d.progress(fmt.Sprintf("Namespace %s is being deleted, with its volumes", plan.Namespace))
	err := wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := namespaces.Get(ctx, plan.Namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
	if err != nil {
		return fmt.Errorf("wait until Namespace %s is gone: %w", plan.Namespace, cause(ctx, err))
	}
	d.progress(fmt.Sprintf("Namespace %s deleted", plan.Namespace))
	return nil
}

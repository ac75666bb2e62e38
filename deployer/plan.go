package deployer

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sitectl/sitectl/site"
)

// Plan is what a deploy would change.
type Plan struct {
	Namespace string   `json:"namespace"`
	Image     string   `json:"image"`
	Changes   []Change `json:"changes"` // in the order of the deploy, unchanged objects included
	Migration []string `json:"migration,omitempty"`
}

// Action is what happens to an object.
type Action string

// The actions of a plan.
const (
	ActionCreate Action = "create"
	ActionChange Action = "change"
	ActionDelete Action = "delete"
	ActionNone   Action = "unchanged"
)

// Change is what happens to one object.
type Change struct {
	Kind     string        `json:"kind"`
	Name     string        `json:"name"`
	Action   Action        `json:"action"`
	Fields   []FieldChange `json:"fields,omitempty"`
	Restarts bool          `json:"restarts,omitempty"` // its pods are replaced
}

// FieldChange is one field with its value before and after, in JSON; empty
// for a field that is not there.
type FieldChange struct {
	Path   string `json:"path"` // "spec.template.spec.containers[web].image"
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Changed says whether anything would change.
func (p Plan) Changed() bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Action != ActionNone })
}

// Plan finds out what a deploy of image would change, by having the API
// server apply every object without keeping it. Nothing is changed. Values
// of Secrets are never in it.
func (d *Deployer) Plan(ctx context.Context, image site.Image) (Plan, error) {
	objects, err := d.objects(ctx, image)
	if err != nil {
		return Plan{}, err
	}
	var exists bool
	err = d.reach(ctx, func(ctx context.Context) (err error) {
		exists, err = d.namespaceExists(ctx)
		return err
	})
	if err != nil {
		return Plan{}, fmt.Errorf("read Namespace %s: %w", d.site.Namespace, err)
	}
	plan := Plan{Namespace: d.site.Namespace, Image: reference(image)}
	for _, object := range objects {
		if object.Stage == StageMigrate {
			plan.Migration = stepNames(d.site.Migrate)
			continue
		}
		change, err := d.planObject(ctx, object, exists)
		if err != nil {
			return Plan{}, fmt.Errorf("plan %s: %w", object, err)
		}
		plan.Changes = append(plan.Changes, change)
	}
	secrets, err := d.planSecrets(ctx)
	if err != nil {
		return Plan{}, err
	}
	plan.Changes = slices.Insert(plan.Changes, 1, secrets...) // after the namespace, as Apply does
	dropped, err := d.droppedCronJobs(ctx, objects)
	if err != nil {
		return Plan{}, err
	}
	for _, name := range dropped {
		plan.Changes = append(plan.Changes, Change{Kind: "CronJob", Name: name, Action: ActionDelete})
	}
	return plan, nil
}

func stepNames(migrate *site.Migrate) []string {
	var names []string
	for _, step := range migrate.Steps {
		names = append(names, step.Name)
	}
	return names
}

// planObject compares what is there with what would be.
func (d *Deployer) planObject(ctx context.Context, object Object, exists bool) (Change, error) {
	change := Change{Kind: object.GetKind(), Name: object.GetName(), Action: ActionCreate}
	if !exists {
		return change, nil
	}
	live, err := d.live(ctx, object)
	if err != nil || live == nil {
		return change, err
	}
	kept, err := withReplicas(object, live)
	if err != nil {
		return Change{}, err
	}
	planned, err := d.tryOut(ctx, kept)
	if err != nil {
		return Change{}, err
	}
	change.Fields = difference("", content(live), content(planned))
	change.Action = ActionNone
	if len(change.Fields) > 0 {
		change.Action = ActionChange
	}
	change.Restarts = slices.ContainsFunc(change.Fields, func(f FieldChange) bool {
		return strings.HasPrefix(f.Path, "spec.template.") && change.Kind != "Job"
	})
	return change, nil
}

// content is an object without what the API server keeps about it.
func content(object *unstructured.Unstructured) map[string]any {
	object = object.DeepCopy()
	for _, field := range []string{"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid"} {
		unstructured.RemoveNestedField(object.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(object.Object, "metadata", "annotations", "deployment.kubernetes.io/revision")
	unstructured.RemoveNestedField(object.Object, "status")
	return object.Object
}

// planSecrets says which Secrets would be made or changed.
func (d *Deployer) planSecrets(ctx context.Context) ([]Change, error) {
	var changes []Change
	for _, c := range credentials(d.site) {
		change, err := d.planSecret(ctx, c.name, func(secret *corev1.Secret) []string {
			return slices.Sorted(maps.Keys(c.missing(secret)))
		})
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
	}
	registry, err := d.planSecret(ctx, pullSecret, func(secret *corev1.Secret) []string {
		if bytes.Equal(secret.Data[corev1.DockerConfigJsonKey], d.pullConfig()) {
			return nil
		}
		return []string{corev1.DockerConfigJsonKey}
	})
	return append(changes, registry), err
}

// planSecret says which keys of a Secret would change, without their values.
func (d *Deployer) planSecret(ctx context.Context, name string, changed func(*corev1.Secret) []string) (Change, error) {
	change := Change{Kind: "Secret", Name: name, Action: ActionNone}
	secret, err := d.client.CoreV1().Secrets(d.site.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		change.Action = ActionCreate
		return change, nil
	}
	if err != nil {
		return Change{}, fmt.Errorf("plan Secret %s: %w", name, err)
	}
	for _, key := range changed(secret) {
		change.Action = ActionChange
		change.Fields = append(change.Fields, FieldChange{Path: "data." + key, After: "(hidden)"})
	}
	return change, nil
}

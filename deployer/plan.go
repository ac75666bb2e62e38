package deployer

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"

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
	Kind      string        `json:"kind"`
	Name      string        `json:"name"`
	Action    Action        `json:"action"`
	Fields    []FieldChange `json:"fields,omitempty"`
	TakenOver []string      `json:"takenOver,omitempty"` // fields that somebody else has set: "spec.minReadySeconds (kubectl-edit)"
	Restart   *Restart      `json:"restart,omitempty"`   // nil if its pods stay
}

// Restart says that the pods of a workload are replaced, and why.
type Restart struct {
	Pods    int64    `json:"pods"`    // that run now
	Because []string `json:"because"` // what changes of them: "image of web", "configuration"
}

// FieldChange is one field with its value before and after, in JSON; empty
// for a field that is not there, and "(hidden)" for a value of a Secret.
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
	if len(in(StageMigrate, objects)) > 0 {
		plan.Migration = stepNames(d.site.Migrate)
	}
	objects = slices.DeleteFunc(objects, func(o Object) bool { return o.Stage == StageMigrate })
	plan.Changes, err = each(ctx, len(objects), parallel, func(ctx context.Context, i int) ([]Change, error) {
		change, err := d.planObject(ctx, objects[i], exists)
		if err != nil {
			return nil, fmt.Errorf("plan %s: %w", objects[i], err)
		}
		return []Change{change}, nil
	})
	if err != nil {
		return Plan{}, err
	}
	if !d.patching() {
		secrets, err := d.planSecrets(ctx)
		if err != nil {
			return Plan{}, err
		}
		plan.Changes = slices.Insert(plan.Changes, 1, secrets...) // after the namespace, as Apply does
	}
	dropped, err := d.droppedCronJobs(ctx, objects)
	if err != nil {
		return Plan{}, err
	}
	for _, name := range dropped {
		plan.Changes = append(plan.Changes, Change{Kind: "CronJob", Name: name, Action: ActionDelete})
	}
	left, err := d.leftOver(ctx, objects)
	if err != nil {
		return Plan{}, err
	}
	for _, object := range left {
		if isPrunable(object) {
			plan.Changes = append(plan.Changes, Change{Kind: object.GetKind(), Name: object.GetName(), Action: ActionDelete})
		}
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
	if change.Kind == "Namespace" && apierrors.IsForbidden(err) {
		change.Action = ActionNone // as Apply leaves it
		return change, nil
	}
	if err != nil || live == nil {
		return change, err
	}
	planned, conflicts, err := d.tryOut(ctx, object, live)
	if err != nil {
		return Change{}, err
	}
	change.Action = ActionNone
	change.Fields = difference("", content(live), content(planned))
	if len(change.Fields) == 0 {
		return change, nil
	}
	change.Action = ActionChange
	change.Restart = restart(live, change.Fields)
	if change.Kind == "Secret" {
		change.Fields = hidden(change.Fields)
	}
	for _, c := range conflicts {
		change.TakenOver = append(change.TakenOver, fmt.Sprintf("%s (%s)", c.field, c.manager))
	}
	return change, nil
}

// hidden hides the values of a Secret. kubectl keeps a copy of them in an
// annotation.
func hidden(fields []FieldChange) []FieldChange {
	secret := regexp.MustCompile(`^(data|stringData|metadata\.annotations)($|\.)`)
	hide := func(value string) string {
		if value == "" {
			return ""
		}
		return hiddenValue
	}
	for i, field := range fields {
		if secret.MatchString(field.Path) {
			fields[i].Before, fields[i].After = hide(field.Before), hide(field.After)
		}
	}
	return fields
}

// hiddenValue stands for what is not shown. It is no JSON, as all values are.
const hiddenValue = "(hidden)"

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
		change.Fields = append(change.Fields, FieldChange{Path: "data." + key, After: hiddenValue})
	}
	return change, nil
}

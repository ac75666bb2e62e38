package deployer

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/dynamic"

	"github.com/sitectl/sitectl/site"
)

// Result says what applying an object did to it.
type Result string

// The results of applying an object.
const (
	Created    Result = "created"
	Configured Result = "configured"
	Unchanged  Result = "unchanged"
)

// pullSecret is the Secret with the registry login of the pods.
const pullSecret = "registry"

// Apply lays out what a release stands on: the namespace, the credentials,
// the pull secret, configuration, volumes, database and cache. The site that
// runs is not touched. In patch mode there is nothing to lay out but the place
// for backups.
func (d *Deployer) Apply(ctx context.Context, image site.Image) error {
	if d.patching() && backupOf(d.site) == nil {
		return nil
	}
	objects, err := d.objects(ctx, image)
	if err != nil {
		return err
	}
	foundation := in(StageFoundation, objects)
	if d.patching() {
		return d.applyAll(ctx, foundation)
	}
	namespace, rest := foundation[0], foundation[1:]
	if err := d.applyNamespace(ctx, namespace); err != nil {
		return err
	}
	if err := d.applyCredentials(ctx); err != nil {
		return err
	}
	if err := d.applyPullSecret(ctx); err != nil {
		return err
	}
	return d.applyAll(ctx, rest)
}

// ensureNamespace makes the namespace of a new site.
func (d *Deployer) ensureNamespace(ctx context.Context) error {
	v, err := newView(d.site, site.Image{})
	if err != nil {
		return err
	}
	namespace, err := render(rendering{StageFoundation, "namespace", v})
	if err != nil {
		return err
	}
	return d.applyNamespace(ctx, namespace)
}

// applyNamespace leaves a namespace alone that is as it should be, or that
// may not even be read: who may deploy into it need not be allowed to change
// it.
func (d *Deployer) applyNamespace(ctx context.Context, namespace Object) error {
	live, err := d.client.CoreV1().Namespaces().Get(ctx, namespace.GetName(), metav1.GetOptions{})
	if apierrors.IsForbidden(err) || err == nil && carries(live.Labels, namespace.GetLabels()) {
		d.applied(namespace, Unchanged)
		return nil
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("read %s: %w", namespace, err)
	}
	return d.applyAll(ctx, []Object{namespace})
}

// carries says whether labels has all of wanted.
func carries(labels, wanted map[string]string) bool {
	for key, value := range wanted {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// applyPullSecret writes the registry login of the pods. In patch mode they
// have one of their own.
func (d *Deployer) applyPullSecret(ctx context.Context) error {
	if d.patching() {
		return nil
	}
	secret := applycorev1.Secret(pullSecret, d.site.Namespace).
		WithLabels(map[string]string{
			"app.kubernetes.io/instance":   d.site.Namespace,
			"app.kubernetes.io/managed-by": fieldManager,
		}).
		WithType(corev1.SecretTypeDockerConfigJson).
		WithData(map[string][]byte{corev1.DockerConfigJsonKey: d.pullConfig()})
	_, err := d.client.CoreV1().Secrets(d.site.Namespace).
		Apply(ctx, secret, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	if err != nil {
		return fmt.Errorf("apply Secret %s: %w", pullSecret, err)
	}
	return nil
}

// pullConfig is the registry login of the pods. Even a site that needs none
// has the Secret, as every pod template names it.
func (d *Deployer) pullConfig() []byte {
	if len(d.opts.PullConfig) == 0 {
		return []byte(`{"auths":{}}`)
	}
	return d.opts.PullConfig
}

// applyAll applies objects in order.
func (d *Deployer) applyAll(ctx context.Context, objects []Object) error {
	for _, object := range objects {
		if _, err := d.apply(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// apply applies one object on the server, reports what that did to it, and
// returns what is there now. Fields that somebody else has set to another
// value are taken over, and named: the site file says what the site is. Only
// the replicas that an autoscaler has set are left to it.
func (d *Deployer) apply(ctx context.Context, object Object) (*unstructured.Unstructured, error) {
	live, err := d.live(ctx, object)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", object, err)
	}
	if err := d.leaveReplicas(ctx, object, live); err != nil {
		return nil, fmt.Errorf("leave the replicas of %s to its autoscaler: %w", object, err)
	}
	applied, err := d.patch(ctx, object, metav1.ApplyOptions{FieldManager: fieldManager})
	if conflicts := conflictsOf(err); len(conflicts) > 0 {
		if object, conflicts, err = d.leaveToAutoscaler(ctx, object, conflicts); err != nil {
			return nil, err
		}
		for _, conflict := range conflicts {
			d.progress(fmt.Sprintf("%s: taking over %s, set by %s", object, conflict.field, conflict.manager))
		}
		applied, err = d.patch(ctx, object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	}
	if err != nil {
		return nil, fmt.Errorf("apply %s: %w", object, err)
	}
	d.applied(object, resultOf(live, applied))
	return applied, nil
}

// resultOf compares resource versions, which change if and only if the
// object does. Before is nil for an object that was not there.
func resultOf(before, after *unstructured.Unstructured) Result {
	switch {
	case before == nil:
		return Created
	case before.GetResourceVersion() == after.GetResourceVersion():
		return Unchanged
	default:
		return Configured
	}
}

// live returns the object of that name as it is now, nil if there is none.
func (d *Deployer) live(ctx context.Context, object Object) (*unstructured.Unstructured, error) {
	live, err := d.resources(object).Get(ctx, object.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return live, err
}

func (d *Deployer) patch(ctx context.Context, object Object, opts metav1.ApplyOptions) (*unstructured.Unstructured, error) {
	return d.resources(object).Apply(ctx, object.GetName(), object.Unstructured, opts)
}

// tryOut applies an object as apply does, without keeping it. It returns what
// would be there, and the fields that would be taken over.
func (d *Deployer) tryOut(ctx context.Context, object Object, live *unstructured.Unstructured) (*unstructured.Unstructured, []conflict, error) {
	object, err := withReplicas(object, live)
	if err != nil {
		return nil, nil, err
	}
	opts := metav1.ApplyOptions{FieldManager: fieldManager, DryRun: []string{metav1.DryRunAll}}
	planned, err := d.patch(ctx, object, opts)
	conflicts := conflictsOf(err)
	if len(conflicts) > 0 {
		if object, conflicts, err = d.leaveToAutoscaler(ctx, object, conflicts); err != nil {
			return nil, nil, err
		}
		opts.Force = true
		planned, err = d.patch(ctx, object, opts)
	}
	return planned, conflicts, err
}

// tryOutNew creates an object without keeping it, under a name that no
// object has: a Job that is there cannot be changed.
func (d *Deployer) tryOutNew(ctx context.Context, object Object) (*unstructured.Unstructured, error) {
	unnamed := object.DeepCopy()
	unnamed.SetName("")
	unnamed.SetGenerateName("sitectl-")
	return d.resources(object).Create(ctx, unnamed, metav1.CreateOptions{
		FieldManager: fieldManager,
		DryRun:       []string{metav1.DryRunAll},
	})
}

// resources is where the objects of this kind and namespace are.
func (d *Deployer) resources(object Object) dynamic.ResourceInterface {
	if object.GetNamespace() == "" {
		return d.dynamic.Resource(object.resource())
	}
	return d.dynamic.Resource(object.resource()).Namespace(object.GetNamespace())
}

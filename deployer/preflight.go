package deployer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/sitectl/sitectl/site"
)

// oldestVersion is the first Kubernetes in which native sidecars are stable
// (KEP-753). Without them Varnish would stop before Apache and drop what is
// under way; before 1.29 the pod would not start at all.
const oldestVersion = "1.33"

// parallel is how many requests Preflight makes at a time.
const parallel = 8

// Finding is one reason why a deploy would not succeed.
type Finding struct {
	About   string `json:"about"` // object or permission: "Secret smtp"
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do
}

// PreflightError holds everything that was found.
type PreflightError struct{ Findings []Finding }

func (e *PreflightError) Error() string {
	var lines []string
	for _, f := range e.Findings {
		line := f.About + ": " + f.Message
		if f.Hint != "" {
			line += "\n  " + f.Hint
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// Preflight checks, without changing anything, that the cluster can be
// reached, is new enough, allows all that a deploy does, has the site's own
// Secrets and would take every object. All that is wrong is reported
// together, as *PreflightError. The image may be one that is not built yet,
// without a digest.
func (d *Deployer) Preflight(ctx context.Context, image site.Image) error {
	objects, err := d.objects(ctx, image)
	if err != nil {
		return err
	}
	var exists bool
	err = d.reach(ctx, func(ctx context.Context) (err error) {
		exists, err = d.namespaceExists(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("read Namespace %s: %w", d.site.Namespace, err)
	}
	checks := []func(context.Context) ([]Finding, error){
		d.checkVersion,
		func(ctx context.Context) ([]Finding, error) { return d.checkPermissions(ctx, objects, exists) },
		func(ctx context.Context) ([]Finding, error) { return d.checkSecrets(ctx, exists) },
	}
	if exists {
		_ = d.sightLock(ctx) // a holder that is dead by the time of Lock is known to be; Lock says what is wrong
		checks = append(checks, func(ctx context.Context) ([]Finding, error) { return d.checkObjects(ctx, objects) })
	}
	var findings []Finding
	for _, check := range checks {
		found, err := check(ctx)
		if err != nil {
			return err
		}
		findings = append(findings, found...)
	}
	if len(findings) > 0 {
		return &PreflightError{Findings: findings}
	}
	return nil
}

// namespaceExists takes a namespace that may not be read for one that exists:
// whoever may deploy into one namespace need not see it from outside.
func (d *Deployer) namespaceExists(ctx context.Context) (bool, error) {
	_, err := d.client.CoreV1().Namespaces().Get(ctx, d.site.Namespace, metav1.GetOptions{})
	switch {
	case err == nil, apierrors.IsForbidden(err):
		return true, nil
	case apierrors.IsNotFound(err):
		return false, nil
	default:
		return false, err
	}
}

func (d *Deployer) checkVersion(context.Context) ([]Finding, error) {
	info, err := d.client.Discovery().ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("ask for the version of Kubernetes: %w", err)
	}
	found, err := version.ParseGeneric(info.GitVersion)
	if err != nil || found.AtLeast(version.MustParseGeneric(oldestVersion)) {
		return nil, nil // a distribution's own numbering is no reason to stop
	}
	return []Finding{{
		About:   "Kubernetes " + info.GitVersion,
		Message: "too old, it must be " + oldestVersion + " at least",
		Hint:    "upgrade the cluster",
	}}, nil
}

// checkSecrets looks for the Secrets that the site file names.
func (d *Deployer) checkSecrets(ctx context.Context, exists bool) ([]Finding, error) {
	var findings []Finding
	for _, own := range ownSecrets(d.site) {
		name := own.name
		var secret *corev1.Secret
		err := error(apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name))
		if exists {
			secret, err = d.client.CoreV1().Secrets(d.site.Namespace).Get(ctx, name, metav1.GetOptions{})
		}
		switch {
		case err == nil:
			findings = append(findings, missingKeys(own, secret)...)
		case apierrors.IsNotFound(err):
			findings = append(findings, Finding{
				About:   "Secret " + name,
				Message: fmt.Sprintf("not in namespace %s", d.site.Namespace),
				Hint:    createSecretHint(d.site.Namespace, own, exists),
			})
		case apierrors.IsForbidden(err): // reported with the permissions
		case err != nil:
			return nil, fmt.Errorf("read Secret %s: %w", name, err)
		}
	}
	return findings, nil
}

// missingKeys reports keys without which pods would not start.
func missingKeys(own ownSecret, secret *corev1.Secret) []Finding {
	var findings []Finding
	for _, key := range own.keys {
		if len(secret.Data[key]) == 0 {
			findings = append(findings, Finding{
				About:   "Secret " + own.name,
				Message: fmt.Sprintf("has nothing under the key %s", key),
				Hint:    fmt.Sprintf("it needs the keys %s", strings.Join(own.keys, " and ")),
			})
		}
	}
	return findings
}

func createSecretHint(namespace string, secret ownSecret, exists bool) string {
	hint := fmt.Sprintf("kubectl -n %s create secret generic %s", namespace, secret.name)
	if len(secret.keys) == 0 {
		hint += " --from-file=KEY=FILE"
	}
	for _, key := range secret.keys {
		hint += fmt.Sprintf(" --from-file=%s=FILE", key)
	}
	if !exists {
		hint = fmt.Sprintf("kubectl create namespace %s && %s", namespace, hint)
	}
	return hint
}

// checkObjects has the API server apply every object without keeping it:
// schema, admission, quota, immutable fields.
func (d *Deployer) checkObjects(ctx context.Context, objects []Object) ([]Finding, error) {
	findings := make([][]Finding, len(objects))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, object := range objects {
		group.Go(func() (err error) {
			findings[i], err = d.checkObject(ctx, object)
			return err
		})
	}
	err := group.Wait()
	return slices.Concat(findings...), err
}

func (d *Deployer) checkObject(ctx context.Context, object Object) ([]Finding, error) {
	try := d.tryOut
	if object.Stage == StageMigrate {
		try = d.tryOutNew
	}
	_, err := try(ctx, object)
	var status apierrors.APIStatus
	switch {
	case err == nil, apierrors.IsForbidden(err) && object.GetKind() == "Namespace":
		return nil, nil // Apply leaves a namespace alone that is as it should be
	case errors.As(err, &status):
		return []Finding{{About: object.String(), Message: err.Error()}}, nil
	default:
		return nil, fmt.Errorf("try out %s: %w", object, err)
	}
}

// checkPermissions asks for each thing that a deploy does whether it may.
func (d *Deployer) checkPermissions(ctx context.Context, objects []Object, exists bool) ([]Finding, error) {
	if allowed, err := d.allowed(ctx, everything(d.site.Namespace)); allowed || err != nil {
		return nil, err
	}
	wanted := permissions(d.site.Namespace, objects, exists)
	findings := make([][]Finding, len(wanted))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, permission := range wanted {
		group.Go(func() error {
			allowed, err := d.allowed(ctx, permission)
			if err == nil && !allowed {
				findings[i] = []Finding{{
					About:   "permission to " + words(permission),
					Message: fmt.Sprintf("missing in namespace %s", d.site.Namespace),
					Hint:    "have it granted by a Role to the account of this kubeconfig context",
				}}
			}
			return err
		})
	}
	err := group.Wait()
	return slices.Concat(findings...), err
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

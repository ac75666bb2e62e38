package deployer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// checkSecrets looks for the Secrets that the site file names.
func (d *Deployer) checkSecrets(ctx context.Context, p preflight) ([]Finding, error) {
	secrets := ownSecrets(d.site)
	return each(ctx, len(secrets), parallel, func(ctx context.Context, i int) ([]Finding, error) {
		own := secrets[i]
		var secret *corev1.Secret
		err := error(apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, own.name))
		if p.exists {
			secret, err = d.client.CoreV1().Secrets(d.site.Namespace).Get(ctx, own.name, metav1.GetOptions{})
		}
		switch {
		case err == nil:
			return missingKeys(own, secret), nil
		case apierrors.IsNotFound(err):
			return []Finding{{
				About:   "Secret " + own.name,
				Message: fmt.Sprintf("not in namespace %s", d.site.Namespace),
				Hint:    createSecretHint(d.site.Namespace, own, p.exists),
			}}, nil
		case apierrors.IsForbidden(err): // reported with the permissions
			return nil, nil
		default:
			return nil, fmt.Errorf("read Secret %s: %w", own.name, err)
		}
	})
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

// checkKinds asks for the kinds that are no part of Kubernetes itself: a
// CustomResourceDefinition may be missing. In a namespace that is there, the
// dry run of the object tells.
func (d *Deployer) checkKinds(_ context.Context, p preflight) ([]Finding, error) {
	if p.exists {
		return nil, nil
	}
	var findings []Finding
	asked := map[schema.GroupVersionKind]bool{}
	for _, object := range p.objects {
		kind := object.GroupVersionKind()
		if scheme.Scheme.IsVersionRegistered(kind.GroupVersion()) || asked[kind] {
			continue
		}
		asked[kind] = true
		resources, err := d.client.Discovery().ServerResourcesForGroupVersion(kind.GroupVersion().String())
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("ask for the kinds of %s: %w", kind.GroupVersion(), err)
		}
		if resources == nil || !slices.ContainsFunc(resources.APIResources, func(r metav1.APIResource) bool { return r.Kind == kind.Kind }) {
			findings = append(findings, unknownKind(object))
		}
	}
	return findings, nil
}

func unknownKind(object Object) Finding {
	return Finding{
		About:   object.String(),
		Message: fmt.Sprintf("the cluster does not know the kind %s of %s", object.GetKind(), object.GetAPIVersion()),
		Hint:    "have an administrator install its CustomResourceDefinition",
	}
}

// claim is a volume that is to be made.
type claim struct {
	object Object // PersistentVolumeClaim or StatefulSet that asks for it
	class  string // empty for the cluster's default
}

// claims lists the volumes that objects ask for.
func claims(objects []Object) []claim {
	var list []claim
	for _, object := range objects {
		switch object.GetKind() {
		case "PersistentVolumeClaim":
			class, _, _ := unstructured.NestedString(object.Object, "spec", "storageClassName")
			list = append(list, claim{object, class})
		case "StatefulSet":
			templates := volumeTemplates(object.Unstructured)
			for _, name := range slices.Sorted(maps.Keys(templates)) {
				class, _, _ := unstructured.NestedString(templates[name], "spec", "storageClassName")
				list = append(list, claim{object, class})
			}
		}
	}
	return list
}

// checkStorageClasses looks for the classes of the volumes that are not there
// yet. Without one, a claim waits for ever, and its pod with it.
func (d *Deployer) checkStorageClasses(ctx context.Context, p preflight) ([]Finding, error) {
	var missing []claim
	for _, claim := range claims(p.objects) {
		live, err := d.visible(ctx, claim.object)
		if err != nil {
			return nil, err
		}
		if live == nil {
			missing = append(missing, claim)
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	list, err := d.client.StorageV1().StorageClasses().List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) {
		return unseen("storage class", "list storageclasses.storage.k8s.io"), nil
	}
	if err != nil {
		return nil, fmt.Errorf("list StorageClasses: %w", err)
	}
	var findings []Finding
	for _, claim := range missing {
		if found := judgeStorageClass(claim, list.Items); found != nil && !slices.Contains(findings, *found) {
			findings = append(findings, *found)
		}
	}
	return findings, nil
}

// judgeStorageClass says why no volume would come of a claim:
//
//	metadata:
//	  name: fast
//	  annotations:
//	    storageclass.kubernetes.io/is-default-class: "true"
func judgeStorageClass(claim claim, classes []storagev1.StorageClass) *Finding {
	var names []string
	hasDefault := false
	for _, class := range classes {
		names = append(names, class.Name)
		hasDefault = hasDefault || class.Annotations["storageclass.kubernetes.io/is-default-class"] == "true"
	}
	switch {
	case claim.class == "" && !hasDefault:
		return &Finding{
			About:   claim.object.String(),
			Message: "names no storage class, and the cluster has no default",
			Hint:    "name one in the site file, or have an administrator mark one as the default; " + thereIs(names),
		}
	case claim.class != "" && !slices.Contains(names, claim.class):
		return &Finding{
			About:   claim.object.String(),
			Message: fmt.Sprintf("the cluster has no storage class %q", claim.class),
			Hint:    "set storageClass to another one; " + thereIs(names),
		}
	default:
		return nil
	}
}

func thereIs(names []string) string {
	if len(names) == 0 {
		return "there is none"
	}
	slices.Sort(names)
	return "there is: " + strings.Join(names, ", ")
}

// checkIngressClasses looks for the classes that Ingresses name. Nobody
// serves an Ingress of a class that does not exist.
func (d *Deployer) checkIngressClasses(ctx context.Context, p preflight) ([]Finding, error) {
	ingresses := slices.DeleteFunc(slices.Clone(p.objects), func(o Object) bool { return o.GetKind() != "Ingress" })
	if len(ingresses) == 0 {
		return nil, nil
	}
	list, err := d.client.NetworkingV1().IngressClasses().List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) {
		return unseen("ingress class", "list ingressclasses.networking.k8s.io"), nil
	}
	if err != nil {
		return nil, fmt.Errorf("list IngressClasses: %w", err)
	}
	var findings []Finding
	for _, ingress := range ingresses {
		if found := judgeIngressClass(ingress, list.Items); found != nil {
			findings = append(findings, *found)
		}
	}
	return findings, nil
}

// judgeIngressClass only warns of an Ingress without a class: some
// controllers serve those, too.
func judgeIngressClass(ingress Object, classes []networkingv1.IngressClass) *Finding {
	var names []string
	hasDefault := false
	for _, class := range classes {
		names = append(names, class.Name)
		hasDefault = hasDefault || class.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true"
	}
	class, _, _ := unstructured.NestedString(ingress.Object, "spec", "ingressClassName")
	switch {
	case class == "" && !hasDefault:
		return &Finding{
			About:   ingress.String(),
			Message: "names no ingress class, and the cluster has no default: it may be that nobody serves it",
			Hint:    "set ingress.class; " + thereIs(names),
			Warning: true,
		}
	case class != "" && !slices.Contains(names, class):
		return &Finding{
			About:   ingress.String(),
			Message: fmt.Sprintf("the cluster has no ingress class %q", class),
			Hint:    "set ingress.class; " + thereIs(names),
		}
	default:
		return nil
	}
}

// issuers are the resources that cert-manager looks for, by the annotation
// that names one.
var issuers = map[string]schema.GroupVersionResource{
	"cert-manager.io/cluster-issuer": {Group: "cert-manager.io", Version: "v1", Resource: "clusterissuers"},
	"cert-manager.io/issuer":         {Group: "cert-manager.io", Version: "v1", Resource: "issuers"},
}

// checkIssuers looks for the issuers of certificates that objects name.
func (d *Deployer) checkIssuers(ctx context.Context, p preflight) ([]Finding, error) {
	var findings []Finding
	for _, object := range p.objects {
		for _, annotation := range slices.Sorted(maps.Keys(issuers)) {
			name := object.GetAnnotations()[annotation]
			if name == "" {
				continue
			}
			found, err := d.checkIssuer(ctx, issuers[annotation], name)
			if err != nil {
				return nil, err
			}
			findings = append(findings, found...)
		}
	}
	return findings, nil
}

func (d *Deployer) checkIssuer(ctx context.Context, resource schema.GroupVersionResource, name string) ([]Finding, error) {
	about, namespace := "ClusterIssuer "+name, ""
	if resource.Resource == "issuers" {
		about, namespace = "Issuer "+name, d.site.Namespace
	}
	issuer, err := d.dynamic.Resource(resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		return unseen(about, "get "+resource.GroupResource().String()), nil
	case isUnknownResource(err):
		return []Finding{{About: about, Message: "the cluster has no cert-manager", Hint: "have an administrator install it, or leave ingress.tls out"}}, nil
	case apierrors.IsNotFound(err):
		return []Finding{{About: about, Message: "does not exist", Hint: "set ingress.tls.issuer to one of kubectl get clusterissuers"}}, nil
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", about, err)
	}
	return judgeIssuer(about, issuer), nil
}

// judgeIssuer warns of an issuer that cannot issue now:
//
//	status:
//	  conditions:
//	  - type: Ready
//	    status: "False"
//	    message: 'Failed to register ACME account: …'
func judgeIssuer(about string, issuer *unstructured.Unstructured) []Finding {
	var status struct {
		Status struct {
			Conditions []metav1.Condition `json:"conditions"`
		} `json:"status"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(issuer.Object, &status); err != nil {
		return nil // of another version; whether it is ready is not ours to know
	}
	for _, condition := range status.Status.Conditions {
		if condition.Type == "Ready" && condition.Status == metav1.ConditionFalse {
			return []Finding{{About: about, Message: "is not ready: " + condition.Message, Warning: true}}
		}
	}
	return nil
}

// isUnknownResource tells a kind that the API server does not have from an
// object that it does not have: the former has no Status of its own, but one
// that the client made of a plain 404.
func isUnknownResource(err error) bool {
	return apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// volumeTemplates are the claims that a StatefulSet makes for each pod.
func volumeTemplates(set *unstructured.Unstructured) map[string]map[string]any {
	list, _, _ := unstructured.NestedSlice(set.Object, "spec", "volumeClaimTemplates")
	named := map[string]map[string]any{}
	for _, element := range list {
		if template, ok := element.(map[string]any); ok {
			name, _, _ := unstructured.NestedString(template, "metadata", "name")
			named[name] = template
		}
	}
	return named
}

// podSpecOf is the pod template of a workload; nil if it is none.
func podSpecOf(object *unstructured.Unstructured) *corev1.PodSpec {
	path := []string{"spec", "template", "spec"}
	if object.GetKind() == "CronJob" {
		path = append([]string{"spec", "jobTemplate"}, path...)
	}
	content, found, err := unstructured.NestedMap(object.Object, path...)
	if !found || err != nil {
		return nil
	}
	spec := &corev1.PodSpec{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, spec); err != nil {
		return nil
	}
	return spec
}

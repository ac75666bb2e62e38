package deployer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/sitectl/sitectl/site"
	"github.com/sitectl/sitectl/templates"
)

// siteImage stands for the image of the release in a manifest of the site's
// own. A container that has it becomes one of the site's: it gets what the
// containers of CronJobs have, unless the manifest says otherwise.
const siteImage = "${SITE_IMAGE}"

// ManifestError says what is wrong with a file of the folder .sitectl.
type ManifestError struct {
	File    string // ".sitectl/manifests/worker.yaml"
	Message string
	hint    string
}

func (e *ManifestError) Error() string { return e.File + ": " + e.Message }

// Hint says what to do about it.
func (e *ManifestError) Hint() string { return e.hint }

// manifests turns the manifests of a site's own into objects of the site.
type manifests struct {
	view        view
	rendered    []Object       // what sitectl renders
	pod         map[string]any // spec of a pod of the site
	annotations map[string]any // of such a pod
	objects     []Object
	errs        []error
}

// ownObjects reads the manifests of a site's own. All that is wrong with them
// is reported together.
func ownObjects(v view, files []site.OwnFile, rendered []Object) ([]Object, error) {
	if len(files) == 0 {
		return nil, nil
	}
	pod, err := render(rendering{StageCron, "cron.cronjob", newCronView(v.readBy("cron"), site.Cron{Name: "own", Command: []string{"true"}})})
	if err != nil {
		return nil, err
	}
	m := &manifests{view: v, rendered: rendered}
	m.pod, _, _ = unstructured.NestedMap(podTemplate(pod.Unstructured), "spec")
	for _, object := range rendered {
		if object.String() == "Deployment web" {
			m.annotations, _, _ = unstructured.NestedMap(podTemplate(object.Unstructured), "metadata", "annotations")
		}
	}
	for _, file := range files {
		m.read(file)
	}
	return m.objects, errors.Join(m.errs...)
}

// read reads the documents of a file.
func (m *manifests) read(file site.OwnFile) {
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(file.Content)))
	for number := 1; ; number++ {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		problem := &ManifestError{File: file.Path}
		if number > 1 {
			problem.File += fmt.Sprintf(", document %d", number)
		}
		if err != nil {
			problem.Message = err.Error()
			m.errs = append(m.errs, problem)
			return
		}
		object, err := decodeOwn(document)
		if err != nil {
			problem.Message = err.Error()
			m.errs = append(m.errs, problem)
			continue
		}
		if object == nil {
			continue // nothing but comments
		}
		if problem.Message, problem.hint = m.refuse(object); problem.Message != "" {
			m.errs = append(m.errs, problem)
			continue
		}
		m.complete(object)
		m.objects = append(m.objects, Object{Stage: stageOf(object), Unstructured: object})
	}
}

// decodeOwn decodes strictly what is of a known kind. Of a kind that somebody
// has added to the cluster the API server knows what is right.
func decodeOwn(document []byte) (*unstructured.Unstructured, error) {
	content := map[string]any{}
	if err := yaml.UnmarshalStrict(document, &content); err != nil || len(content) == 0 {
		return nil, err
	}
	object, err := decode(document)
	if !runtime.IsNotRegisteredError(err) {
		return object, err
	}
	object = &unstructured.Unstructured{Object: content}
	if object.GetAPIVersion() == "" || object.GetKind() == "" {
		return nil, errors.New("apiVersion and kind are needed")
	}
	return object, nil
}

// refuse says what a manifest of a site's own cannot be, and what to do.
func (m *manifests) refuse(object *unstructured.Unstructured) (message, hint string) {
	name := Object{Unstructured: object}.String()
	namespace := object.GetNamespace()
	switch kind := object.GetKind(); {
	case object.GetName() == "":
		return object.GetKind() + " has no name", ""
	case slices.Contains(clusterScoped, kind):
		return name + " does not belong to the site alone, it is one for the whole cluster", "have an administrator apply it"
	case namespace != "" && namespace != m.view.Namespace:
		return fmt.Sprintf("%s is in the namespace %s, and the site in %s", name, namespace, m.view.Namespace), "leave the namespace out"
	case kind == "Secret":
		return name + " would be readable in the repository, and in the record of each release", "create it in the cluster, and name it under secrets in the site file"
	case kind == "Pod" || kind == "Job":
		return name + " cannot be changed once it is there", "make it a Deployment or a CronJob, or a step of migrate in the site file"
	case has(m.rendered, object):
		return name + " is rendered by sitectl", "replace its template in " + site.TemplatesDir + ", or choose another name"
	case has(m.objects, object):
		return name + " is there twice", ""
	}
	for key, value := range m.labels() {
		if set := object.GetLabels()[key]; set != "" && set != value {
			return fmt.Sprintf("%s has the label %s: %s", name, key, set), "leave it out: sitectl sets it"
		}
	}
	return m.refusePod(object, name)
}

// ownNames are values of the label app.kubernetes.io/name by which sitectl
// finds pods of its own.
var ownNames = []string{"web", "mysql", "memcache", "redis", "cron", "migrate", "backup"}

func (m *manifests) refusePod(object *unstructured.Unstructured, name string) (message, hint string) {
	template := podTemplate(object)
	if template == nil {
		return "", ""
	}
	if part := labelOf(template, nameLabel, object.GetName()); slices.Contains(ownNames, part) {
		return fmt.Sprintf("the pods of %s would be taken for those of sitectl's own %s", name, part), "set another " + nameLabel + " in their labels"
	}
	for _, container := range podContainers(template) {
		image, _ := container["image"].(string)
		repository, _, _ := strings.Cut(m.view.Image, "@")
		repository = repository[:strings.LastIndex(repository, ":")]
		if image == repository || strings.HasPrefix(image, repository+":") || strings.Contains(image, siteImage) && image != siteImage {
			return fmt.Sprintf("%s runs the image %s, which is not the one of the release", name, image), "write image: " + siteImage
		}
	}
	return "", ""
}

// clusterScoped are the kinds of Kubernetes that are in no namespace.
var clusterScoped = []string{
	"APIService", "CertificateSigningRequest", "ClusterIssuer", "ClusterRole", "ClusterRoleBinding", "CSIDriver", "CSINode",
	"CustomResourceDefinition", "DeviceClass", "FlowSchema", "GatewayClass", "IngressClass", "IPAddress",
	"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "Namespace", "Node",
	"PersistentVolume", "PriorityClass", "PriorityLevelConfiguration", "ResourceSlice", "RuntimeClass", "ServiceCIDR",
	"StorageClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration",
	"VolumeAttachment", "VolumeAttributesClass",
}

func has(objects []Object, object *unstructured.Unstructured) bool {
	return slices.ContainsFunc(objects, func(o Object) bool {
		return o.GroupVersionKind().GroupKind() == object.GroupVersionKind().GroupKind() && o.GetName() == object.GetName()
	})
}

// stageOf puts what others stand on first. The rollout waits for Deployments.
func stageOf(object *unstructured.Unstructured) Stage {
	switch object.GetKind() {
	case "ConfigMap", "PersistentVolumeClaim", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy":
		return StageFoundation
	case "CronJob":
		return StageCron
	default:
		return StageWeb
	}
}

const nameLabel = "app.kubernetes.io/name"

// labels are those of every object of the site.
func (m *manifests) labels() map[string]string {
	return map[string]string{
		"app.kubernetes.io/instance":   m.view.Namespace,
		"app.kubernetes.io/managed-by": fieldManager,
	}
}

// complete makes an object one of the site.
func (m *manifests) complete(object *unstructured.Unstructured) {
	object.SetNamespace(m.view.Namespace)
	m.label(object.Object, object.GetName())
	template := podTemplate(object)
	if template == nil {
		return
	}
	if job, found, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "jobTemplate"); found {
		m.label(job.(map[string]any), object.GetName())
	}
	m.label(template, object.GetName())
	spec := section(template, "spec")
	for _, field := range []string{"enableServiceLinks", "imagePullSecrets"} {
		fallback(spec, field, m.pod[field])
	}
	if spec["serviceAccountName"] == nil {
		fallback(spec, "automountServiceAccountToken", false)
	}
	ours := false
	for _, container := range podContainers(template) {
		ours = m.completeContainer(container) || ours
	}
	if !ours {
		security := section(spec, "securityContext")
		fallback(security, "runAsNonRoot", true)
		fallback(security, "seccompProfile", map[string]any{"type": "RuntimeDefault"})
		return
	}
	fallback(spec, "securityContext", m.pod["securityContext"])
	spec["volumes"] = union(spec["volumes"], m.pod["volumes"], "name")
	metadata := section(template, "metadata")
	maps.Copy(section(metadata, "annotations"), runtime.DeepCopyJSON(m.annotations))
	section(metadata, "labels")["app.kubernetes.io/version"] = m.view.Tag
}

// completeContainer says whether a container runs the image of the site.
func (m *manifests) completeContainer(container map[string]any) bool {
	if container["image"] != siteImage {
		security := section(container, "securityContext")
		fallback(security, "allowPrivilegeEscalation", false)
		fallback(security, "capabilities", map[string]any{"drop": []any{"ALL"}})
		return false
	}
	like := m.pod["containers"].([]any)[0].(map[string]any)
	container["image"] = m.view.Image
	fallback(container, "securityContext", like["securityContext"])
	fallback(container, "resources", like["resources"])
	container["volumeMounts"] = union(container["volumeMounts"], like["volumeMounts"], "mountPath")
	return true
}

// label adds the site's labels to an object or a template of one.
func (m *manifests) label(object map[string]any, name string) {
	labels := section(section(object, "metadata"), "labels")
	fallback(labels, nameLabel, name)
	for key, value := range m.labels() {
		labels[key] = value
	}
}

// podTemplate is that of an object that makes pods; nil if it makes none. It
// is part of the object.
func podTemplate(object *unstructured.Unstructured) map[string]any {
	for _, path := range [][]string{{"spec", "template"}, {"spec", "jobTemplate", "spec", "template"}} {
		found, _, _ := unstructured.NestedFieldNoCopy(object.Object, path...)
		template, _ := found.(map[string]any)
		if _, isPod := template["spec"].(map[string]any); isPod {
			return template
		}
	}
	return nil
}

func podContainers(template map[string]any) []map[string]any {
	var containers []map[string]any
	spec := section(template, "spec")
	for _, field := range []string{"initContainers", "containers"} {
		list, _ := spec[field].([]any)
		for _, element := range list {
			if container, ok := element.(map[string]any); ok {
				containers = append(containers, container)
			}
		}
	}
	return containers
}

func labelOf(template map[string]any, key, otherwise string) string {
	if value, ok := section(section(template, "metadata"), "labels")[key].(string); ok {
		return value
	}
	return otherwise
}

// section returns a member of an object, which is made if it is not there.
func section(object map[string]any, name string) map[string]any {
	member, ok := object[name].(map[string]any)
	if !ok {
		member = map[string]any{}
		object[name] = member
	}
	return member
}

// fallback sets a field that the manifest leaves out.
func fallback(object map[string]any, field string, value any) {
	if _, set := object[field]; !set && value != nil {
		object[field] = runtime.DeepCopyJSONValue(value)
	}
}

// union adds the elements of more to list whose key is not in it.
func union(list, more any, key string) []any {
	all, _ := list.([]any)
	additional, _ := more.([]any)
	for _, element := range additional {
		value := element.(map[string]any)[key]
		if !slices.ContainsFunc(all, func(e any) bool { object, _ := e.(map[string]any); return object[key] == value }) {
			all = append(all, runtime.DeepCopyJSONValue(element))
		}
	}
	return all
}

// ownTemplates are the templates that a site replaces.
func ownTemplates(files []site.OwnFile) (templates.Own, error) {
	own := templates.Own{}
	var errs []error
	for _, file := range files {
		name := strings.TrimPrefix(file.Path, site.TemplatesDir+"/")
		known, err := replaceable()
		if err != nil {
			return nil, err
		}
		if !slices.Contains(known, name) {
			problem := &ManifestError{File: file.Path, Message: "there is no template of this name to replace"}
			problem.hint = "there is: " + strings.Join(known, ", ")
			if near := site.Nearest(name, known); near != "" {
				problem.hint = fmt.Sprintf("did you mean %s/%s?", site.TemplatesDir, near)
			}
			errs = append(errs, problem)
		}
		own[name] = string(file.Content)
	}
	return own, errors.Join(errs...)
}

// replaceable names the templates that a site can replace: what it is made of
// in the cluster. Those of its image are not among them.
func replaceable() ([]string, error) {
	var names []string
	err := templates.Walk(func(name string, _ []byte) error {
		folder, _, _ := strings.Cut(name, "/")
		if path.Ext(name) == ".mustache" && (folder == "kubernetes" || folder == "config") {
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

package deployer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/sitectl/sitectl/site"
	"github.com/sitectl/sitectl/templates"
)

// Stage is the step of a deploy in which an object goes to the cluster.
type Stage string

// The stages, in the order in which they come (Migrate may come after Web).
const (
	StageFoundation Stage = "foundation" // Apply: the namespace, configuration and data
	StageMigrate    Stage = "migrate"    // Migrate: the Job
	StageWeb        Stage = "web"        // Roll: the Deployment and the ways to it
	StageCron       Stage = "cron"       // Cron: the CronJobs
)

// Object is one rendered Kubernetes object.
type Object struct {
	Stage Stage
	*unstructured.Unstructured
}

// String returns the kind and the name: "Deployment web".
func (o Object) String() string { return o.GetKind() + " " + o.GetName() }

// resource is where the API server keeps objects of this kind. The plural is
// guessed, which is right for every kind rendered here.
func (o Object) resource() schema.GroupVersionResource {
	plural, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
	return plural
}

// rendering is a template and what it is rendered with.
type rendering struct {
	stage    Stage
	template string
	view     interface{ own() templates.Own }
}

// Objects renders every object of a site's namespace in the order in which
// they are applied. An image without a digest, one that is not built yet, is
// named by its tag. The migration Job is there as its first attempt. Secrets
// are not: their values are generated in the cluster, or come from the
// registry login, and are never rendered. In patch mode, nothing is.
func Objects(s site.Site, image site.Image) ([]Object, error) {
	return renderAll(s, site.Own{}, image, "")
}

// AllObjects are Objects, and what the site has besides.
func AllObjects(s site.Site, own site.Own, image site.Image) ([]Object, error) {
	return renderAll(s, own, image, "")
}

// renderAll renders the objects for a cluster in which the site's own Secrets
// have this checksum.
func renderAll(s site.Site, own site.Own, image site.Image, mounted string) ([]Object, error) {
	if s.Deploy != nil {
		return nil, errNotRendered
	}
	replaced, err := ownTemplates(own.Templates)
	if err != nil {
		return nil, err
	}
	v, err := newOwnView(s, image, replaced)
	if err != nil {
		return nil, err
	}
	v.SecretsChecksum = mounted
	var list []Object
	for _, r := range layout(v, s.Cron) {
		object, err := render(r)
		if err != nil {
			return nil, err
		}
		list = append(list, object)
	}
	besides, err := ownObjects(v, own.Manifests, list)
	return append(list, besides...), err
}

// objects are what a deploy of image applies. Every step takes its part from
// here, whatever is deployed: the site file, or a release of the history.
func (d *Deployer) objects(ctx context.Context, image site.Image) ([]Object, error) {
	if d.earlier != nil {
		if d.earlier.whole {
			return slices.Clone(d.earlier.objects), nil // a plan drops some
		}
		return d.earlier.takenBack(), nil
	}
	if d.patching() {
		return d.patches(ctx, image)
	}
	mounted, err := d.mountedChecksum(ctx)
	if err != nil {
		return nil, err
	}
	return renderAll(d.site, d.opts.Own, image, mounted)
}

// layout lists what a namespace holds.
func layout(v view, crons []site.Cron) []rendering {
	var list []rendering
	add := func(present bool, stage Stage, templates ...string) {
		for _, template := range templates {
			if present {
				name, _, _ := strings.Cut(template, ".")
				list = append(list, rendering{stage, template, v.readBy(name)})
			}
		}
	}
	add(true, StageFoundation, "namespace", "site.configmap")
	// What lets in comes before what shuts out everything else.
	add(v.Isolation != nil, StageFoundation, "web.networkpolicy")
	add(v.Isolation != nil && v.TLS, StageFoundation, "acme.networkpolicy")
	add(v.Isolation != nil, StageFoundation, "site.networkpolicy")
	add(true, StageFoundation, "apache.configmap")
	add(v.Varnish != nil, StageFoundation, "varnish.configmap")
	add(v.Files != nil, StageFoundation, "files.persistentvolumeclaim")
	add(v.MySQL != nil, StageFoundation, "mysql.service", "mysql.statefulset")
	add(v.External != nil, StageFoundation, "database.configmap")
	add(v.Memcache != nil, StageFoundation, "memcache.service", "memcache.statefulset")
	add(v.Memcache != nil && v.Memcache.Replicas > 1, StageFoundation, "memcache.poddisruptionbudget")
	add(v.Redis != nil, StageFoundation, "redis.service", "redis.statefulset")
	add(v.Store != nil, StageFoundation, "s3.configmap")
	add(v.Backup != nil, StageFoundation, backupTemplate(v.Backup))
	add(v.Migrate != nil, StageMigrate, "migrate.job")
	add(true, StageWeb, "web.service", "web.deployment")
	add(v.Autoscale != nil, StageWeb, "web.horizontalpodautoscaler")
	add(v.Disruptions != nil, StageWeb, "web.poddisruptionbudget")
	gateway := v.Ingress != nil && v.Ingress.Gateway != nil
	add(v.Ingress != nil && !gateway, StageWeb, "web.ingress")
	add(gateway, StageWeb, "web.httproute")
	for _, cron := range crons {
		list = append(list, rendering{StageCron, "cron.cronjob", newCronView(v.readBy("cron"), cron)})
	}
	return list
}

func render(r rendering) (Object, error) {
	name := "kubernetes/" + r.template + ".yaml"
	content, err := renderBy(nil, name, r.view)
	if err != nil {
		return Object{}, err
	}
	if own := r.view.own(); len(own) > 0 {
		usual := content
		if content, err = renderBy(own, name, r.view); err == nil {
			err = sameObject(usual, content)
		}
		if err != nil {
			return Object{}, &ManifestError{
				File: site.TemplatesDir, Message: err.Error(),
				hint: "sitectl render shows what comes of a template; without the file the usual one is taken",
			}
		}
	}
	return Object{Stage: r.stage, Unstructured: content}, nil
}

func renderBy(own templates.Own, name string, view any) (*unstructured.Unstructured, error) {
	text, err := own.Render(name, view)
	if err != nil {
		return nil, err
	}
	content, err := decode([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("template %s: %w", name, err)
	}
	return content, nil
}

// sameObject makes sure that a template of the site's own makes the object
// that the rest of sitectl looks for.
func sameObject(usual, own *unstructured.Unstructured) error {
	name := Object{Unstructured: usual}.String()
	same := usual.GroupVersionKind() == own.GroupVersionKind() && usual.GetName() == own.GetName() && usual.GetNamespace() == own.GetNamespace()
	if !same {
		return fmt.Errorf("a template makes %s in namespace %q instead of %s in %q", Object{Unstructured: own}, own.GetNamespace(), name, usual.GetNamespace())
	}
	if !carries(own.GetLabels(), usual.GetLabels()) {
		return fmt.Errorf("%s lacks labels by which sitectl knows it: %v", name, usual.GetLabels())
	}
	return nil
}

// kinds are all that is decoded strictly: those of Kubernetes itself, and
// those of the Gateway API.
var kinds = sync.OnceValue(func() *runtime.Scheme {
	kinds := runtime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(kinds))
	utilruntime.Must(gatewayv1.Install(kinds))
	return kinds
})

// decode reads one manifest. It must decode strictly into the type it claims
// to be, so that an unknown field or a wrong type never reaches a cluster.
// What is applied is the manifest as it stands: the typed object would add
// fields that nobody set, and server-side apply would own them.
func decode(manifest []byte) (*unstructured.Unstructured, error) {
	kinds := kinds()
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, kinds, kinds,
		json.SerializerOptions{Yaml: true, Strict: true})
	if _, _, err := strict.Decode(manifest, nil, nil); err != nil {
		return nil, err
	}
	data, err := yaml.YAMLToJSON(manifest)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	return object, object.UnmarshalJSON(data)
}

// Manifests writes objects as one stream of YAML documents, as kubectl
// reads it.
func Manifests(objects []Object) ([]byte, error) {
	var stream []byte
	for i, object := range objects {
		document, err := yaml.Marshal(object.Object)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", object, err)
		}
		if i > 0 {
			stream = append(stream, "---\n"...)
		}
		stream = append(stream, document...)
	}
	return stream, nil
}

// in returns the objects of one stage.
func in(stage Stage, objects []Object) []Object {
	var found []Object
	for _, object := range objects {
		if object.Stage == stage {
			found = append(found, object)
		}
	}
	return found
}

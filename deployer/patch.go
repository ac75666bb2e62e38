package deployer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sitectl/sitectl/site"
)

// errNotRendered is for who wants to see what is not rendered.
var errNotRendered = errors.New("nothing is rendered in patch mode (deploy.mode): sitectl plan says what changes in the namespace")

// imageAnnotation is on every pod of the site's image, and says which.
const imageAnnotation = "sitectl.dev/image"

// patching says whether somebody else has laid out the namespace. Then every
// step takes parts of objects, which server-side apply adds to what is there:
// the image, the rollout strategy, annotations.
func (d *Deployer) patching() bool { return d.site.Deploy != nil }

// container is the container of the Deployment web that has the site's code.
func (d *Deployer) container() string {
	if d.patching() {
		return d.site.Deploy.Container
	}
	return "web"
}

// patches returns what a deploy of image changes in a namespace that somebody
// else has laid out, and what it makes there: the place for backups, if there
// are any, and the migration Job, made of the pods of the Deployment web.
// Objects and containers that are not there are a *PreflightError.
func (d *Deployer) patches(ctx context.Context, image site.Image) ([]Object, error) {
	store, err := patchedStore(d.site)
	if err != nil {
		return nil, err
	}
	p := patcher{deployer: d, image: image, objects: store}
	for _, name := range d.site.Deploy.Deployments {
		if err := p.deployment(ctx, name); err != nil {
			return nil, err
		}
	}
	for _, name := range d.site.Deploy.CronJobs {
		if err := p.cronJob(ctx, name); err != nil {
			return nil, err
		}
	}
	if len(p.missing) > 0 {
		return nil, &PreflightError{Findings: p.missing}
	}
	return p.objects, nil
}

// patcher collects the objects of one image.
type patcher struct {
	deployer *Deployer
	image    site.Image
	objects  []Object
	missing  []Finding
}

func (p *patcher) deployment(ctx context.Context, name string) error {
	d := p.deployer
	var live *appsv1.Deployment
	err := d.reach(ctx, func(ctx context.Context) (err error) {
		live, err = d.client.AppsV1().Deployments(d.site.Namespace).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	if apierrors.IsNotFound(err) {
		p.miss("Deployment "+name, "is not in namespace "+d.site.Namespace)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read Deployment %s: %w", name, err)
	}
	pod := live.Spec.Template.Spec
	container, found := p.find("Deployment "+name, pod)
	if !found {
		return nil
	}
	if m := d.site.Migrate; name == "web" && m != nil && len(m.Steps) > 0 {
		job, err := p.job(pod, container)
		if err != nil {
			return fmt.Errorf("make a Job of Deployment web: %w", err)
		}
		p.objects = append(p.objects, job)
	}
	rollout := d.site.Web.Rollout
	p.add(StageWeb, "apps/v1", "Deployment", name, map[string]any{
		"minReadySeconds":         int64(rollout.MinReadySeconds),
		"progressDeadlineSeconds": rollout.ProgressDeadline.Seconds(),
		"strategy": map[string]any{
			"type":          string(appsv1.RollingUpdateDeploymentStrategyType),
			"rollingUpdate": map[string]any{"maxSurge": int64(rollout.MaxSurge), "maxUnavailable": int64(rollout.MaxUnavailable)},
		},
		"template": p.template(pod, container),
	})
	return nil
}

func (p *patcher) cronJob(ctx context.Context, name string) error {
	d := p.deployer
	live, err := d.client.BatchV1().CronJobs(d.site.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		p.miss("CronJob "+name, "is not in namespace "+d.site.Namespace)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read CronJob %s: %w", name, err)
	}
	pod := live.Spec.JobTemplate.Spec.Template.Spec
	if container, found := p.find("CronJob "+name, pod); found {
		p.add(StageCron, "batch/v1", "CronJob", name, map[string]any{
			"jobTemplate": map[string]any{"spec": map[string]any{"template": p.template(pod, container)}},
		})
	}
	return nil
}

func (p *patcher) miss(about, message string) {
	p.missing = append(p.missing, Finding{
		About: about, Message: message,
		Hint: "correct deploy in the site file, or have it laid out first: in patch mode, sitectl makes neither Deployments nor CronJobs",
	})
}

// find finds the container with the site's code: the one that the site file
// names, or the only one.
func (p *patcher) find(about string, pod corev1.PodSpec) (corev1.Container, bool) {
	if len(pod.Containers) == 1 {
		return pod.Containers[0], true
	}
	var names []string
	for _, container := range pod.Containers {
		if container.Name == p.deployer.site.Deploy.Container {
			return container, true
		}
		names = append(names, container.Name)
	}
	p.miss(about, fmt.Sprintf("has no container %s, only %s", p.deployer.site.Deploy.Container, strings.Join(names, " and ")))
	return corev1.Container{}, false
}

// template is the part of a pod template that changes: the image, wherever
// the site's code runs, and the annotation that says which.
func (p *patcher) template(pod corev1.PodSpec, container corev1.Container) map[string]any {
	changed := func(name string) map[string]any {
		return map[string]any{"name": name, "image": reference(p.image)}
	}
	spec := map[string]any{"containers": []any{changed(container.Name)}}
	var first []any
	for _, init := range pod.InitContainers {
		if p.own(init) {
			first = append(first, changed(init.Name))
		}
	}
	if len(first) > 0 {
		spec["initContainers"] = first
	}
	return map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{imageAnnotation: reference(p.image)}},
		"spec":     spec,
	}
}

// own says whether a container runs an image of the site, of any commit.
func (p *patcher) own(container corev1.Container) bool {
	rest, found := strings.CutPrefix(container.Image, p.image.Repository)
	return found && (rest == "" || rest[0] == ':' || rest[0] == '@')
}

func (p *patcher) add(stage Stage, apiVersion, kind, name string, spec map[string]any) {
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "spec": spec}}
	object.SetName(name)
	object.SetNamespace(p.deployer.site.Namespace)
	object.SetAnnotations(map[string]string{"kubernetes.io/change-cause": changeCause(p.image)})
	p.objects = append(p.objects, Object{Stage: stage, Unstructured: object})
}

// job makes the migration Job. Its pod is that of the Deployment web with the
// commands of the site file, without what makes it a web server: its labels,
// by which a Service would find it, its probes, ports and sidecars, and
// where its fellows have to be.
func (p *patcher) job(pod corev1.PodSpec, container corev1.Container) (Object, error) {
	migrate := p.deployer.site.Migrate
	spec := pod.DeepCopy()
	spec.RestartPolicy = corev1.RestartPolicyNever
	spec.TopologySpreadConstraints = nil
	if spec.Affinity != nil {
		spec.Affinity.PodAffinity, spec.Affinity.PodAntiAffinity = nil, nil
	}
	grace := int64(10) // see migrate.job.yaml
	spec.TerminationGracePeriodSeconds = &grace
	spec.InitContainers = slices.DeleteFunc(spec.InitContainers, func(c corev1.Container) bool {
		return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
	})
	for i, init := range spec.InitContainers {
		if p.own(init) {
			spec.InitContainers[i].Image = reference(p.image)
		}
	}
	for _, step := range migrate.Steps {
		spec.InitContainers = append(spec.InitContainers, p.step(step, container))
	}
	last := len(spec.InitContainers) - 1
	spec.Containers = spec.InitContainers[last:]
	spec.InitContainers = spec.InitContainers[:last:last]
	spec.Volumes = slices.DeleteFunc(spec.Volumes, func(v corev1.Volume) bool { return !mounts(spec, v.Name) })

	labels := map[string]string{
		"app.kubernetes.io/name":       "migrate",
		"app.kubernetes.io/instance":   p.deployer.site.Namespace,
		"app.kubernetes.io/managed-by": fieldManager,
		"app.kubernetes.io/version":    p.image.Tag,
	}
	annotations := map[string]string{imageAnnotation: reference(p.image)}
	limit, retries := migrate.Timeout.Seconds(), int32(0)
	job := &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Name: jobName(p.image.Tag, 1), Namespace: p.deployer.site.Namespace, Labels: labels, Annotations: annotations,
		},
		Spec: batchv1.JobSpec{
			BackoffLimit:          &retries,
			ActiveDeadlineSeconds: &limit,
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{
					Labels:      labels,
					Annotations: with(map[string]string{imageAnnotation: reference(p.image)}, "cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
				},
				Spec: *spec,
			},
		},
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(job)
	if err != nil {
		return Object{}, err
	}
	unstructured.RemoveNestedField(content, "status")
	return Object{Stage: StageMigrate, Unstructured: &unstructured.Unstructured{Object: content}}, nil
}

// step is the container of one step.
func (p *patcher) step(step site.MigrateStep, of corev1.Container) corev1.Container {
	container := *of.DeepCopy()
	container.Name, container.Image = step.Name, reference(p.image)
	container.Command, container.Args = verbatim(step.Command), nil
	container.Ports, container.Lifecycle = nil, nil
	container.StartupProbe, container.ReadinessProbe, container.LivenessProbe = nil, nil, nil
	return container
}

// mounts says whether any container of a pod mounts a volume.
func mounts(pod *corev1.PodSpec, volume string) bool {
	return slices.ContainsFunc(slices.Concat(pod.InitContainers, pod.Containers), func(c corev1.Container) bool {
		return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume }) ||
			slices.ContainsFunc(c.VolumeDevices, func(m corev1.VolumeDevice) bool { return m.Name == volume })
	})
}

// checkUnused warns of what the commit brings along for environments that
// sitectl lays out: in patch mode it is left alone.
func (d *Deployer) checkUnused(context.Context, preflight) ([]Finding, error) {
	if !d.patching() {
		return nil, nil
	}
	var findings []Finding
	for _, file := range slices.Concat(d.opts.Own.Manifests, d.opts.Own.Templates) {
		findings = append(findings, Finding{
			About:   file.Path,
			Message: "is not applied in patch mode (deploy.mode)",
			Hint:    "lay it out where the rest of the namespace is",
			Warning: true,
		})
	}
	return findings, nil
}

// patchedKinds stand for the objects of patch mode where only their kinds
// count.
func patchedKinds(s site.Site) ([]Object, error) {
	kinds := []string{"apps/v1 Deployment", "batch/v1 CronJob"}
	if s.Migrate != nil {
		kinds = append(kinds, "batch/v1 Job")
	}
	objects, err := patchedStore(s)
	for _, kind := range kinds {
		apiVersion, name, _ := strings.Cut(kind, " ")
		object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": name}}
		object.SetNamespace(s.Namespace)
		objects = append(objects, Object{Unstructured: object})
	}
	return objects, err
}

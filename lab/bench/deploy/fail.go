package deploy

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// verdictAim is in how many seconds a release that cannot work is known not
// to, and deadline is how long kubectl waits: ten minutes, if nobody says
// otherwise.
const (
	verdictAim = 15
	deadline   = time.Minute
)

// failure is a release that cannot work.
type failure struct {
	name    string
	command []string       // of the image; none if there is no image
	web     map[string]any // of the site file, besides what all have
	more    map[string]any // of the site file
	worker  string         // manifest of what the site has besides, which is what does not work
	noLogin bool           // the registry refuses the login
	prepare func(ctx context.Context, b *bench, namespace string) error
}

func failures(bad string) []failure {
	serve := []string{"/pod", "serve"}
	return []failure{
		{name: "crash loop", command: []string{"/pod", "crash"}},
		{name: "image not found"},
		{name: "unauthorised pull", command: serve, noLogin: true},
		{name: "command not found", command: []string{"/drush"}},
		{name: "config error", command: serve, worker: worker("[/pod, serve]", "", "env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: registry, key: nobody-has-set-it}}}]")},
		{name: "init container", command: serve, worker: worker("[/pod, serve]", `initContainers: [{name: first, image: "${SITE_IMAGE}", command: [/pod, crash]}]`)},
		{name: "sidecar", command: serve, web: map[string]any{"varnish": map[string]any{"image": bad, "memory": "16Mi"}}},
		{name: "out of memory", command: []string{"/pod", "eat"}},
		{name: "failing readiness", command: serve, web: map[string]any{"health": map[string]any{"path": "/nowhere"}}},
		{name: "quota", command: serve, prepare: quota},
		{name: "admission", command: serve, prepare: limits},
		{name: "volume", command: serve, more: map[string]any{"secrets": []string{"nobody-has-made-it"}}},
		{name: "evicted", command: serve, worker: worker("[/pod, flood]", "",
			"resources: {limits: {ephemeral-storage: 1Mi}}", "readinessProbe: {httpGet: {path: /, port: 8080}}")},
		{name: "unschedulable", command: serve, web: map[string]any{"resources": map[string]any{"cpu": "10m", "memory": "4Ti"}}},
	}
}

// worker is the manifest of a Deployment besides web, with a line of its pods'
// own and further ones of their container's.
func worker(command, pod string, container ...string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  replicas: 1
  progressDeadlineSeconds: %d
  selector: {matchLabels: {app.kubernetes.io/name: worker}}
  template:
    spec:
      %s
      containers:
      - name: worker
        image: ${SITE_IMAGE}
        command: %s
        %s
`, deadline/time.Second, pod, command, strings.Join(container, "\n        "))
}

// workload is the Deployment that does not come up.
func (f failure) workload() string {
	if f.worker != "" {
		return "deployment/worker"
	}
	return "deployment/web"
}

// quota leaves no room for a pod.
func quota(ctx context.Context, b *bench, namespace string) error {
	_, err := b.cluster.CoreV1().ResourceQuotas(namespace).Create(ctx, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "bench"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}},
	}, metav1.CreateOptions{})
	return err
}

// limits refuses every pod of the site.
func limits(ctx context.Context, b *bench, namespace string) error {
	_, err := b.cluster.CoreV1().LimitRanges(namespace).Create(ctx, &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Name: "bench"},
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("8Mi")},
		}}},
	}, metav1.CreateOptions{})
	return err
}

// fail measures how long either side takes to say that a release cannot work.
// Those of kubectl wait next to each other, as it is their deadline that ends
// them; its own one, as every pod that takes the place of an evicted one starts
// that of the Deployment again.
func (b *bench) fail(ctx context.Context, r *Results) error {
	bad := b.image("bad") + ":crash"
	if err := b.images.push(ctx, bad, "/pod", "crash"); err != nil {
		return err
	}
	kinds := failures(bad)
	sites := make([]*site, len(kinds))
	r.Verdicts = make([]Verdict, len(kinds))
	for i, kind := range kinds {
		r.Verdicts[i].Name = kind.name
		var err error
		if sites[i], err = b.failing(ctx, i, kind); err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
	}
	b.Say("deploy: %d releases that cannot work, with kubectl, which waits for %s", len(kinds), deadline)
	var waiting sync.WaitGroup
	for i, s := range sites {
		waiting.Go(func() {
			r.Verdicts[i].Kubectl = b.kubectl(ctx, s, "apply --filename "+s.folder+".yaml",
				fmt.Sprintf("rollout status %s --timeout %s", kinds[i].workload(), deadline))
		})
	}
	waiting.Wait()
	for _, s := range sites {
		if err := b.cluster.CoreV1().Namespaces().Delete(ctx, s.namespace(byKubectl), metav1.DeleteOptions{}); err != nil {
			return err
		}
	}
	for i, s := range sites {
		b.Say("deploy: %s, with sitectl", kinds[i].name)
		var env []string
		if kinds[i].noLogin {
			env = []string{"DOCKER_CONFIG=" + filepath.Join(b.Folder, "refused")}
		}
		r.Verdicts[i].Sitectl = b.sitectl(ctx, s, env, "deploy")
	}
	return ctx.Err()
}

// failing makes the site of a failure on both sides.
func (b *bench) failing(ctx context.Context, number int, kind failure) (*site, error) {
	web := map[string]any{
		"replicas": 1, "resources": map[string]any{"cpu": "10m", "memory": "64Mi"},
		"rollout": map[string]any{"progressDeadline": deadline.String(), "minReadySeconds": 1},
	}
	maps.Copy(web, kind.web)
	name := fmt.Sprintf("bad-%d", number+1)
	s, err := newSite(ctx, b.Folder, name, b.image(name), web, kind.more)
	if err != nil {
		return nil, err
	}
	if kind.worker != "" {
		if err := s.add(ctx, ".sitectl/manifests/worker.yaml", kind.worker); err != nil {
			return nil, err
		}
	}
	if kind.command != nil {
		if err := b.images.push(ctx, s.reference(), kind.command...); err != nil {
			return nil, err
		}
	}
	if kind.noLogin {
		if err := b.writeRefused(); err != nil {
			return nil, err
		}
	}
	for _, side := range []string{bySitectl, byKubectl} {
		if err := b.space(ctx, s.namespace(side), side == byKubectl && !kind.noLogin); err != nil {
			return nil, err
		}
		if kind.prepare != nil {
			if err := kind.prepare(ctx, b, s.namespace(side)); err != nil {
				return nil, err
			}
		}
	}
	return s, b.manifests(ctx, s)
}

// writeRefused writes a docker configuration with a login that is none.
func (b *bench) writeRefused() error {
	folder := filepath.Join(b.Folder, "refused")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	auth := base64.StdEncoding.EncodeToString([]byte("robot:wrong"))
	text := fmt.Appendf(nil, "{\"auths\": {%q: {\"auth\": %q}}}\n", os.Getenv("SITECTL_REGISTRY"), auth)
	return os.WriteFile(filepath.Join(folder, "config.json"), text, 0o600)
}

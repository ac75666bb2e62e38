//go:build lab

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/sitectl/sitectl/deployer"
)

const varnishImage = "varnish:7.7"

// TestPatchMode ships into a namespace as the Ansible role flightdeck_cluster
// lays it out: pods of two containers with labels of the role's own, a tag
// that moves, and nothing that sitectl would have made. The database, which is
// backed up, is in another namespace.
func TestPatchMode(t *testing.T) {
	t.Parallel()
	data := newLabSite(t, "patch-data")
	data.ship(t)
	entry := data.leave(t, "before the backup")
	s := newLabSample(t, "brochure", "patch")
	s.write(t, "public/ok.php", "<?php echo 'first';\n")
	s.write(t, "migrate.php", "<?php echo 'migrated as ', getenv('T7_SITE_ENVIRONMENT'), \"\\n\";\n")
	s.edit(t, func(file map[string]any) {
		file["deploy"] = map[string]any{"mode": "patch", "cronJobs": []string{"cron"}}
		file["migrate"] = map[string]any{"reversible": true, "backup": map[string]any{"size": "1Gi"}, "steps": []any{
			map[string]any{"name": "hello", "command": []string{"php", "migrate.php"}},
		}}
		file["database"] = map[string]any{"external": map[string]any{
			"host": "mysql." + data.namespace + ".svc", "name": "site", "secret": "database-login",
		}}
		file["web"] = map[string]any{
			"rollout": map[string]any{"minReadySeconds": 4, "progressDeadline": "1m"},
			"verify":  map[string]any{"path": "/ok.php", "contains": "first"},
		}
	})
	s.commit(t, "into a namespace of somebody else's")
	image := strings.TrimSpace(s.succeed(t, "build").stdout)
	s.flightDeck(t, image)
	missing := s.sitectl(t, "ship")
	assert.Equal(t, int(statusFailed), missing.status)
	assert.Contains(t, missing.stderr, "Secret database-login: not in namespace")
	s.copyLogin(t, data)

	plan := s.succeed(t, "plan").stdout
	assert.Contains(t, plan, "taken over: spec.template.spec.containers[name=\"web\"].image (OpenAPI-Generator)")
	assert.NotContains(t, plan, "Secret")
	first := s.ship(t)
	assert.Equal(t, "shipped", first.Outcome)
	assert.Equal(t, image, s.webImage(t))
	s.isTheirs(t)
	cron, err := s.cluster.BatchV1().CronJobs(s.namespace).Get(t.Context(), "cron", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, image, cron.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Image)
	assert.Contains(t, s.succeed(t, "status").stdout, first.Image.Tag)

	later := data.leave(t, "after the backup")
	var backups []deployer.Backup
	s.decode(t, &backups, "backup", "--list", "--output", "json")
	require.Len(t, backups, 1)
	s.succeed(t, "restore-db", backups[0].Name, "--confirm", s.address)
	assert.Contains(t, data.page(t, entry), "before the backup")
	response, body := data.request(t, http.MethodGet, later, nil)
	assert.Equal(t, http.StatusNotFound, response.StatusCode, body)
	assert.Contains(t, s.succeed(t, "ship").stderr, "migrated as live", "the data may be older than the code")

	again := s.ship(t)
	assert.Equal(t, "running", again.Outcome)

	s.ownDockerfile(t, image, "RUN echo 'NoSuchDirective on' >>/etc/apache2/apache2.conf")
	s.commit(t, "a bad release")
	bad := s.sitectl(t, "ship")
	assert.Equal(t, int(statusRollout), bad.status)
	assert.Contains(t, bad.stderr, "container web")
	assert.Contains(t, bad.stderr, "The site was put back")
	assert.Equal(t, image, s.webImage(t))
	s.isTheirs(t)
}

// copyLogin gives a site the login for the database of another one.
func (s *labSite) copyLogin(t *testing.T, of *labSite) {
	t.Helper()
	login, err := s.cluster.CoreV1().Secrets(of.namespace).Get(t.Context(), "database", metav1.GetOptions{})
	require.NoError(t, err)
	_, err = s.cluster.CoreV1().Secrets(s.namespace).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "database-login"},
		Data:       map[string][]byte{"user": login.Data["user"], "password": login.Data["password"]},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

func (s *labSite) webImage(t *testing.T) string {
	t.Helper()
	web, err := s.cluster.AppsV1().Deployments(s.namespace).Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, web.Status.Replicas, web.Status.AvailableReplicas)
	return web.Spec.Template.Spec.Containers[0].Image
}

// isTheirs checks that what sitectl does not know about is as it was laid out.
func (s *labSite) isTheirs(t *testing.T) {
	t.Helper()
	web, err := s.cluster.AppsV1().Deployments(s.namespace).Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"app": "web"}, web.Spec.Template.Labels)
	assert.Equal(t, "live", web.Spec.Template.Spec.Containers[0].Env[0].Value)
	require.Len(t, web.Spec.Template.Spec.Containers, 2)
	assert.Equal(t, varnishImage, web.Spec.Template.Spec.Containers[1].Image)
	namespace, err := s.cluster.CoreV1().Namespaces().Get(t.Context(), s.namespace, metav1.GetOptions{})
	require.NoError(t, err)
	assert.NotContains(t, namespace.Labels, "app.kubernetes.io/managed-by")
}

// flightDeck lays the namespace out, with the image by its tag alone.
func (s *labSite) flightDeck(t *testing.T, image string) {
	t.Helper()
	ctx, labels := t.Context(), map[string]string{"app": "web"}
	image, _, _ = strings.Cut(image, "@")
	login, err := os.ReadFile(filepath.Join(lab(t, "DOCKER_CONFIG"), "config.json"))
	require.NoError(t, err)
	folders := []string{"/tmp", "/run"}
	web := corev1.Container{
		Name: "web", Image: image, ImagePullPolicy: corev1.PullAlways, Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
		Env: []corev1.EnvVar{{Name: "T7_SITE_ENVIRONMENT", Value: "live"}},
	}
	varnish := corev1.Container{
		Name: "varnish", Image: varnishImage, Command: []string{"sleep", "infinity"},
		Ports: []corev1.ContainerPort{{Name: "varnish-http", ContainerPort: 6081}, {Name: "varnish-control", ContainerPort: 6082}},
	}
	pod := corev1.PodSpec{
		ImagePullSecrets:              []corev1.LocalObjectReference{{Name: "gitlab"}},
		Containers:                    []corev1.Container{web, varnish},
		TerminationGracePeriodSeconds: new(int64),
	}
	for _, folder := range folders {
		name := "vol" + strings.ReplaceAll(folder, "/", "-")
		pod.Volumes = append(pod.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
		pod.Containers[0].VolumeMounts = append(pod.Containers[0].VolumeMounts, corev1.VolumeMount{Name: name, MountPath: folder})
	}
	job := corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyOnFailure, ImagePullSecrets: pod.ImagePullSecrets,
		Containers: []corev1.Container{{Name: "cron", Image: image, Command: []string{"true"}}},
	}

	_, err = s.cluster.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = s.cluster.CoreV1().Secrets(s.namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "gitlab"}, Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: login},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = s.cluster.CoreV1().Services(s.namespace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{
			{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}, {Name: "varnish", Port: 6081},
		}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = s.cluster.AppsV1().Deployments(s.namespace).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod},
		},
	}, metav1.CreateOptions{FieldManager: "OpenAPI-Generator"}) // Ansible's client
	require.NoError(t, err)
	_, err = s.cluster.BatchV1().CronJobs(s.namespace).Create(ctx, &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Name: "cron"},
		Spec: batchv1.CronJobSpec{
			Schedule: "0 4 * * *", ConcurrencyPolicy: batchv1.ForbidConcurrent,
			JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: job}}},
		},
	}, metav1.CreateOptions{FieldManager: "OpenAPI-Generator"})
	require.NoError(t, err)
}

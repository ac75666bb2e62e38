//go:build lab

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// lab returns a variable of `lab env`.
func lab(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	require.NotEmpty(t, value, "%s is not set: run the lab tests with make test", name)
	return value
}

// TestPipelineImage builds the image, looks at it, and builds a site in a pod
// of it.
func TestPipelineImage(t *testing.T) {
	o := options{image: lab(t, "SITECTL_REGISTRY") + "/test/pipelines", version: "v0.0.0-test", root: "../.."}
	reference, size, err := o.build(t.Context())
	require.NoError(t, err)
	t.Logf("%s has %.1f MB to pull", reference, float64(size)/1e6)
	assert.Less(t, size, int64(150e6))

	t.Run("is nobody's in particular", func(t *testing.T) {
		config := configOf(t, o.image+":v0.0.0-test")
		assert.Equal(t, "1000:1000", config.Config.User)
		assert.Equal(t, "v0.0.0-test", config.Config.Labels["dev.sitectl.version"])
		assert.Equal(t, config, configOf(t, o.image+":latest"))
	})
	t.Run("builds a site", func(t *testing.T) {
		log := runPod(t, reference, `
			set -eux
			id -u
			cd "$(mktemp -d)"
			printf 'site: example.com\nimage: '$SITECTL_REGISTRY'/test/pipelines-site\nbuild: {dockerfile: Dockerfile}\n' > site.yaml
			printf 'FROM debian:trixie-slim\nRUN find / -xdev -type f -perm /6000 -exec chmod ug-s {} +\nUSER 10001:10001\n' > Dockerfile
			git init -q .
			git add --all
			git -c user.name=Ada -c user.email=ada@example.com commit -q -m site
			sitectl build --verbose --rebuild
		`)
		assert.Contains(t, log, "\n1000\n")
		assert.Contains(t, log, lab(t, "SITECTL_REGISTRY")+"/test/pipelines-site:")
	})
}

func configOf(t *testing.T, reference string) *v1.ConfigFile {
	t.Helper()
	parsed, err := name.ParseReference(reference)
	require.NoError(t, err)
	transport, err := transport()
	require.NoError(t, err)
	image, err := remote.Image(parsed, remote.WithTransport(transport), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	require.NoError(t, err)
	config, err := image.ConfigFile()
	require.NoError(t, err)
	return config
}

// runPod runs a script in a pod of the image, as a runner for Kubernetes would
// have to: the README says what such a pod needs. It returns the pod's log.
func runPod(t *testing.T, image, script string) string {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", lab(t, "KUBECONFIG"))
	require.NoError(t, err)
	cluster, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	namespace, err := cluster.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "pipeline-image-"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = cluster.CoreV1().Namespaces().Delete(context.Background(), namespace.Name, metav1.DeleteOptions{})
	})
	login, err := os.ReadFile(filepath.Join(lab(t, "DOCKER_CONFIG"), "config.json"))
	require.NoError(t, err)
	authority, err := os.ReadFile(lab(t, "SITECTL_REGISTRY_CA"))
	require.NoError(t, err)
	_, err = cluster.CoreV1().Secrets(namespace.Name).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "registry"}, Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: login, "config.json": login, "ca.pem": authority},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	pods := cluster.CoreV1().Pods(namespace.Name)
	_, err = pods.Create(t.Context(), builderPod(t, image, script), metav1.CreateOptions{})
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var pod *corev1.Pod
	err = wait.PollUntilContextCancel(ctx, 500*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		pod, err = pods.Get(ctx, "builder", metav1.GetOptions{})
		return err == nil && (pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed), err
	})
	require.NoError(t, err, "%+v", pod)
	stream, err := pods.GetLogs("builder", &corev1.PodLogOptions{}).Stream(t.Context())
	require.NoError(t, err)
	defer stream.Close()
	log, err := io.ReadAll(stream)
	require.NoError(t, err)
	require.Equal(t, corev1.PodSucceeded, pod.Status.Phase, string(log))
	return string(log)
}

// builderPod is in the network of its node, where the lab's registry is.
func builderPod(t *testing.T, image, script string) *corev1.Pod {
	t.Helper()
	yes, user := true, int64(1000)
	variables := []corev1.EnvVar{{Name: "DOCKER_CONFIG", Value: "/registry"}, {Name: "SITECTL_REGISTRY_CA", Value: "/registry/ca.pem"}}
	for _, name := range []string{"SITECTL_REGISTRY", "SITECTL_REGISTRY_MIRRORS"} {
		variables = append(variables, corev1.EnvVar{Name: name, Value: lab(t, name)})
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "builder"},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, HostNetwork: true,
			ImagePullSecrets: []corev1.LocalObjectReference{{Name: "registry"}},
			Containers: []corev1.Container{{
				Name: "builder", Image: image, Command: []string{"bash", "-c", script}, Env: variables,
				SecurityContext: &corev1.SecurityContext{
					RunAsNonRoot: &yes, RunAsUser: &user, AllowPrivilegeEscalation: &yes, // for newuidmap and newgidmap
					SeccompProfile:  &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined},
					AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined},
				},
				VolumeMounts: []corev1.VolumeMount{{Name: "registry", MountPath: "/registry"}, {Name: "cache", MountPath: "/var/cache/sitectl"}},
			}},
			Volumes: []corev1.Volume{
				{Name: "registry", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "registry"}}},
				{Name: "cache", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
		},
	}
}

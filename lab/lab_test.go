//go:build lab

package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	watchtools "k8s.io/client-go/tools/watch"
)

// image is one that the lab's mirror of docker.io has.
const image = "debian:trixie-slim"

// The user of the pods, and of no one on the machine.
const user = 10001

func TestAPodResolvesAServiceName(t *testing.T) {
	ns := newNamespace(t)
	service, err := ns.client.CoreV1().Services(ns.name).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}, Selector: map[string]string{"app": "web"}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)

	ns.create(t, restrictedPod("resolver", `
		set -e
		getent ahostsv4 web
		getent ahostsv4 kubernetes.default.svc.cluster.local
		getent ahostsv4 deb.debian.org >/dev/null`))
	log := ns.completes(t, "resolver")
	assert.Contains(t, log, service.Spec.ClusterIP)
	assert.Contains(t, log, "10.96.0.1 ")
}

func TestAPodKeepsFilesOnAVolume(t *testing.T) {
	for _, mode := range []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce, corev1.ReadWriteMany} {
		t.Run(string(mode), func(t *testing.T) {
			ns := newNamespace(t)
			ns.claim(t, "files", mode)

			// Not root, so only fsGroup lets it write.
			ns.create(t, withVolume(restrictedPod("writer", "echo kept >/files/note; id -u; stat -c %g /files"), "files"))
			assert.Equal(t, fmt.Sprintf("%d\n%d\n", user, user), ns.completes(t, "writer"))

			ns.create(t, withVolume(restrictedPod("reader", "cat /files/note"), "files"))
			assert.Equal(t, "kept\n", ns.completes(t, "reader"))
		})
	}
}

func TestTwoPodsShareAVolume(t *testing.T) {
	ns := newNamespace(t)
	ns.claim(t, "files", corev1.ReadWriteMany)
	// Each waits for the other's file.
	ns.create(t, withVolume(restrictedPod("one", "touch /files/one; until [ -e /files/two ]; do sleep 0.1; done"), "files"))
	ns.create(t, withVolume(restrictedPod("two", "touch /files/two; until [ -e /files/one ]; do sleep 0.1; done"), "files"))
	ns.completes(t, "one")
	ns.completes(t, "two")
}

func TestAPrivateImageNeedsAPullSecret(t *testing.T) {
	ns := newNamespace(t)
	private := environment(t, "SITECTL_REGISTRY") + "/library/" + image

	without := restrictedPod("without", "true")
	without.Spec.Containers[0].Image = private
	without.Spec.Containers[0].ImagePullPolicy = corev1.PullAlways
	ns.create(t, without)
	pod := ns.await(t, "without", func(pod *corev1.Pod) bool { return waiting(pod).Reason == "ErrImagePull" })
	assert.Contains(t, waiting(pod).Message, private)
	assert.Contains(t, waiting(pod).Message, "no basic auth credentials")

	ns.pullSecret(t, "registry")
	with := without.DeepCopy()
	with.Name = "with"
	with.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}}
	ns.create(t, with)
	ns.completes(t, "with")
}

func TestARestrictedNamespaceRefusesRoot(t *testing.T) {
	ns := newNamespace(t)
	pod := restrictedPod("root", "true")
	root, no := int64(0), false
	pod.Spec.SecurityContext.RunAsUser = &root
	pod.Spec.SecurityContext.RunAsNonRoot = &no
	_, err := ns.client.CoreV1().Pods(ns.name).Create(t.Context(), pod, metav1.CreateOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	assert.ErrorContains(t, err, `violates PodSecurity "restricted:latest"`)
	assert.ErrorContains(t, err, "runAsNonRoot")
}

func TestAPodIsReachedThroughTheIngress(t *testing.T) {
	ns := newNamespace(t)
	pod := restrictedPod("web", `exec perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die;
		while (my $c = $s->accept) {
			while (defined(my $l = <$c>)) { last if $l eq "\r\n" }
			print $c "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
			close $c;
		}'`)
	pod.Labels = map[string]string{"app": "web"}
	pod.Spec.Containers[0].ReadinessProbe = &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}},
		PeriodSeconds: 1,
	}
	ns.create(t, pod)
	host := ns.name + ".example.com"
	ns.expose(t, "web", 8080, host)
	assert.Equal(t, "hello", ns.eventuallyAnswers(t, host))
}

// namespace is one of its own for a test, which enforces the restricted Pod
// Security Standard.
type namespace struct {
	name   string
	client kubernetes.Interface
}

func newNamespace(t *testing.T) namespace {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", environment(t, "KUBECONFIG"))
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	created, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "lab-test-",
		Labels:       map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		// The test's own context is cancelled by now.
		err := client.CoreV1().Namespaces().Delete(context.Background(), created.Name, metav1.DeleteOptions{})
		assert.NoError(t, err)
	})
	return namespace{name: created.Name, client: client}
}

func environment(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	require.NotEmpty(t, value, "%s is not set: eval \"$(lab env)\"", name)
	return value
}

// restrictedPod runs a script once, with all that the restricted Pod Security
// Standard asks for.
func restrictedPod(name, script string) *corev1.Pod {
	yes, no, id, grace := true, false, int64(user), int64(0)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: &grace,
			AutomountServiceAccountToken:  &no,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &id, RunAsGroup: &id, FSGroup: &id,
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "main", Image: image, Command: []string{"sh", "-c", script},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

func withVolume(pod *corev1.Pod, claim string) *corev1.Pod {
	pod.Spec.Volumes = []corev1.Volume{{Name: claim, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
	}}}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: claim, MountPath: "/" + claim}}
	return pod
}

func (ns namespace) create(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	_, err := ns.client.CoreV1().Pods(ns.name).Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
}

func (ns namespace) claim(t *testing.T, name string, mode corev1.PersistentVolumeAccessMode) {
	t.Helper()
	_, err := ns.client.CoreV1().PersistentVolumeClaims(ns.name).Create(t.Context(), &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{mode},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Mi")}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

// pullSecret stores the login that the docker config has for the registry.
func (ns namespace) pullSecret(t *testing.T, name string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(environment(t, "DOCKER_CONFIG"), "config.json"))
	require.NoError(t, err)
	var config struct {
		Auths map[string]struct {
			Auth string `json:"auth"`
		} `json:"auths"`
	}
	require.NoError(t, json.Unmarshal(content, &config))
	login, err := base64.StdEncoding.DecodeString(config.Auths[environment(t, "SITECTL_REGISTRY")].Auth)
	require.NoError(t, err)
	require.Contains(t, string(login), ":", "the docker config has a login for the registry")
	_, err = ns.client.CoreV1().Secrets(ns.name).Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Type:       corev1.SecretTypeDockerConfigJson,
		Data:       map[string][]byte{corev1.DockerConfigJsonKey: content},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

// expose puts a Service and an Ingress of one host in front of the pods with
// that app label.
func (ns namespace) expose(t *testing.T, app string, port int32, host string) {
	t.Helper()
	_, err := ns.client.CoreV1().Services(ns.name).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: app},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": app},
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(port)}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	prefix := networkingv1.PathTypePrefix
	_, err = ns.client.NetworkingV1().Ingresses(ns.name).Create(t.Context(), &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Name: app},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
			Host: host,
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: &prefix,
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: app, Port: networkingv1.ServiceBackendPort{Number: 80}}},
			}}}},
		}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

// completes waits until the pod has succeeded and returns its log.
func (ns namespace) completes(t *testing.T, name string) string {
	t.Helper()
	pod := ns.await(t, name, func(pod *corev1.Pod) bool {
		return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	})
	log, err := ns.client.CoreV1().Pods(ns.name).GetLogs(name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	require.NoError(t, err)
	require.Equal(t, corev1.PodSucceeded, pod.Status.Phase, "pod %s said: %s", name, log)
	return string(log)
}

// await watches the pod until it is as expected.
func (ns namespace) await(t *testing.T, name string, expected func(*corev1.Pod) bool) *corev1.Pod {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var last *corev1.Pod
	pods := cache.NewListWatchFromClient(ns.client.CoreV1().RESTClient(), "pods", ns.name, fields.OneTermEqualSelector("metadata.name", name))
	_, err := watchtools.UntilWithSync(ctx, pods, &corev1.Pod{}, nil, func(event watch.Event) (bool, error) {
		pod, ok := event.Object.(*corev1.Pod)
		if !ok {
			return false, errors.New("the pod is gone")
		}
		last = pod
		return expected(pod), nil
	})
	require.NoError(t, err, "pod %s: %s", name, explain(last))
	return last
}

func explain(pod *corev1.Pod) string {
	if pod == nil {
		return "never seen"
	}
	return fmt.Sprintf("phase %s, conditions %v, waiting %+v", pod.Status.Phase, pod.Status.Conditions, waiting(pod))
}

// waiting is why the first container does not run.
func waiting(pod *corev1.Pod) corev1.ContainerStateWaiting {
	for _, status := range pod.Status.ContainerStatuses {
		if status.State.Waiting != nil {
			return *status.State.Waiting
		}
	}
	return corev1.ContainerStateWaiting{}
}

// eventuallyAnswers asks the ingress for the host's page until there is one.
// The ingress tells nobody when it has heard of an Ingress.
func (ns namespace) eventuallyAnswers(t *testing.T, host string) string {
	t.Helper()
	var page string
	require.Eventually(t, func() bool {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, environment(t, "SITECTL_INGRESS"), nil)
		require.NoError(t, err)
		request.Host = host
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		page = strings.TrimSpace(string(body))
		return err == nil && response.StatusCode == http.StatusOK
	}, time.Minute, 100*time.Millisecond, "the ingress does not lead to %s", host)
	return page
}

//go:build labcrash

package platform

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// This test takes the lab of this machine down, with everything in it, several
// times. It leaves the lab up.
func TestTheLabSurvivesAnyDeathAndLeavesNothing(t *testing.T) {
	lab, err := New("..")
	require.NoError(t, err)
	command := buildCommand(t)
	command.run(t, "down")
	before := takeInventory(t)

	command.run(t, "up")
	client, err := lab.client()
	require.NoError(t, err)
	startKeeper(t, client)
	starts := 1
	awaitKeeper(t, client, starts)

	deaths := []struct {
		name     string
		dies     func(process) bool
		restarts bool // the containers
	}{
		{"everything", func(process) bool { return true }, true},
		{"the parts, not the containers", process.isPart, true},
		{"containerd and its shims", func(p process) bool { return p.part == "containerd" }, true},
		{"the kubelet", func(p process) bool { return p.part == "kubelet" }, false},
		{"etcd", func(p process) bool { return p.part == "etcd" }, false},
	}
	for _, death := range deaths {
		t.Run(death.name, func(t *testing.T) {
			old := dying(t, lab, death.dies)
			require.NoError(t, killAll(t.Context(), lab.layout.state, death.dies))
			assert.Error(t, command.command(t, "status").Run(), "status must fail while something is down")
			command.run(t, "up")
			command.run(t, "status")
			if death.restarts {
				starts++
			}
			awaitKeeper(t, client, starts)
			assertNothingOld(t, lab, old)
		})
	}

	command.run(t, "down")
	command.run(t, "down") // again, with nothing there
	left, err := findProcesses("/proc", lab.layout.state)
	require.NoError(t, err)
	assert.Empty(t, left, "processes")
	assert.Empty(t, takeInventory(t).without(before), "what is there after down and was not before up")
	command.run(t, "up")
}

type labCommand struct{ path string }

// buildCommand builds the lab command; the test binary could not run the
// provisioner.
func buildCommand(t *testing.T) labCommand {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lab")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "..").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return labCommand{path}
}

func (c labCommand) command(t *testing.T, args ...string) *exec.Cmd {
	return exec.CommandContext(t.Context(), c.path, append([]string{"--source", ".."}, args...)...)
}

func (c labCommand) run(t *testing.T, args ...string) {
	t.Helper()
	began := time.Now()
	out, err := c.command(t, args...).CombinedOutput()
	require.NoError(t, err, "lab %s: %s", args[0], out)
	t.Logf("lab %s took %s", args[0], Elapsed(time.Since(began)))
}

const keeper = "keeper"

// startKeeper starts a pod that writes a line to its volume with each start.
func startKeeper(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	_, err := client.CoreV1().PersistentVolumeClaims("default").Create(t.Context(), &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: keeper},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = client.CoreV1().Pods("default").Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: keeper},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{
				Name: keeper, Image: "debian:trixie-slim",
				// Ready with the line of this start, not of an earlier one.
				Command:        []string{"sh", "-c", "echo started >>/files/starts; touch /tmp/ready; exec sleep infinity"},
				ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"test", "-e", "/tmp/ready"}}}, PeriodSeconds: 1},
				VolumeMounts:   []corev1.VolumeMount{{Name: "files", MountPath: "/files"}, {Name: "tmp", MountPath: "/tmp"}},
			}},
			Volumes: []corev1.Volume{
				{Name: "files", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: keeper}}},
				// Memory, so that it is a mount below the kubelet's folder.
				{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}},
			},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

// awaitKeeper waits until the pod is ready after its nth start and the volume
// has the lines of all of them.
func awaitKeeper(t *testing.T, client kubernetes.Interface, starts int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	pods := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), "pods", "default", fields.OneTermEqualSelector("metadata.name", keeper))
	var last *corev1.Pod
	_, err := watchtools.UntilWithSync(ctx, pods, &corev1.Pod{}, nil, func(event watch.Event) (bool, error) {
		pod, ok := event.Object.(*corev1.Pod)
		last = pod
		return ok && len(pod.Status.ContainerStatuses) == 1 && pod.Status.ContainerStatuses[0].Ready &&
			int(pod.Status.ContainerStatuses[0].RestartCount) == starts-1, nil
	})
	require.NoError(t, err, "pod after start %d: %+v", starts, last)
	files, err := filepath.Glob(filepath.Join(defaultState, "volumes", "*", "starts"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	content, err := os.ReadFile(files[0])
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("started\n", starts), string(content))
}

func dying(t *testing.T, lab *Lab, dies func(process) bool) []process {
	t.Helper()
	processes, err := findProcesses("/proc", lab.layout.state)
	require.NoError(t, err)
	return slices.DeleteFunc(processes, func(p process) bool { return !dies(p) })
}

// assertNothingOld looks for what one of the killed processes left: itself, a
// network of a container, a mount.
func assertNothingOld(t *testing.T, lab *Lab, old []process) {
	t.Helper()
	processes, err := findProcesses("/proc", lab.layout.state)
	require.NoError(t, err)
	for _, p := range processes {
		assert.NotContains(t, old, p)
	}
	// There is one pod, so one of each.
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(lab.layout.state))
	require.NoError(t, err)
	namespaces := 0
	for _, mount := range mounts {
		if strings.Contains(mount.Mountpoint, "/netns/") {
			namespaces++
		}
	}
	assert.Equal(t, 1, namespaces, "network namespaces")
	// The kernel removes links of a network namespace in its own time.
	assert.Eventually(t, func() bool { return ports(t) == 1 }, 20*time.Second, 100*time.Millisecond, "links to pods")
}

// ports counts the links of pods on the bridge.
func ports(t *testing.T) int {
	t.Helper()
	bridge, err := netlink.LinkByName(bridgeName)
	require.NoError(t, err)
	links, err := netlink.LinkList()
	require.NoError(t, err)
	n := 0
	for _, link := range links {
		if link.Attrs().MasterIndex == bridge.Attrs().Index {
			n++
		}
	}
	return n
}

// inventory has a line for everything that a lab could leave on a machine.
type inventory []string

func takeInventory(t *testing.T) inventory {
	t.Helper()
	var lines inventory
	links, err := netlink.LinkList()
	require.NoError(t, err)
	for _, link := range links {
		lines = append(lines, "link "+link.Attrs().Name)
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	require.NoError(t, err)
	for _, route := range routes {
		lines = append(lines, "route "+route.String())
	}
	mounts, err := mountinfo.GetMounts(nil)
	require.NoError(t, err)
	for _, mount := range mounts {
		lines = append(lines, "mount "+mount.Mountpoint)
	}
	tables, err := exec.CommandContext(t.Context(), "nft", "list", "tables").Output()
	require.NoError(t, err)
	for table := range bytes.Lines(tables) {
		lines = append(lines, strings.TrimSpace(string(table)))
	}
	forwarding, err := os.ReadFile(forwardingFile)
	require.NoError(t, err)
	lines = append(lines, "forwarding "+strings.TrimSpace(string(forwarding)))
	for _, pattern := range []string{
		"/etc/*", "/opt/*", "/run/*", "/run/netns/*", "/usr/libexec/*", "/var/lib/*", "/var/lib/cni/*/*", "/var/lib/kubelet/*",
		"/var/log/*", "/var/log/containers/*", cgroupMount + "/*", cgroupMount + "/*/*lab*", "/root/.*",
	} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		lines = append(lines, files...)
	}
	return lines
}

func (i inventory) without(other inventory) inventory {
	return slices.DeleteFunc(slices.Clone(i), func(line string) bool { return slices.Contains(other, line) })
}

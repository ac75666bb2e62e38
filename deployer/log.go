package deployer

import (
	"context"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// Bounds of the log excerpt in an error. More is read than is shown, since
// most of the log of a pod that does not become ready is probes.
const (
	excerptLines   = 20
	excerptRead    = 10 * excerptLines
	excerptBytes   = 256 << 10
	excerptTimeout = 10 * time.Second
)

// lastLines returns the end of a container's log; without a container, of
// the pod's first one. Of a container that was restarted it is the run that
// ended. There is no log if the container never ran: the verdict stands
// without it.
func (d *Deployer) lastLines(ctx context.Context, pod *corev1.Pod, container string) []string {
	if container == "" {
		container = pod.Spec.Containers[0].Name
	}
	if restarted(pod, container) {
		if lines := d.excerpt(ctx, pod, container, true); len(lines) > 0 {
			return lines
		}
	}
	return d.excerpt(ctx, pod, container, false)
}

func (d *Deployer) excerpt(ctx context.Context, pod *corev1.Pod, container string, previous bool) []string {
	ctx, cancel := context.WithTimeout(ctx, excerptTimeout)
	defer cancel()
	stream, err := d.client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
		Container:  container,
		Previous:   previous,
		TailLines:  ptr.To[int64](excerptRead),
		LimitBytes: ptr.To[int64](excerptBytes),
	}).Stream(ctx)
	if err != nil {
		return nil
	}
	defer stream.Close()
	text, err := io.ReadAll(stream)
	if err != nil {
		return nil
	}
	lines := once(withoutProbes(logLines(string(text))))
	return lines[max(0, len(lines)-excerptLines):]
}

// withoutProbes leaves out the lines of an access log that are about probes
// of the kubelet, unless there are no others.
func withoutProbes(lines []string) []string {
	others := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.Contains(line, `"kube-probe/`) })
	if len(others) == 0 {
		return lines
	}
	return others
}

// logLines are the lines of a log. Of a container that it has removed in the
// meantime, the kubelet says so in place of a log and calls it a success
// (GetContainerLogs in pkg/kubelet/kuberuntime).
func logLines(text string) []string {
	if text == "" || strings.HasPrefix(text, "unable to retrieve container logs for ") {
		return nil
	}
	return strings.Split(strings.TrimRight(text, "\n"), "\n")
}

// apacheStamp is what Apache's error log has before a message: when, from
// which module, for which client (ErrorLogFormat).
var apacheStamp = regexp.MustCompile(`^\[[^]]*\] \[[a-z_]*:[a-z0-9]*\] (\[(pid|client) [^]]*\] )*`)

// once leaves out messages that Apache logs again later: one that every probe
// causes would hide all others.
func once(lines []string) []string {
	seen := map[string]bool{}
	var last []string
	for _, line := range slices.Backward(lines) {
		stamp := apacheStamp.FindString(line)
		message := strings.TrimPrefix(line, stamp)
		if stamp != "" && seen[message] {
			continue
		}
		seen[message] = true
		last = append(last, line)
	}
	slices.Reverse(last)
	return last
}

func restarted(pod *corev1.Pod, container string) bool {
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if status.Name == container {
			return status.RestartCount > 0
		}
	}
	return false
}

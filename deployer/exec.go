package deployer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"
)

// Streams are the near ends of a command in a pod. A nil one is closed.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// Sizes tells the size of the terminal that In and Out are, and each
	// change of it; nil if they are none. With a terminal, Err stays empty.
	Sizes remotecommand.TerminalSizeQueue
}

// ExitError says that a command in a pod has ended with a status other than 0.
type ExitError struct{ Code int }

func (e *ExitError) Error() string {
	return fmt.Sprintf("the command ended with exit status %d", e.Code)
}

// Status is that exit status.
func (e *ExitError) Status() int { return e.Code }

// executor runs a command in a container of a pod.
type executor func(ctx context.Context, namespace, pod string, command *corev1.PodExecOptions, streams Streams) error

// remoteExec goes through the API server, by WebSocket (Kubernetes 1.31), or
// by SPDY through what cannot pass WebSocket on.
func remoteExec(config *rest.Config, client kubernetes.Interface) executor {
	return func(ctx context.Context, namespace, pod string, command *corev1.PodExecOptions, streams Streams) error {
		address := client.CoreV1().RESTClient().Post().
			Namespace(namespace).Resource("pods").Name(pod).SubResource("exec").
			VersionedParams(command, scheme.ParameterCodec).URL()
		old, err := remotecommand.NewSPDYExecutor(config, http.MethodPost, address)
		if err != nil {
			return err
		}
		// RFC 6455, 4.1: the request of a WebSocket is a GET.
		socket, err := remotecommand.NewWebSocketExecutor(config, http.MethodGet, address.String())
		if err != nil {
			return err
		}
		either, err := remotecommand.NewFallbackExecutor(socket, old, func(err error) bool {
			return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
		})
		if err != nil {
			return err
		}
		return either.StreamWithContext(ctx, remotecommand.StreamOptions{
			Stdin:             streams.In,
			Stdout:            streams.Out,
			Stderr:            streams.Err,
			Tty:               command.TTY,
			TerminalSizeQueue: streams.Sizes,
		})
	}
}

// shell is what a person gets who names no command.
var shell = []string{"sh", "-c", "command -v bash >/dev/null && exec bash; exec sh"}

// Exec runs a command, a shell if it is empty, in a container of a pod that
// runs: of the newest web pod that is ready, if pod is empty, and of the
// container with the site's code, if container is. A status other than 0 is
// an *ExitError.
func (d *Deployer) Exec(ctx context.Context, pod, container string, command []string, streams Streams) error {
	target, err := d.podOrWeb(ctx, pod)
	if err != nil {
		return err
	}
	if container == "" {
		container = target.Spec.Containers[webContainer(target.Spec.Containers)].Name
	}
	if len(command) == 0 {
		command = shell
	}
	options := &corev1.PodExecOptions{
		Container: container,
		Command:   command,
		Stdin:     streams.In != nil,
		Stdout:    streams.Out != nil,
		Stderr:    streams.Err != nil && streams.Sizes == nil,
		TTY:       streams.Sizes != nil,
	}
	if options.TTY {
		streams.Err = nil
	}
	err = d.execute(ctx, target.Namespace, target.Name, options, streams)
	if exit := exec.ExitError(nil); errors.As(err, &exit) && exit.Exited() {
		return &ExitError{Code: exit.ExitStatus()}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("run a command in pod %s: %w", target.Name, err)
	}
	return nil
}

// podOrWeb reads a pod, or finds the newest web pod that is ready.
func (d *Deployer) podOrWeb(ctx context.Context, name string) (*corev1.Pod, error) {
	if name != "" {
		var pod *corev1.Pod
		err := d.reach(ctx, func(ctx context.Context) (err error) {
			pod, err = d.client.CoreV1().Pods(d.site.Namespace).Get(ctx, name, metav1.GetOptions{})
			return err
		})
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("there is no pod %q in namespace %s: sitectl status lists them", name, d.site.Namespace)
		}
		return pod, err
	}
	pods, err := d.webPods(ctx)
	if err != nil {
		return nil, err
	}
	pods = slices.DeleteFunc(pods, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil || !podReady(&pod) })
	if len(pods) == 0 {
		return nil, errors.New("no web pod is ready: sitectl status says what is wrong with them, and sitectl run starts a pod of its own")
	}
	newest := slices.MaxFunc(pods, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return &newest, nil
}

// webPods lists the pods of the Deployment.
func (d *Deployer) webPods(ctx context.Context) ([]corev1.Pod, error) {
	web, err := d.web(ctx)
	if err != nil {
		return nil, err
	}
	list, err := d.client.CoreV1().Pods(d.site.Namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(web.Spec.Selector)})
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	return list.Items, nil
}

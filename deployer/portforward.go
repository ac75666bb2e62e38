package deployer

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// forwarder makes a port of a pod reachable at a local address until stop is
// called or ctx ends.
type forwarder func(ctx context.Context, namespace, pod string, port int32) (local string, stop func(), err error)

// portForward goes through the API server, so that it works from wherever
// the cluster can be deployed to.
func portForward(config *rest.Config, client kubernetes.Interface) forwarder {
	return func(ctx context.Context, namespace, pod string, port int32) (string, func(), error) {
		dialer, err := portDialer(config, client, namespace, pod)
		if err != nil {
			return "", nil, fmt.Errorf("forward port %d: %w", port, err)
		}
		stopped, ready := make(chan struct{}), make(chan struct{})
		stop := sync.OnceFunc(func() { close(stopped) })
		context.AfterFunc(ctx, stop)
		tunnel, err := portforward.NewOnAddressesForStreaming(dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, stopped, ready, io.Discard, io.Discard)
		if err != nil {
			return "", nil, fmt.Errorf("forward port %d: %w", port, err)
		}
		failed := make(chan error, 1)
		go func() { failed <- tunnel.ForwardPorts() }()
		select {
		case <-ready:
		case err := <-failed:
			return "", nil, fmt.Errorf("forward port %d: %w", port, err)
		case <-ctx.Done():
			return "", nil, fmt.Errorf("forward port %d: %w", port, context.Cause(ctx))
		case <-time.After(reachTimeout):
			stop()
			return "", nil, fmt.Errorf("forward port %d: %w", port, errNoAnswer)
		}
		ports, err := tunnel.GetPorts()
		if err != nil {
			stop()
			return "", nil, fmt.Errorf("forward port %d: %w", port, err)
		}
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(ports[0].Local))), stop, nil
	}
}

// portDialer speaks WebSocket (Kubernetes 1.31), or SPDY through what cannot
// pass WebSocket on.
func portDialer(config *rest.Config, client kubernetes.Interface, namespace, pod string) (httpstream.Dialer, error) {
	address := client.CoreV1().RESTClient().Post().
		Namespace(namespace).Resource("pods").Name(pod).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, address)
	dialer, err := portforward.NewSPDYOverWebsocketDialerForStreaming(address, config)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(dialer, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}

package platform

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	probeInterval = 50 * time.Millisecond
	probeTimeout  = 2 * time.Second

	// readyTimeout is for one part, on a machine that compiles the others at
	// the same time.
	readyTimeout = 3 * time.Minute
)

// await asks until the probe succeeds, the process exits (exited is closed
// then), or the time is up; the last answer is part of the error.
func await(ctx context.Context, exited <-chan struct{}, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, probeTimeout)
		err := probe(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-exited:
			return errors.New("it exited")
		case <-ctx.Done():
			return fmt.Errorf("%w; the last answer: %w", context.Cause(ctx), err)
		}
	}
}

// answers is a probe that expects status 200 from the address. HTTPS uses the
// certificate of the lab's administrator.
func (lab *Lab) answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		client, err := lab.httpClient()
		if err != nil {
			return err
		}
		defer client.CloseIdleConnections()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
		if err != nil {
			return fmt.Errorf("%s: %w", url, err)
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s: %s", url, response.Status, lastLines(body, 3))
		}
		return nil
	}
}

func (lab *Lab) httpClient() (*http.Client, error) {
	authority, err := os.ReadFile(lab.layout.certificate("ca"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	admin, err := tls.LoadX509KeyPair(lab.layout.certificate("admin"), lab.layout.key("admin"))
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{admin}}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config}}, nil
}

// serves is a probe of a gRPC server's health on a unix socket.
func serves(socket string) func(context.Context) error {
	return func(ctx context.Context) error {
		connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return err
		}
		defer connection.Close()
		answer, err := healthpb.NewHealthClient(connection).Check(ctx, &healthpb.HealthCheckRequest{})
		if err != nil {
			return err
		}
		if answer.Status != healthpb.HealthCheckResponse_SERVING {
			return fmt.Errorf("health is %s", answer.Status)
		}
		return nil
	}
}

// nodeReady is a probe of the node's own report, which must be of the kubelet
// that runs now: the one before it may have left a good one when it was killed.
func nodeReady(client kubernetes.Interface, kubeletStarted time.Time) func(context.Context) error {
	return func(ctx context.Context) error {
		node, err := client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type != corev1.NodeReady {
				continue
			}
			// The report's time has whole seconds.
			if condition.LastHeartbeatTime.Time.Before(kubeletStarted.Truncate(time.Second)) {
				return errors.New("the kubelet has not reported yet")
			}
			if condition.Status != corev1.ConditionTrue {
				return fmt.Errorf("node is not ready: %s: %s", condition.Reason, condition.Message)
			}
			return nil
		}
		return errors.New("the kubelet has not reported yet")
	}
}

// resolves is a probe of the cluster's DNS through its Service, and with it of
// kube-proxy.
func resolves(ctx context.Context) error {
	// A packet sent before the Service is there is lost, so ask anew soon.
	ctx, cancel := context.WithTimeout(ctx, 4*probeInterval)
	defer cancel()
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, net.JoinHostPort(dnsService, "53"))
	}}
	addresses, err := resolver.LookupHost(ctx, "kubernetes.default.svc."+clusterDomain+".")
	if err != nil {
		return err
	}
	if len(addresses) != 1 || addresses[0] != apiService {
		return fmt.Errorf("kubernetes.default is %q, want %s", addresses, apiService)
	}
	return nil
}

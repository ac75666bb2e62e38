package deployer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/site"
)

// Bounds of the request that verifies a release.
const (
	verifyAttempts = 5
	verifyPause    = 2 * time.Second
	verifyTimeout  = 30 * time.Second // of each request
	verifyBody     = 16 << 20         // bytes of the answer that are read
)

// VerifyError says that the new release runs and does not answer as the site
// file says it must.
type VerifyError struct {
	URL     string // what was asked for
	Pod     string // pod that answered; empty if none could be asked
	Message string // what was wrong
	Err     error  // cause; nil if the answer was wrong
}

func (e *VerifyError) Error() string {
	if e.Pod == "" {
		return fmt.Sprintf("verify %s: %s", e.URL, e.Message)
	}
	return fmt.Sprintf("verify %s: pod %s: %s", e.URL, e.Pod, e.Message)
}

func (e *VerifyError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *VerifyError) Hint() string {
	return "what the site must answer is web.verify in the site file"
}

// Verify asks the site for the page of web.verify through the Service web,
// that is, from one of its ready pods of this release and on the port the
// Service leads to, and checks the answer. It tries for some seconds: a pod
// may be ready a moment before its endpoint is. Failure is a *VerifyError.
func (d *Deployer) Verify(ctx context.Context, image site.Image) error {
	selector := ownLabels(d.site.Namespace, "web")
	if d.patching() {
		selector = "" // of labels, only its owner knows
	}
	return d.verify(ctx, image.Tag, func(ctx context.Context) ([]string, error) {
		pods, err := d.client.CoreV1().Pods(d.site.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return nil, fmt.Errorf("list pods: %w", err)
		}
		var names []string
		for _, pod := range pods.Items {
			if releaseTag(&pod) == image.Tag {
				names = append(names, pod.Name)
			}
		}
		return names, nil
	})
}

// verify asks one of the pods, which are those of a release.
func (d *Deployer) verify(ctx context.Context, release string, pods func(context.Context) ([]string, error)) error {
	for attempt := 1; ; attempt++ {
		err := d.ask(ctx, release, pods)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if attempt == verifyAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(verifyPause):
		}
	}
}

// ask makes the request once.
func (d *Deployer) ask(ctx context.Context, release string, pods func(context.Context) ([]string, error)) error {
	page := address(d.site) + d.site.Web.Verify.Path
	pod, port, err := d.endpoint(ctx, release, pods)
	if err != nil {
		return &VerifyError{URL: page, Message: err.Error(), Err: err}
	}
	local, stop, err := d.forward(ctx, d.site.Namespace, pod, port)
	if err != nil {
		return &VerifyError{URL: page, Pod: pod, Message: err.Error(), Err: err}
	}
	defer stop()
	if err := fetch(ctx, local, d.site); err != nil {
		return &VerifyError{URL: page, Pod: pod, Message: err.Error(), Err: err}
	}
	d.progress(fmt.Sprintf("%s answers with status %d", page, d.site.Web.Verify.Status))
	return nil
}

// endpoint resolves the Service web the way kube-proxy does, to a ready one of
// the pods and its port.
func (d *Deployer) endpoint(ctx context.Context, release string, pods func(context.Context) ([]string, error)) (string, int32, error) {
	wanted, err := pods(ctx)
	if err != nil {
		return "", 0, err
	}
	endpoints, err := d.client.DiscoveryV1().EndpointSlices(d.site.Namespace).
		List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=web"})
	if err != nil {
		return "", 0, fmt.Errorf("list EndpointSlices: %w", err)
	}
	for _, slice := range endpoints.Items {
		port := portNamed("http", slice.Ports)
		for _, endpoint := range slice.Endpoints {
			if name := readyPod(endpoint); port != 0 && slices.Contains(wanted, name) {
				return name, port, nil
			}
		}
	}
	return "", 0, fmt.Errorf("find a pod of Service web: no ready endpoint is of release %s", release)
}

// portNamed is the port of that name. A Service with one port need not give
// it any.
func portNamed(name string, ports []discoveryv1.EndpointPort) int32 {
	for _, port := range ports {
		if port.Port != nil && (len(ports) == 1 || port.Name != nil && *port.Name == name) {
			return *port.Port
		}
	}
	return 0
}

// readyPod is the name of the pod behind an endpoint, empty if there is none
// or it is not ready. Unknown readiness counts as ready, says the API.
func readyPod(endpoint discoveryv1.Endpoint) string {
	ready := endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
	if !ready || endpoint.TargetRef == nil || endpoint.TargetRef.Kind != "Pod" {
		return ""
	}
	return endpoint.TargetRef.Name
}

// fetch asks for the page as the ingress would, at the address under which
// the pod can be reached from here, and checks the answer.
func fetch(ctx context.Context, local string, s site.Site) error {
	ctx, cancel := context.WithTimeoutCause(ctx, verifyTimeout, fmt.Errorf("no answer within %s", verifyTimeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+local+s.Web.Verify.Path, nil)
	if err != nil {
		return err
	}
	request.Host = host(s)
	request.Header.Set("User-Agent", fieldManager)
	if https(s) {
		request.Header.Set("X-Forwarded-Proto", "https")
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return cause(ctx, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, verifyBody))
	if err != nil {
		return fmt.Errorf("read the answer: %w", cause(ctx, err))
	}
	return judge(response, string(body), s)
}

// cause prefers the reason why a context ended to what it made fail.
func cause(ctx context.Context, err error) error {
	if reason := context.Cause(ctx); reason != nil {
		return reason
	}
	return err
}

// judge compares an answer with what the site file says.
func judge(response *http.Response, body string, s site.Site) error {
	location := response.Header.Get("Location")
	if want := s.Web.Verify.Status; response.StatusCode != want {
		if location != "" {
			return fmt.Errorf("status %d, a redirect to %s, instead of %d", response.StatusCode, location, want)
		}
		return fmt.Errorf("status %d instead of %d", response.StatusCode, want)
	}
	if target, err := url.Parse(location); err != nil || target.Host != "" && target.Hostname() != host(s) {
		return fmt.Errorf("a redirect to another host, %s", location)
	}
	if text := s.Web.Verify.Contains; !strings.Contains(body, text) {
		return errors.New("the page does not contain " + fmt.Sprintf("%q", text))
	}
	return nil
}

package deployer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sitectl/sitectl/site"
)

// reachTimeout bounds the first request to a cluster: with the time it takes to
// name what is wrong, a person knows within ten seconds.
const reachTimeout = 8 * time.Second

// UnreachableError says that the cluster does not answer.
type UnreachableError struct {
	Server string // address that was tried
	Err    error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("cluster at %s is unreachable: %v", e.Server, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *UnreachableError) Hint() string {
	return "check the network and the address in the kubeconfig (kubectl cluster-info)"
}

// Connect prepares to deploy s to the cluster of its context. It reads the
// kubeconfig by kubectl's rules and makes no request: Preflight, Current,
// Plan and Status, which come first, report within 10 seconds a cluster that
// does not answer, as *UnreachableError.
func Connect(s site.Site, opts Options) (*Deployer, error) {
	config, contextName, err := clientConfig(s.Context, opts.Kubeconfig)
	if err != nil {
		return nil, err
	}
	d := &Deployer{
		site: s, server: config.Host, opts: opts, context: contextName, identity: identify(config),
		silence: &silence{}, fence: &fence{}, mu: &sync.Mutex{},
	}
	// The defaults, 5 requests a second, would queue a deploy for seconds.
	config.QPS, config.Burst = 50, 100
	config.UserAgent = fieldManager
	config.WarningHandlerWithContext = warnings(d.progress)
	direct := rest.CopyConfig(config) // a tunnel is no request that can be sent twice
	config.Wrap(d.fence.around)       // each time that a request is sent
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &persistent{next: next, silence: d.silence, tell: d.progress}
	})

	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	if d.client, err = kubernetes.NewForConfigAndClient(config, transport); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	if d.dynamic, err = dynamic.NewForConfigAndClient(config, transport); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	d.date = serverDate(transport, config.Host)
	d.forward = portForward(direct, d.client)
	d.execute = remoteExec(direct, d.client)
	return d, nil
}

// Contexts returns the names of the contexts that a kubeconfig has, sorted;
// none if it cannot be read. An empty path stands for kubectl's rules.
func Contexts(kubeconfig string) []string {
	raw, err := loadKubeconfig("", kubeconfig).RawConfig()
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(raw.Contexts))
}

func loadKubeconfig(contextName, path string) clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: contextName})
}

// clientConfig reads the kubeconfig, and says which context of it is used;
// none for the pod's own service account. The namespace it names is not used:
// a site has its own.
func clientConfig(contextName, path string) (*rest.Config, string, error) {
	loader := loadKubeconfig(contextName, path)
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, "", &KubeconfigError{Err: err, hint: "name another one with --kubeconfig or the variable KUBECONFIG"}
	}
	if _, ok := raw.Contexts[contextName]; contextName != "" && !ok {
		return nil, "", unknownContext(contextName, slices.Sorted(maps.Keys(raw.Contexts)))
	}
	config, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, "", noKubeconfig()
	}
	if err != nil {
		return nil, "", &KubeconfigError{Err: err, hint: "sitectl uses its current context; kubectl config view shows what is in it"}
	}
	return config, cmp.Or(contextName, raw.CurrentContext), nil
}

// reach makes the first request of a command, which shows whether there is a
// cluster at all.
func (d *Deployer) reach(ctx context.Context, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, reachTimeout, errNoAnswer)
	defer cancel()
	err := request(context.WithValue(ctx, impatient{}, true))
	var answer apierrors.APIStatus
	switch {
	case err == nil, errors.As(err, &answer):
		return err
	case errors.Is(context.Cause(ctx), errNoAnswer):
		return &UnreachableError{Server: d.server, Err: errNoAnswer}
	case ctx.Err() != nil:
		return context.Cause(ctx)
	default:
		return &UnreachableError{Server: d.server, Err: err}
	}
}

var errNoAnswer = fmt.Errorf("no answer within %s", reachTimeout)

// warnings passes on what the API server warns of.
type warnings func(string)

func (w warnings) HandleWarningHeaderWithContext(_ context.Context, code int, _, text string) {
	if code == 299 && text != "" { // RFC 7234, 5.5: a persistent warning; Kubernetes sends no other
		w("warning: " + text)
	}
}

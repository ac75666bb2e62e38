package deployer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/sitectl/sitectl/site"
)

var gateways = gatewayv1.SchemeGroupVersion.WithResource("gateways")

// checkGateway looks for the Gateway that the site file names, and whether it
// takes the site's HTTPRoute.
func (d *Deployer) checkGateway(ctx context.Context, p preflight) ([]Finding, error) {
	if d.patching() || d.site.Ingress == nil || d.site.Ingress.Gateway == nil {
		return nil, nil
	}
	about := "Gateway " + d.gatewayName()
	gateway, err := d.gateway(ctx)
	switch {
	case apierrors.IsForbidden(err):
		return unseen(about, "get "+gateways.GroupResource().String()), nil
	case isUnknownResource(err):
		return []Finding{{
			About: about, Message: "the cluster has no Gateway API",
			Hint: "have an administrator install a controller for it, or leave ingress.gateway out",
		}}, nil
	case apierrors.IsNotFound(err):
		return []Finding{{
			About: about, Message: "does not exist",
			Hint: "set ingress.gateway to one of kubectl get gateways --all-namespaces",
		}}, nil
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", about, err)
	}
	from, err := d.namespaceLabels(ctx, p)
	if err != nil {
		return nil, err
	}
	return judgeGateway(about, gateway, d.site, from), nil
}

func (d *Deployer) gatewayName() string {
	gateway := d.site.Ingress.Gateway
	if gateway.Namespace == "" {
		return d.site.Namespace + "/" + gateway.Name
	}
	return gateway.Namespace + "/" + gateway.Name
}

func (d *Deployer) gateway(ctx context.Context) (*gatewayv1.Gateway, error) {
	named := d.site.Ingress.Gateway
	namespace := named.Namespace
	if namespace == "" {
		namespace = d.site.Namespace
	}
	object, err := d.dynamic.Resource(gateways).Namespace(namespace).Get(ctx, named.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	gateway := &gatewayv1.Gateway{}
	return gateway, runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, gateway)
}

// namespaceLabels are those that the namespace will have; nil if it must not
// be read.
func (d *Deployer) namespaceLabels(ctx context.Context, p preflight) (labels.Set, error) {
	set := labels.Set{"kubernetes.io/metadata.name": d.site.Namespace}
	if p.exists {
		namespace, err := d.client.CoreV1().Namespaces().Get(ctx, d.site.Namespace, metav1.GetOptions{})
		if apierrors.IsForbidden(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read Namespace %s: %w", d.site.Namespace, err)
		}
		maps.Copy(set, namespace.Labels)
	}
	for _, object := range p.objects {
		if object.GetKind() == "Namespace" {
			maps.Copy(set, object.GetLabels())
		}
	}
	return set, nil
}

// judgeGateway says why no request would come to a site from a Gateway. To the
// API server a route that its Gateway does not take is no error.
//
//	spec:
//	  listeners:
//	  - name: https
//	    protocol: HTTPS
//	    hostname: "*.example.com"
//	    allowedRoutes:
//	      namespaces: {from: Selector, selector: {matchLabels: {public: "true"}}}
//	status:
//	  conditions:
//	  - type: Programmed
//	    status: "False"
//	    message: …
func judgeGateway(about string, gateway *gatewayv1.Gateway, s site.Site, from labels.Set) []Finding {
	listeners := slices.DeleteFunc(slices.Clone(gateway.Spec.Listeners), func(l gatewayv1.Listener) bool { return !takesPages(l) })
	var names []string
	for _, listener := range listeners {
		names = append(names, string(listener.Name))
	}
	if section := s.Ingress.Gateway.Section; section != "" {
		if !slices.Contains(names, section) {
			return []Finding{{
				About: about, Message: fmt.Sprintf("has no listener %q for HTTP routes", section),
				Hint: "set ingress.gateway.section, or leave it out; " + thereIs(names),
			}}
		}
		listeners = slices.DeleteFunc(listeners, func(l gatewayv1.Listener) bool { return string(l.Name) != section })
	}
	listeners = slices.DeleteFunc(listeners, func(l gatewayv1.Listener) bool { return !admits(l, gateway.Namespace, s.Namespace, from) })
	if len(listeners) == 0 {
		return []Finding{{
			About: about, Message: fmt.Sprintf("takes no routes from the namespace %s", s.Namespace),
			Hint: "have an administrator admit it: allowedRoutes.namespaces of a listener for HTTP or HTTPS",
		}}
	}
	var findings []Finding
	if hosts := unheard(s.Ingress, listeners); len(hosts) > 0 {
		findings = append(findings, Finding{
			About: about, Message: "has no listener for " + strings.Join(hosts, ", "),
			Hint: "have an administrator add one, or change ingress.hosts",
		})
	}
	for _, condition := range gateway.Status.Conditions {
		if condition.Type == string(gatewayv1.GatewayConditionProgrammed) && condition.Status != metav1.ConditionTrue {
			findings = append(findings, Finding{About: about, Message: "is not programmed: " + condition.Message, Warning: true})
		}
	}
	return findings
}

// takesPages tells a listener for web pages from others.
func takesPages(l gatewayv1.Listener) bool {
	if l.Protocol != gatewayv1.HTTPProtocolType && l.Protocol != gatewayv1.HTTPSProtocolType {
		return false
	}
	return l.AllowedRoutes == nil || len(l.AllowedRoutes.Kinds) == 0 ||
		slices.ContainsFunc(l.AllowedRoutes.Kinds, func(k gatewayv1.RouteGroupKind) bool { return k.Kind == "HTTPRoute" })
}

// admits says whether a listener takes routes of a namespace. Without a word
// about it, those of the Gateway's own.
func admits(l gatewayv1.Listener, own, namespace string, from labels.Set) bool {
	allowed := gatewayv1.RouteNamespaces{}
	if l.AllowedRoutes != nil && l.AllowedRoutes.Namespaces != nil {
		allowed = *l.AllowedRoutes.Namespaces
	}
	switch {
	case allowed.From == nil, *allowed.From == gatewayv1.NamespacesFromSame:
		return own == namespace
	case *allowed.From == gatewayv1.NamespacesFromSelector && from != nil:
		selector, err := metav1.LabelSelectorAsSelector(allowed.Selector)
		return err == nil && selector.Matches(from)
	default:
		return *allowed.From != gatewayv1.NamespacesFromNone
	}
}

// unheard are the hosts of a site that no listener is for.
func unheard(ingress *site.Ingress, listeners []gatewayv1.Listener) []string {
	hosts := slices.Clone(ingress.Hosts)
	for _, redirect := range ingress.Redirects {
		hosts = append(hosts, redirect.From)
	}
	return slices.DeleteFunc(hosts, func(host string) bool {
		return slices.ContainsFunc(listeners, func(l gatewayv1.Listener) bool {
			return l.Hostname == nil || *l.Hostname == "" || overlap(string(*l.Hostname), host)
		})
	})
}

// overlap says whether some name is meant by both. A wildcard stands for any
// number of labels, but not for none.
func overlap(a, b string) bool {
	below, isWildcard := strings.CutPrefix(a, "*")
	if isWildcard && strings.HasSuffix(strings.TrimPrefix(b, "*"), below) {
		return true
	}
	below, isWildcard = strings.CutPrefix(b, "*")
	return a == b || isWildcard && strings.HasSuffix(strings.TrimPrefix(a, "*"), below)
}

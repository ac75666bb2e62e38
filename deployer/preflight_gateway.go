package deployer

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

var gateways = gatewayv1.SchemeGroupVersion.WithResource("gateways")

// checkGateway looks for the Gateway that the site file names. Nobody serves
// an HTTPRoute of one that does not exist.
func (d *Deployer) checkGateway(ctx context.Context, _ preflight) ([]Finding, error) {
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
	return judgeGateway(about, d.site.Ingress.Gateway.Section, gateway), nil
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

// judgeGateway says why no request would come from a Gateway:
//
//	spec:
//	  listeners:
//	  - name: https
//	status:
//	  conditions:
//	  - type: Programmed
//	    status: "False"
//	    message: …
func judgeGateway(about, section string, gateway *gatewayv1.Gateway) []Finding {
	var names []string
	for _, listener := range gateway.Spec.Listeners {
		names = append(names, string(listener.Name))
	}
	if section != "" && !slices.Contains(names, section) {
		return []Finding{{
			About: about, Message: fmt.Sprintf("has no listener %q", section),
			Hint: "set ingress.gateway.section, or leave it out; " + thereIs(names),
		}}
	}
	for _, condition := range gateway.Status.Conditions {
		if condition.Type == string(gatewayv1.GatewayConditionProgrammed) && condition.Status == metav1.ConditionFalse {
			return []Finding{{About: about, Message: "is not programmed: " + condition.Message, Warning: true}}
		}
	}
	return nil
}

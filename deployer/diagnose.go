package deployer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sitectl/sitectl/site"
)

// Diagnosis is what is known of one thing that a ship needs of the cluster.
type Diagnosis struct {
	Finding
	Well   bool // Message says what is there; otherwise what is wrong
	Unseen bool // Message says why nothing is known
}

func well(about, format string, arguments ...any) Diagnosis {
	return Diagnosis{Finding: Finding{About: about, Message: fmt.Sprintf(format, arguments...)}, Well: true}
}

// Examination looks at a cluster as Preflight does, and tells what is well,
// too. Reach comes first; what follows may be looked at at the same time.
// Nothing is changed.
type Examination struct {
	d     *Deployer
	image site.Image
	preflight
}

// Examine begins an Examination. It makes no request. The image may be one
// that is not built yet.
func (d *Deployer) Examine(image site.Image) *Examination {
	return &Examination{d: d, image: image}
}

// Part is one thing to look at after Reach. It finds nothing if the site has
// no use for it.
type Part struct {
	Name string // "storage class"
	Look func(*Examination, context.Context) ([]Diagnosis, error)
}

// Parts lists what an Examination looks at, in the order in which a ship
// comes to need it.
func Parts() []Part {
	return []Part{
		{"clock", (*Examination).clock},
		{"Kubernetes version", checked((*Deployer).checkVersion, nil)},
		{"permissions", (*Examination).permissions},
		{"namespace", (*Examination).namespace},
		{"pull secret", (*Examination).pullSecret},
		{"Secrets", checked((*Deployer).checkSecrets, (*Examination).secrets)},
		{"storage class", checked((*Deployer).checkStorageClasses, (*Examination).storageClasses)},
		{"ingress class", checked((*Deployer).checkIngressClasses, (*Examination).ingressClasses)},
		{"Gateway", checked((*Deployer).checkGateway, (*Examination).gateways)},
		{"issuer", checked((*Deployer).checkIssuers, (*Examination).issuers)},
		{"kinds", checked((*Deployer).checkKinds, nil)},
		{"health path", checked((*Deployer).checkHealthPath, nil)},
		{"volumes", checked((*Deployer).checkVolumes, nil)},
		{"manifests of the commit", checked((*Deployer).checkUnused, nil)},
		{"objects", checked((*Deployer).checkObjects, (*Examination).dryRun)},
		{"quota", checked((*Deployer).checkQuotas, nil)},
	}
}

// checked makes a Part of a check of Preflight. If that finds nothing, there
// says what is there; nil, or no words, for nothing to say.
func checked(look check, there func(*Examination) []Diagnosis) func(*Examination, context.Context) ([]Diagnosis, error) {
	return func(e *Examination, ctx context.Context) ([]Diagnosis, error) {
		findings, err := look(e.d, ctx, e.preflight)
		if err != nil {
			return nil, err
		}
		var list []Diagnosis
		for _, f := range findings {
			list = append(list, Diagnosis{Finding: f, Unseen: f.unseen})
		}
		if len(list) == 0 && there != nil {
			list = there(e)
		}
		return list, nil
	}
}

// Reach makes the first request. Errors: *UnreachableError.
func (e *Examination) Reach(ctx context.Context) ([]Diagnosis, error) {
	survey, err := e.d.survey(ctx, e.image)
	if apierrors.IsUnauthorized(err) {
		return []Diagnosis{{Finding: Finding{
			About: "cluster", Message: fmt.Sprintf("%s does not take the credentials%s", e.d.server, inContext(e.d.context)),
			Hint: RenewHint(e.d.site.Namespace),
		}}}, nil
	}
	if err != nil {
		return nil, err
	}
	e.preflight = survey
	version := "unknown version"
	if info, err := e.d.client.Discovery().ServerVersion(); err == nil {
		version = info.GitVersion
	}
	return []Diagnosis{well("cluster", "Kubernetes %s at %s%s", version, e.d.server, inContext(e.d.context))}, nil
}

func inContext(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" (context %s)", name)
}

// permissions are told by resource: there are dozens of them. What only
// Preflight looks at is no reason to stop.
func (e *Examination) permissions(ctx context.Context) ([]Diagnosis, error) {
	allowed, err := e.d.allowed(ctx, everything(e.d.site.Namespace))
	if err != nil {
		return nil, err
	}
	var wanted []authorizationv1.ResourceAttributes
	var list []Diagnosis
	if allowed {
		list = append(list, well("permissions", "everything in namespace %s", e.d.site.Namespace))
	} else {
		wanted = permissions(e.d.site, e.objects, e.exists)
	}
	refused, err := e.d.refused(ctx, wanted)
	if err != nil {
		return nil, err
	}
	for _, resource := range byResource(wanted) {
		list = append(list, e.judgePermission(resource, refused, Finding{Hint: grantHint}))
	}
	wanted = lookups(e.d.site)
	if refused, err = e.d.refused(ctx, wanted); err != nil {
		return nil, err
	}
	for _, resource := range byResource(refused) {
		list = append(list, e.judgePermission(resource, refused, Finding{Hint: grantHint, Warning: true}))
	}
	return list, nil
}

// byResource puts the permissions of a resource together, in their order.
func byResource(permissions []authorizationv1.ResourceAttributes) [][]authorizationv1.ResourceAttributes {
	var groups [][]authorizationv1.ResourceAttributes
	for _, p := range permissions {
		i := slices.IndexFunc(groups, func(g []authorizationv1.ResourceAttributes) bool {
			first := g[0]
			first.Verb = p.Verb
			return first == p
		})
		if i < 0 {
			groups = append(groups, nil)
			i = len(groups) - 1
		}
		groups[i] = append(groups[i], p)
	}
	return groups
}

// judgePermission says what of a resource is granted, or completes bad with
// what is not.
func (e *Examination) judgePermission(wanted, refused []authorizationv1.ResourceAttributes, bad Finding) Diagnosis {
	about := "permission for " + strings.TrimPrefix(words(wanted[0]), wanted[0].Verb+" ")
	var all, missing []string
	for _, p := range wanted {
		all = append(all, p.Verb)
		if slices.Contains(refused, p) {
			missing = append(missing, p.Verb)
		}
	}
	if len(missing) == 0 {
		return well(about, "%s", strings.Join(all, ", "))
	}
	bad.About, bad.Message = about, "missing: "+strings.Join(missing, ", ")
	if wanted[0].Namespace != "" {
		bad.Message += " in namespace " + wanted[0].Namespace
	}
	if bad.Warning {
		bad.Message += "; a ship works without, but finds out later what is wrong"
	}
	return Diagnosis{Finding: bad}
}

func (e *Examination) namespace(context.Context) ([]Diagnosis, error) {
	about := "namespace " + e.d.site.Namespace
	switch {
	case e.exists:
		return []Diagnosis{well(about, "is there, or must not be read")}, nil
	case e.d.patching():
		return []Diagnosis{{Finding: Finding{
			About: about, Message: "does not exist, and in patch mode nothing is laid out",
			Hint: "set namespace in site.yaml to one of kubectl get namespaces",
		}}}, nil
	default:
		return []Diagnosis{well(about, "is not there yet: the first ship makes it")}, nil
	}
}

// pullSecret looks for the Secret that each ship writes the login into.
func (e *Examination) pullSecret(ctx context.Context) ([]Diagnosis, error) {
	about := "Secret " + pullSecret
	switch {
	case e.d.patching():
		return nil, nil // the pods have what they have
	case !e.exists:
		return []Diagnosis{well(about, "the first ship makes it")}, nil
	}
	_, err := e.d.client.CoreV1().Secrets(e.d.site.Namespace).Get(ctx, pullSecret, metav1.GetOptions{})
	switch {
	case err == nil:
		return []Diagnosis{well(about, "is there; each ship renews it")}, nil
	case apierrors.IsNotFound(err):
		return []Diagnosis{well(about, "the next ship makes it")}, nil
	case apierrors.IsForbidden(err):
		return []Diagnosis{{Finding: Finding{About: about, Message: "this account may not get secrets"}, Unseen: true}}, nil
	default:
		return nil, fmt.Errorf("read %s: %w", about, err)
	}
}

func (e *Examination) secrets() []Diagnosis {
	var list []Diagnosis
	for _, secret := range ownSecrets(e.d.site) {
		message := "is there"
		if len(secret.keys) > 0 {
			message = "has the keys " + strings.Join(secret.keys, " and ")
		}
		list = append(list, well("Secret "+secret.name, "%s", message))
	}
	return list
}

func (e *Examination) storageClasses() []Diagnosis {
	names := map[string]bool{}
	for _, claim := range claims(e.objects) {
		if claim.class == "" {
			names["the cluster's default"] = true
		} else {
			names[claim.class] = true
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []Diagnosis{well("storage class", "%s", strings.Join(slices.Sorted(maps.Keys(names)), ", "))}
}

func (e *Examination) ingressClasses() []Diagnosis {
	var list []Diagnosis
	for _, object := range e.objects {
		if object.GetKind() != "Ingress" {
			continue
		}
		class, _, _ := unstructured.NestedString(object.Object, "spec", "ingressClassName")
		if class == "" {
			class = "the cluster's default"
		}
		list = append(list, well("ingress class", "%s (%s)", class, object))
	}
	return list
}

func (e *Examination) gateways() []Diagnosis {
	if e.d.patching() || e.d.site.Ingress == nil || e.d.site.Ingress.Gateway == nil {
		return nil
	}
	return []Diagnosis{well("Gateway "+e.d.gatewayName(), "is there")}
}

func (e *Examination) issuers() []Diagnosis {
	var list []Diagnosis
	for _, object := range e.objects {
		for _, annotation := range slices.Sorted(maps.Keys(issuers)) {
			if name := object.GetAnnotations()[annotation]; name != "" {
				list = append(list, well("issuer "+name, "is there (cert-manager)"))
			}
		}
	}
	return list
}

func (e *Examination) dryRun() []Diagnosis {
	if !e.exists {
		return []Diagnosis{{
			Finding: Finding{About: "objects", Message: "a namespace that is not there takes no dry run"}, Unseen: true,
		}}
	}
	return []Diagnosis{well("objects", "the API server takes all %d in a dry run", len(e.objects))}
}

// greatestSkew is how far two clocks may differ: tokens and certificates are
// valid from a moment on, and nobody grants them minutes.
const greatestSkew = 30 * time.Second

func (e *Examination) clock(ctx context.Context) ([]Diagnosis, error) {
	before := time.Now()
	theirs, err := e.d.date(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the API server for the time: %w", err)
	}
	return []Diagnosis{judgeClock(before, time.Now(), theirs)}, nil
}

// judgeClock compares the time of the API server, in whole seconds, with ours
// before and after it was asked.
func judgeClock(before, after, theirs time.Time) Diagnosis {
	var skew time.Duration
	switch {
	case theirs.Before(before.Truncate(time.Second)):
		skew = before.Sub(theirs)
	case theirs.After(after):
		skew = theirs.Sub(after)
	}
	skew = skew.Round(time.Second)
	if skew <= greatestSkew {
		return well("clock", "differs from the API server's by %s at most", max(skew, time.Second))
	}
	which := "ahead of"
	if theirs.After(after) {
		which = "behind"
	}
	return Diagnosis{Finding: Finding{
		About:   "clock",
		Message: fmt.Sprintf("is %s %s the API server's: tokens and certificates count as expired, or as not yet valid", skew, which),
		Hint:    "timedatectl set-ntp true, here or on the control plane, whichever is wrong",
	}}
}

// Addresses are where the site's Ingress or Gateway is reached, IP addresses
// and host names, as far as its controller has written them down; none before
// the first ship.
func (e *Examination) Addresses(ctx context.Context) ([]string, error) {
	ingress := e.d.site.Ingress
	switch {
	case ingress == nil || e.d.patching():
		return nil, nil
	case ingress.Gateway != nil:
		gateway, err := e.d.gateway(ctx)
		if err != nil {
			return nil, nil // told elsewhere
		}
		var list []string
		for _, address := range gateway.Status.Addresses {
			list = append(list, address.Value)
		}
		return list, nil
	}
	live, err := e.d.client.NetworkingV1().Ingresses(e.d.site.Namespace).Get(ctx, "web", metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read Ingress web: %w", err)
	}
	var list []string
	for _, point := range live.Status.LoadBalancer.Ingress {
		for _, address := range []string{point.IP, point.Hostname} {
			if address != "" {
				list = append(list, address)
			}
		}
	}
	return list, nil
}

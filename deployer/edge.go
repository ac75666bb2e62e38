package deployer

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sitectl/sitectl/site"
	"github.com/sitectl/sitectl/templates"
)

// ingressView is how the site is reached from outside, by Ingress or
// HTTPRoute.
type ingressView struct {
	Class       string
	Gateway     *gatewayView
	Annotated   bool
	Annotations []annotationView
	Hosts       []string // those that are redirected included
	Paths       []string
	Rules       []ruleView
	TLS         *tlsView
	Timeout     string
}

type gatewayView struct {
	Name      string
	Namespace string
	Section   string
}

type annotationView struct{ Key, Value string }

type ruleView struct {
	Host  string
	Paths []string
}

// tlsView is the certificate of an Ingress.
type tlsView struct {
	Secret string // empty for the controller's own
	Hosts  []string
}

func newIngressView(s site.Site) *ingressView {
	ingress := s.Ingress
	if ingress == nil {
		return nil
	}
	v := &ingressView{
		Class:       ingress.Class,
		Gateway:     (*gatewayView)(ingress.Gateway),
		Annotations: ingressAnnotations(ingress),
		Hosts:       slices.Clone(ingress.Hosts),
		Paths:       ingress.Paths,
		Timeout:     fmt.Sprintf("%ds", ingress.Timeout.Seconds()),
	}
	v.Annotated = len(v.Annotations) > 0
	for _, redirect := range ingress.Redirects {
		v.Hosts = append(v.Hosts, redirect.From)
	}
	for _, host := range v.Hosts {
		v.Rules = append(v.Rules, ruleView{host, v.Paths})
	}
	if tls := ingress.TLS; tls != nil {
		v.TLS = &tlsView{Secret: tls.Secret, Hosts: v.Hosts}
		if tls.Issuer != "" {
			v.TLS.Secret = certificateSecret
		}
	}
	return v
}

// certificateSecret is where cert-manager keeps the certificate.
const certificateSecret = "web-tls"

// servicePort is where the Service web leads to the whole site: to Varnish,
// or to Apache alone.
func servicePort(web site.Web) int32 {
	if web.Varnish != nil {
		return 6081
	}
	return 80
}

// ingressAnnotations are the site's own, and what keeps the defaults of
// ingress-nginx out of the way: a request body of at most 1 MB, and an answer
// within 60 seconds. Other controllers have no such limits, and take no
// notice.
func ingressAnnotations(ingress *site.Ingress) []annotationView {
	const nginx = "nginx.ingress.kubernetes.io/"
	seconds := strconv.FormatInt(ingress.Timeout.Seconds(), 10)
	all := map[string]string{}
	if ingress.Gateway == nil {
		all = map[string]string{
			nginx + "proxy-body-size":    "0", // the pod has a limit of its own
			nginx + "proxy-read-timeout": seconds,
			nginx + "proxy-send-timeout": seconds,
		}
		if tls := ingress.TLS; tls != nil && !tls.Redirect {
			all[nginx+"ssl-redirect"] = "false"
		}
		if tls := ingress.TLS; tls != nil && tls.Issuer != "" {
			all["cert-manager.io/cluster-issuer"] = tls.Issuer
		}
	}
	maps.Copy(all, ingress.Annotations)
	var annotations []annotationView
	for _, key := range slices.Sorted(maps.Keys(all)) {
		annotations = append(annotations, annotationView{key, all[key]})
	}
	return annotations
}

// apacheView is what Apache does at the edge of the site, in each of its
// pods: what differs between environments, and so cannot be in the image.
type apacheView struct {
	HTTPS     bool // plain HTTP is sent there
	Redirects []redirectView
	HSTS      string // the header; empty for none
	Noindex   bool
	Upload    *uploadView
	BasicAuth *basicAuthView
}

type redirectView struct {
	From   string // a regular expression
	To     string // with what mod_rewrite puts in
	Status int32
}

// uploadView are limits in bytes.
type uploadView struct{ File, Request int64 }

type basicAuthView struct {
	Users      string // path of the htpasswd file
	HealthPath string // a regular expression
	Varnish    bool   // is in front of Apache
}

func newApacheView(s site.Site) (apacheView, error) {
	ingress := s.Ingress
	if ingress == nil {
		return apacheView{}, nil
	}
	v := apacheView{
		HTTPS:   ingress.TLS != nil && ingress.TLS.Redirect,
		HSTS:    hstsHeader(ingress.HSTS),
		Noindex: ingress.Noindex,
	}
	scheme := "http://"
	if https(s) {
		scheme = "https://"
	}
	for _, redirect := range ingress.Redirects {
		v.Redirects = append(v.Redirects, redirectView{
			From:   "^" + literal(redirect.From) + "(:[0-9]+)?$",
			To:     scheme + redirect.To + "%{REQUEST_URI}",
			Status: int32(redirect.Status),
		})
	}
	if ingress.UploadSize != "" {
		size, err := resource.ParseQuantity(ingress.UploadSize)
		if err != nil {
			return apacheView{}, fmt.Errorf("ingress.uploadSize %q: %w", ingress.UploadSize, err)
		}
		// The other fields of the form, and what holds its parts together.
		const form = 8 << 20
		v.Upload = &uploadView{File: size.Value(), Request: size.Value() + form}
	}
	if ingress.BasicAuth != "" {
		health, _, _ := strings.Cut(s.Web.Health.Path, "?")
		v.BasicAuth = &basicAuthView{
			Users:      path.Join(site.SecretsDir, ingress.BasicAuth, passwordsKey),
			HealthPath: "^" + literal(health) + "$",
			Varnish:    s.Web.Varnish != nil,
		}
	}
	return v, nil
}

// hstsHeader writes the header as RFC 6797, section 6.1, has it.
func hstsHeader(hsts *site.HSTS) string {
	if hsts == nil {
		return ""
	}
	header := fmt.Sprintf("max-age=%d", hsts.MaxAge.Seconds())
	if hsts.Subdomains {
		header += "; includeSubDomains"
	}
	if hsts.Preload {
		header += "; preload"
	}
	return header
}

// literal writes a text as a regular expression that matches only it, without
// backslashes, which Apache's configuration reads in its own way.
func literal(text string) string {
	var out strings.Builder
	for _, r := range text {
		if strings.ContainsRune(".*+?$()[{|", r) {
			out.WriteString("[" + string(r) + "]")
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

// passwordsKey is the key of the Secret of ingress.basicAuth.
const passwordsKey = "htpasswd"

// defaultTimeout is how long a site without an ingress may take.
const defaultTimeout = 300

// vclView is what Varnish does differently from site to site.
type vclView struct {
	FirstByteSeconds int64
	BasicAuth        bool
}

// varnishConfiguration renders the VCL.
func varnishConfiguration(s site.Site, own templates.Own) (string, error) {
	v := vclView{FirstByteSeconds: defaultTimeout}
	if ingress := s.Ingress; ingress != nil {
		v = vclView{ingress.Timeout.Seconds(), ingress.BasicAuth != ""}
	}
	return own.Render("config/varnish.vcl", v)
}

// apacheConfiguration renders what Apache does at the edge.
func apacheConfiguration(s site.Site, own templates.Own) (string, error) {
	v, err := newApacheView(s)
	if err != nil {
		return "", err
	}
	return own.Render("config/apache.conf", v)
}

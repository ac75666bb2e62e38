package site

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
)

func (c *check) ingress() {
	ingress := c.site.Ingress
	if ingress == nil {
		return
	}
	c.expect(ingress.Class == "" || isObjectName(ingress.Class), "ingress.class", ingress.Class, "the name of an IngressClass", "")
	c.gateway(ingress)
	c.hosts(ingress.Hosts)
	c.ingressPaths(ingress.Paths)
	c.redirects(ingress)
	c.tls(ingress)
	if ingress.BasicAuth != "" {
		c.secretName("ingress.basicAuth", ingress.BasicAuth)
	}
	if ingress.UploadSize != "" {
		c.size("ingress.uploadSize", ingress.UploadSize)
	}
	c.span("ingress.timeout", ingress.Timeout)
	// A duration of the Gateway API has five digits (GEP-2257).
	c.expect(ingress.Timeout.Duration() <= 24*time.Hour, "ingress.timeout", ingress.Timeout.String(), "a time span of at most 24h", "")
	for name := range ingress.Annotations {
		c.expect(len(validation.IsQualifiedName(name)) == 0, join("ingress.annotations", name), name, "the name of an annotation", "")
	}
}

func (c *check) gateway(ingress *Ingress) {
	gateway := ingress.Gateway
	if gateway == nil {
		return
	}
	c.expect(isObjectName(gateway.Name), "ingress.gateway.name", gateway.Name, "the name of a Gateway", "")
	c.expect(gateway.Namespace == "" || isLabel(gateway.Namespace), "ingress.gateway.namespace", gateway.Namespace, "the name of a namespace", "")
	c.expect(gateway.Section == "" || isObjectName(gateway.Section), "ingress.gateway.section", gateway.Section, "the name of a listener", "")
	if ingress.Class != "" {
		c.conflict("ingress.class", "an HTTPRoute has no class: its Gateway has", "leave out class, or gateway")
	}
	if tls := ingress.TLS; tls != nil && (tls.Issuer != "" || tls.Secret != "") {
		c.conflict("ingress.tls", "the certificate of an HTTPRoute is that of its Gateway", "write tls: {}")
	}
}

func (c *check) hosts(hosts []string) {
	if !c.places["ingress.hosts"].origin.inFile() {
		if isHost(c.site.Address) && !isHost(hosts[0]) {
			c.problem("site", fmt.Sprintf("the host %q that follows from it is not possible", shorten(hosts[0])), "set ingress.hosts")
		}
		return
	}
	if len(hosts) == 0 {
		c.problem("ingress.hosts", "expected at least one host, found none", "write ingress: null for a site without an ingress")
	}
	paths := indexed("ingress.hosts", len(hosts), "")
	for i, host := range hosts {
		if i == 0 && isWildcardHost(host) {
			c.problem(paths[i], "the first host is the site's own address and cannot have a wildcard", "put another one before it")
		}
		c.host(paths[i], host, isWildcardHost(host))
	}
	c.unique(paths, hosts)
}

func (c *check) host(path, host string, wildcard bool) {
	c.expect(isHost(host) || wildcard, path, host, "a host name in lower case, such as www.example.com", "")
}

func (c *check) ingressPaths(prefixes []string) {
	if len(prefixes) == 0 {
		c.problem("ingress.paths", "expected at least one path, found none", "leave it out for the whole site")
	}
	paths := indexed("ingress.paths", len(prefixes), "")
	for i, prefix := range prefixes {
		c.expect(isPathPrefix(prefix), paths[i], prefix, "a path such as / or /blog", "")
	}
	c.unique(paths, prefixes)
}

// redirectStatuses are those that browsers follow to the same page.
var redirectStatuses = []int{301, 302, 307, 308}

func (c *check) redirects(ingress *Ingress) {
	paths, from := indexed("ingress.hosts", len(ingress.Hosts), ""), slices.Clone(ingress.Hosts)
	for i, redirect := range ingress.Redirects {
		path := joinIndex("ingress.redirects", i)
		c.host(path+".from", redirect.From, false)
		c.host(path+".to", redirect.To, false)
		if !slices.Contains(redirectStatuses, redirect.Status) {
			c.problem(path+".status", fmt.Sprintf("expected 301, 302, 307 or 308, found %d", redirect.Status), "")
		}
		paths, from = append(paths, path+".from"), append(from, redirect.From)
	}
	c.unique(paths, from)
}

func (c *check) tls(ingress *Ingress) {
	if hsts := ingress.HSTS; hsts != nil {
		c.span("ingress.hsts.maxAge", hsts.MaxAge)
		if ingress.TLS == nil {
			c.conflict("ingress.hsts", "browsers take it only from a site under HTTPS", "add tls")
		}
		// https://hstspreload.org, "Submission Requirements"
		if year := 365 * 24 * time.Hour; hsts.Preload && (!hsts.Subdomains || hsts.MaxAge.Duration() < year) {
			c.conflict("ingress.hsts.preload", "the lists take only what holds for a year and for subdomains", "set subdomains: true and maxAge: 8760h")
		}
	}
	tls := ingress.TLS
	if tls == nil {
		return
	}
	c.expect(tls.Issuer == "" || isObjectName(tls.Issuer), "ingress.tls.issuer", tls.Issuer, "the name of a ClusterIssuer", "")
	c.expect(tls.Secret == "" || isObjectName(tls.Secret), "ingress.tls.secret", tls.Secret, "the name of a Secret", "")
	if tls.Issuer != "" && tls.Secret != "" {
		c.conflict("ingress.tls.secret", "there are two certificates: cert-manager's (issuer) and that of the Secret", "leave out one of them")
	}
}

package site

import "fmt"

func (c *check) ingress() {
	ingress := c.site.Ingress
	if ingress == nil {
		return
	}
	c.expect(ingress.Class == "" || isObjectName(ingress.Class), "ingress.class", ingress.Class, "the name of an IngressClass", "")
	c.hosts(ingress.Hosts)
	if ingress.TLS != nil {
		c.expect(isObjectName(ingress.TLS.Issuer), "ingress.tls.issuer", ingress.TLS.Issuer, "the name of a ClusterIssuer", "")
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
		c.expect(isHost(host) || isWildcardHost(host), paths[i], host, "a host name in lower case, such as www.example.com", "")
	}
	c.unique(paths, hosts)
}

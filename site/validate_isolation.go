package site

import "net/netip"

func (c *check) isolation() {
	isolation := c.site.Isolation
	if isolation == nil {
		return
	}
	namespaces := indexed("isolation.namespaces", len(isolation.Namespaces), "")
	for i, path := range namespaces {
		c.expect(isLabel(isolation.Namespaces[i]), path, isolation.Namespaces[i], "the name of a namespace", "")
	}
	c.unique(namespaces, isolation.Namespaces)
	networks := indexed("isolation.networks", len(isolation.Networks), "")
	for i, path := range networks {
		c.network(path, isolation.Networks[i])
	}
	c.unique(networks, isolation.Networks)
}

// network checks a network in the form that Kubernetes wants: without bits of
// a host.
func (c *check) network(path, text string) {
	prefix, err := netip.ParsePrefix(text)
	hint := ""
	if address, wrong := netip.ParseAddr(text); wrong == nil {
		hint = "did you mean \"" + netip.PrefixFrom(address, address.BitLen()).String() + "\"?"
	} else if err == nil && prefix.Masked() != prefix {
		hint = "did you mean \"" + prefix.Masked().String() + "\"?"
	}
	c.expect(err == nil && prefix.Masked().String() == text, path, text, "a network, such as 10.0.0.0/8", hint)
}

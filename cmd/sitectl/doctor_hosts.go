package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// resolver asks for the addresses of a host; net.Resolver is one.
type resolver interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
}

func (d *doctor) hostChecks() []*examined {
	return grouped("hosts", statusFailed, &examined{
		name: "hosts", needs: []string{"site file"}, after: []string{"cluster"}, look: d.lookAtHosts,
	})
}

// lookAtHosts asks for all hosts at the same time.
func (d *doctor) lookAtHosts(ctx context.Context) []diagnosis {
	if d.site.Ingress == nil || d.site.Deploy != nil {
		return nil
	}
	hosts := slices.Clone(d.site.Ingress.Hosts)
	for _, redirect := range d.site.Ingress.Redirects {
		hosts = append(hosts, redirect.From)
	}
	edge := d.edge(ctx)
	found := make([]diagnosis, len(hosts))
	var group sync.WaitGroup
	for i, host := range hosts {
		group.Go(func() { found[i] = d.lookAtHost(ctx, host, edge) })
	}
	group.Wait()
	return found
}

// edge are the IP addresses at which the Ingress or Gateway of the site is
// reached; none if that is not known.
func (d *doctor) edge(ctx context.Context) []string {
	if !d.reached {
		return nil
	}
	addresses, err := d.cluster.Addresses(ctx)
	if err != nil {
		return nil // its address is only worth a comparison
	}
	var list []string
	for _, address := range addresses {
		if _, err := netip.ParseAddr(address); err == nil {
			list = append(list, address)
		} else if resolved, err := d.resolver.LookupHost(ctx, address); err == nil {
			list = append(list, resolved...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// lookAtHost asks for a host. That it leads elsewhere may be right: to a load
// balancer or a cache that somebody runs in front of the cluster.
func (d *doctor) lookAtHost(ctx context.Context, host string, edge []string) diagnosis {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return fine("%s is this machine, without DNS (RFC 6761)", host)[0]
	}
	asked := strings.Replace(host, "*.", "sitectl-doctor.", 1) // whatever is below
	found, err := d.resolver.LookupHost(ctx, asked)
	target := "the address of the ingress controller (kubectl get services --all-namespaces)"
	if len(edge) > 0 {
		target = strings.Join(edge, " or ")
	}
	mend := "have a DNS record of " + host + " lead to " + target
	var failed *net.DNSError
	switch {
	case errors.As(err, &failed) && failed.IsNotFound:
		return diagnosis{Result: checkFailed, Message: host + " has no address: nobody can find the site there", Mend: mend}
	case err != nil:
		return warning("", "%s: %s", host, inOneLine(err.Error()))[0]
	}
	slices.Sort(found)
	addresses := strings.Join(found, ", ")
	here := slices.ContainsFunc(found, func(address string) bool { return slices.Contains(edge, address) })
	switch {
	case len(edge) == 0:
		return fine("%s has the address %s; whether that is the cluster's is not known before the first ship", host, addresses)[0]
	case here:
		return fine("%s has the address %s, which is the cluster's", host, addresses)[0]
	default:
		return warning(mend+", unless something in front of the cluster has that address", "%s has the address %s, but the cluster is reached at %s", host, addresses, target)[0]
	}
}

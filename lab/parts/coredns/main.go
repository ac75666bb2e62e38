// Command coredns is the lab's cluster DNS server: CoreDNS with only the
// plugins that a cluster's DNS needs, so that it builds fast and stays small.
//
// It runs as a process of the host, outside the pod network, and reads
// Services and EndpointSlices with a kubeconfig:
//
//	coredns -conf Corefile
//
// with a Corefile like this one, 10.244.0.1 being an address of the host that
// pods reach (the bridge's own):
//
//	.:53 {
//	    bind 10.244.0.1
//	    errors
//	    health 127.0.0.1:8053
//	    ready 127.0.0.1:8054
//	    kubernetes cluster.local in-addr.arpa ip6.arpa {
//	        kubeconfig /path/to/kubeconfig
//	        pods insecure
//	        fallthrough in-addr.arpa ip6.arpa
//	        ttl 5
//	    }
//	    forward . /etc/resolv.conf
//	    cache 5
//	}
//
// The path /ready of the ready plugin answers 200 once the kubernetes plugin
// has listed the cluster's Services.
package main

import (
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func main() {
	coremain.Run()
}

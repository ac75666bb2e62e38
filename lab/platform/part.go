package platform

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
)

// part is one process of the lab.
type part struct {
	name    string
	binary  string // absolute path
	args    []string
	env     []string // besides what all have
	reads   []string // files whose change asks for a restart
	address string   // where it answers, for people
	needs   []string // steps that must be done before it starts

	// clean removes what a former process of the part left behind, before a
	// new one starts.
	clean func(ctx context.Context) error

	// ready returns nil once the part answers; it is asked again and again.
	ready func(ctx context.Context) error
}

// digest tells whether a running process was started as the part says.
func (p part) digest() (string, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s %q %q\n", p.binary, p.args, p.env)
	for _, path := range p.reads {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read the configuration of %s: %w", p.name, err)
		}
		fmt.Fprintf(hash, "%s %d\n%s", path, len(content), content)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// parts are the processes of the lab, in an order in which they could start.
// self is the path of the executable that runs the provisioner.
func (lab *Lab) parts(self string, binaries map[string]string) []part {
	list := slices.Concat(lab.controlPlane(binaries), lab.node(binaries), lab.services(self, binaries))
	for i, p := range list {
		if p.clean == nil {
			list[i].clean = func(context.Context) error { return nil }
		}
	}
	return list
}

func (lab *Lab) controlPlane(binaries map[string]string) []part {
	l := lab.layout
	return []part{
		{
			name: "etcd", binary: binaries["etcd"], address: etcdAddress,
			args: flags(
				"name", nodeName, "data-dir", l.in("etcd"),
				"listen-client-urls", "https://"+etcdAddress, "advertise-client-urls", "https://"+etcdAddress,
				"listen-peer-urls", "http://"+etcdPeerAddress, "initial-advertise-peer-urls", "http://"+etcdPeerAddress,
				"initial-cluster", nodeName+"=http://"+etcdPeerAddress,
				"cert-file", l.certificate("etcd"), "key-file", l.key("etcd"),
				"trusted-ca-file", l.certificate("ca"), "client-cert-auth", "true",
				// What a killed process has written is safe; a lab need not
				// survive a loss of power.
				"unsafe-no-fsync", "true",
				"log-level", "warn",
			),
			needs: []string{"build etcd", "settings"},
			ready: lab.answers("https://" + etcdAddress + "/health"),
		},
		{
			name: "kube-apiserver", binary: binaries["kube-apiserver"], address: apiServerAddress,
			args: flags(
				"bind-address", nodeAddress, "secure-port", port(apiServerAddress), "advertise-address", nodeAddress,
				"etcd-servers", "https://"+etcdAddress, "etcd-cafile", l.certificate("ca"),
				"etcd-certfile", l.certificate("kube-apiserver"), "etcd-keyfile", l.key("kube-apiserver"),
				"client-ca-file", l.certificate("ca"), "authentication-config", l.config("authentication.yaml"),
				"tls-cert-file", l.certificate("kube-apiserver"), "tls-private-key-file", l.key("kube-apiserver"),
				"kubelet-certificate-authority", l.certificate("ca"), "kubelet-preferred-address-types", "InternalIP",
				"kubelet-client-certificate", l.certificate("kube-apiserver"), "kubelet-client-key", l.key("kube-apiserver"),
				"service-account-issuer", "https://kubernetes.default.svc."+clusterDomain,
				"service-account-key-file", l.key("service-account"), "service-account-signing-key-file", l.key("service-account"),
				"service-cluster-ip-range", serviceRange,
				"authorization-mode", "Node,RBAC", "enable-admission-plugins", "NodeRestriction",
				"allow-privileged", "true",
			),
			reads: []string{l.config("authentication.yaml")},
			needs: []string{"build kubernetes", "network", "etcd"},
			ready: lab.answers("https://" + apiServerAddress + "/readyz"),
		},
		{
			name: "kube-controller-manager", binary: binaries["kube-controller-manager"], address: controllerAddress,
			args: flags(
				"bind-address", host(controllerAddress), "secure-port", port(controllerAddress),
				"tls-cert-file", l.certificate("kube-controller-manager"), "tls-private-key-file", l.key("kube-controller-manager"),
				"kubeconfig", l.kubeconfig("kube-controller-manager"),
				"cluster-cidr", podRange, "allocate-node-cidrs", "false", "service-cluster-ip-range", serviceRange,
				"root-ca-file", l.certificate("ca"), "service-account-private-key-file", l.key("service-account"),
				"use-service-account-credentials", "true", "leader-elect", "false",
				"flex-volume-plugin-dir", l.in("kubelet", "volume-plugins"),
			),
			reads: []string{l.kubeconfig("kube-controller-manager")},
			needs: []string{"kube-apiserver"},
			ready: lab.answers("https://" + controllerAddress + "/healthz"),
		},
		{
			name: "kube-scheduler", binary: binaries["kube-scheduler"], address: schedulerAddress,
			args: flags(
				"bind-address", host(schedulerAddress), "secure-port", port(schedulerAddress),
				"tls-cert-file", l.certificate("kube-scheduler"), "tls-private-key-file", l.key("kube-scheduler"),
				"kubeconfig", l.kubeconfig("kube-scheduler"), "leader-elect", "false",
			),
			reads: []string{l.kubeconfig("kube-scheduler")},
			needs: []string{"kube-apiserver"},
			ready: lab.answers("https://" + schedulerAddress + "/healthz"),
		},
	}
}

func (lab *Lab) node(binaries map[string]string) []part {
	l := lab.layout
	return []part{
		{
			name: "containerd", binary: binaries["containerd"], address: "unix://" + l.containerdSocket(),
			args:  flags("config", l.config("containerd.toml")),
			reads: []string{l.config("containerd.toml"), l.config("cni/10-lab.conflist")},
			needs: []string{"build containerd", "build runc", "network"},
			clean: lab.cleanContainerd,
			ready: serves(l.containerdSocket()),
		},
		{
			name: "kubelet", binary: binaries["kubelet"], address: kubeletAddress,
			args: flags(
				"config", l.config("kubelet.yaml"), "kubeconfig", l.kubeconfig("kubelet"), "root-dir", l.in("kubelet"),
				"hostname-override", nodeName, "node-ip", nodeAddress,
			),
			reads: []string{l.config("kubelet.yaml"), l.kubeconfig("kubelet")},
			needs: []string{"kube-apiserver", "containerd"},
			clean: lab.cleanKubelet,
			ready: lab.answers("http://" + kubeletHealth + "/healthz"),
		},
		{
			name: "kube-proxy", binary: binaries["kube-proxy"], address: proxyHealth,
			args:  flags("config", l.config("kube-proxy.yaml")),
			reads: []string{l.config("kube-proxy.yaml"), l.kubeconfig("kube-proxy")},
			// kube-proxy looks for the addresses of its node for some time.
			needs: []string{"node"},
			ready: lab.answers("http://" + proxyHealth + "/healthz"),
		},
	}
}

func (lab *Lab) services(self string, binaries map[string]string) []part {
	l := lab.layout
	return []part{
		{
			name: "registry", binary: binaries["registry"], address: registryAddress,
			args: flags(
				"address", registryAddress, "mirror", mirrorAddress, "storage", l.in("registry"),
				"htpasswd", l.config("htpasswd"), "cert", l.certificate("registry"), "key", l.key("registry"),
			),
			reads: []string{l.config("htpasswd")},
			needs: []string{"build registry", "settings"},
			ready: lab.answers("https://" + mirrorAddress + "/v2/"),
		},
		{
			name: "buildkitd", binary: binaries["buildkitd"], address: "unix://" + l.buildkitSocket(),
			args:  flags("config", l.config("buildkitd.toml")),
			reads: []string{l.config("buildkitd.toml"), l.config("buildkit-runc")},
			needs: []string{"build buildkit", "build runc", "network"},
			clean: lab.cleanBuildKit,
			ready: serves(l.buildkitSocket()),
		},
		{
			name: "coredns", binary: binaries["coredns"], address: dnsAddress,
			args:  []string{"-conf", l.config("Corefile")},
			reads: []string{l.config("Corefile"), l.kubeconfig("coredns")},
			needs: []string{"build coredns", "objects"},
			ready: lab.answers("http://" + dnsReady + "/ready"),
		},
		{
			name: "provisioner", binary: self, address: l.volumes(),
			args:  append([]string{"provisioner"}, flags("kubeconfig", l.kubeconfig("provisioner"), "folder", l.volumes())...),
			reads: []string{l.kubeconfig("provisioner")},
			needs: []string{"objects"},
			ready: func(context.Context) error { return nil }, // it listens nowhere
		},
		{
			name: "traefik", binary: binaries["traefik"], address: ingressAddress,
			args:  []string{"--configFile=" + l.config("traefik.yaml")},
			env:   []string{"KUBECONFIG=" + l.kubeconfig("traefik")},
			reads: []string{l.config("traefik.yaml"), l.kubeconfig("traefik")},
			needs: []string{"build traefik", "objects"},
			ready: lab.answers("http://" + traefikPing + "/ping"),
		},
	}
}

// flags writes pairs of names and values as --name=value.
func flags(pairs ...string) []string {
	var list []string
	for pair := range slices.Chunk(pairs, 2) {
		list = append(list, "--"+strings.Join(pair, "="))
	}
	return list
}

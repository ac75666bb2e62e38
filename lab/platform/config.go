package platform

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"text/template"

	"github.com/sitectl/sitectl/lab/images"
	"github.com/sitectl/sitectl/lab/provisioner"
)

//go:embed config
var configFiles embed.FS

// settings are what the files in config/ are rendered with. All values are the
// lab's own: addresses, names and paths without blanks or quotes.
type settings struct {
	State, ContainerdSocket, BuildKitSocket           string
	Shim, Runc, CNIPlugins                            string
	NodeName, NodeAddress, NetworkName, Bridge        string
	PodRange, ClusterDomain, DNSService, Cgroup       string
	KubeletPort, KubeletHealthHost, KubeletHealthPort string
	ProxyHealth, DNSPort, DNSHealth, DNSReady         string
	IngressAddress, TraefikPing                       string
	RegistryAddress, MirrorAddress                    string
	PauseImage, Platform, Provisioner                 string
}

func newSettings(l layout, binaries map[string]string) settings {
	return settings{
		State: l.state, ContainerdSocket: l.containerdSocket(), BuildKitSocket: l.buildkitSocket(),
		Shim: binaries["containerd-shim-runc-v2"], Runc: binaries["runc"], CNIPlugins: cniPlugins,
		NodeName: nodeName, NodeAddress: nodeAddress, NetworkName: networkName, Bridge: bridgeName,
		PodRange: podRange, ClusterDomain: clusterDomain, DNSService: dnsService, Cgroup: cgroupName,
		KubeletPort: port(kubeletAddress), KubeletHealthHost: host(kubeletHealth), KubeletHealthPort: port(kubeletHealth),
		ProxyHealth: proxyHealth, DNSPort: port(dnsAddress), DNSHealth: dnsHealth, DNSReady: dnsReady,
		IngressAddress: ingressAddress, TraefikPing: traefikPing,
		RegistryAddress: registryAddress, MirrorAddress: mirrorAddress,
		PauseImage: mirrorAddress + "/" + images.Pause, Platform: "linux/" + runtime.GOARCH, Provisioner: provisioner.Name,
	}
}

func host(address string) string { h, _, _ := net.SplitHostPort(address); return h }
func port(address string) string { _, p, _ := net.SplitHostPort(address); return p }

// render renders one file of config/.
func render(name string, view any) ([]byte, error) {
	text, err := fs.ReadFile(configFiles, "config/"+name)
	if err != nil {
		return nil, err
	}
	parsed, err := template.New(name).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, view); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// renderConfig maps the path of every configuration file to its content.
func renderConfig(l layout, s settings) (map[string][]byte, error) {
	files := map[string][]byte{}
	for name, path := range map[string]string{
		"containerd.toml": l.config("containerd.toml"),
		"cni.conflist":    l.config("cni/10-lab.conflist"),
		"kubelet.yaml":    l.config("kubelet.yaml"),
		"kube-proxy.yaml": l.config("kube-proxy.yaml"),
		"buildkitd.toml":  l.config("buildkitd.toml"),
		"buildkit-runc":   l.config("buildkit-runc"),
		"Corefile":        l.config("Corefile"),
		"traefik.yaml":    l.config("traefik.yaml"),
	} {
		content, err := render(name, s)
		if err != nil {
			return nil, err
		}
		files[path] = content
	}
	for name, address := range map[string]string{registryAddress: registryAddress, mirrorAddress: mirrorAddress, "docker.io": mirrorAddress} {
		content, err := render("registry-hosts.toml", hosts{address, l.certificate("ca")})
		if err != nil {
			return nil, err
		}
		files[filepath.Join(l.config("registries"), name, "hosts.toml")] = content
	}
	authority, err := os.ReadFile(l.certificate("ca"))
	if err != nil {
		return nil, err
	}
	content, err := render("authentication.yaml", issuer{"https://" + issuerAddress, string(authority)})
	if err != nil {
		return nil, err
	}
	files[l.config("authentication.yaml")] = content
	for _, user := range kubeconfigUsers {
		content, err := kubeconfig(l, user)
		if err != nil {
			return nil, err
		}
		files[l.kubeconfig(user)] = content
	}
	return files, nil
}

// hosts is what containerd's hosts.toml of one registry is rendered with.
type hosts struct{ Address, CA string }

// issuer is what authentication.yaml is rendered with.
type issuer struct {
	URL string
	CA  string // PEM
}

// writeConfig writes the configuration files, which the started parts read.
// Only root reads them: some hold the keys of users of the cluster, and one is
// a script.
func writeConfig(files map[string][]byte) error {
	for path, content := range files {
		if err := writeFile(path, content, 0o700); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}

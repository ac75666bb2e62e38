package platform

import (
	"fmt"
	"os"
	"path/filepath"
)

// The addresses and names of the lab. They are fixed: there is one lab per
// machine, and what uses it can be told its addresses before it runs. Ports of
// parts that only talk among themselves start at 16443, away from those that
// another Kubernetes or registry on the same machine would take.
const (
	nodeName      = "sitectl-lab"
	networkName   = "sitectl-lab"
	bridgeName    = "sitectl-lab0"
	cgroupName    = "sitectl-lab"
	nftTable      = "sitectl-lab"
	podRange      = "10.244.0.0/16"
	nodeAddress   = "10.244.0.1" // the bridge's own: pods reach it, the network outside does not
	serviceRange  = "10.96.0.0/16"
	apiService    = "10.96.0.1"
	dnsService    = "10.96.0.10"
	clusterDomain = "cluster.local"

	apiServerAddress  = nodeAddress + ":16443"
	etcdAddress       = "127.0.0.1:12379"
	etcdPeerAddress   = "127.0.0.1:12380"
	controllerAddress = "127.0.0.1:20257"
	schedulerAddress  = "127.0.0.1:20259"
	kubeletAddress    = nodeAddress + ":20250"
	kubeletHealth     = "127.0.0.1:20248"
	proxyHealth       = "127.0.0.1:20256"
	dnsAddress        = nodeAddress + ":1053"
	dnsHealth         = "127.0.0.1:20080"
	dnsReady          = "127.0.0.1:20081"
	traefikPing       = "127.0.0.1:20082"
	registryAddress   = "127.0.0.1:5000"
	mirrorAddress     = "127.0.0.1:5001"
	ingressAddress    = "127.0.0.1:8088"
	issuerAddress     = "127.0.0.1:16444" // where nothing of the lab listens
)

// layout says where the lab keeps its files. What is under cache survives
// Down, what is under state does not.
type layout struct {
	source string // the lab's source folder, which holds parts/
	cache  string // built binaries and images
	state  string // everything of the running lab
}

// defaultState is not configurable because the unix sockets below it must stay
// within the 108 bytes of a socket address, and containerd's shims add 65.
const defaultState = "/var/lib/sitectl-lab"

func newLayout(source string) (layout, error) {
	source, err := findSource(source)
	if err != nil {
		return layout{}, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return layout{}, fmt.Errorf("find the cache folder: %w", err)
	}
	return layout{source: source, cache: filepath.Join(cache, "sitectl-lab"), state: defaultState}, nil
}

// findSource finds the folder of the lab's source, whose parts/ folder has one
// Go module per upstream part. They cannot be embedded: go:embed leaves out
// nested modules. Without a given folder it is looked for from the working
// directory and from the executable (bin/lab) upwards.
func findSource(given string) (string, error) {
	if given != "" {
		if !holdsParts(given) {
			return "", fmt.Errorf("%s is not the lab's source: it has no parts/kubernetes/go.mod", given)
		}
		return filepath.Abs(given)
	}
	var starts []string
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	if file, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(file))
	}
	for _, start := range starts {
		for dir := start; ; dir = filepath.Dir(dir) {
			for _, candidate := range []string{filepath.Join(dir, "lab"), dir} {
				if holdsParts(candidate) {
					return candidate, nil
				}
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", fmt.Errorf("the lab's source folder, with parts/kubernetes/go.mod, is not at or above any of %q: name it with --source", starts)
}

func holdsParts(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "parts", "kubernetes", "go.mod"))
	return err == nil
}

func (l layout) partSource(name string) string { return filepath.Join(l.source, "parts", name) }
func (l layout) binaries() string              { return filepath.Join(l.cache, "bin") }
func (l layout) images() string                { return filepath.Join(l.cache, "images") }
func (l layout) lock() string                  { return filepath.Join(l.cache, "lock") }

// in is a path below the state folder.
func (l layout) in(elements ...string) string {
	return filepath.Join(append([]string{l.state}, elements...)...)
}

func (l layout) log(part string) string         { return l.in("logs", part+".log") }
func (l layout) config(name string) string      { return l.in("config", name) }
func (l layout) certificate(name string) string { return l.in("pki", name+".pem") }
func (l layout) key(name string) string         { return l.in("pki", name+"-key.pem") }
func (l layout) kubeconfig(user string) string  { return l.in("config", user+".kubeconfig") }
func (l layout) containerdSocket() string       { return l.in("run", "containerd.sock") }
func (l layout) buildkitSocket() string         { return l.in("run", "buildkitd.sock") }
func (l layout) dockerConfig() string           { return l.in("docker") }
func (l layout) volumes() string                { return l.in("volumes") }

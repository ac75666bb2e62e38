package platform

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// component is one Go module below parts/ and what is built from it.
type component struct {
	name     string
	binaries []binary
	flags    []string // of go build, besides those that all have
	cgo      bool
}

type binary struct{ name, pkg string }

func components() []component {
	return []component{
		{name: "etcd", binaries: []binary{{"etcd", "go.etcd.io/etcd/server/v3"}}, flags: linking("")},
		{name: "kubernetes", binaries: []binary{
			{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"},
			{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"},
			{"kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"},
			{"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"},
			{"kubelet", "k8s.io/kubernetes/cmd/kubelet"},
		}, flags: linking("-X k8s.io/component-base/version.gitVersion=v1.36.3")},
		{name: "containerd", binaries: []binary{
			{"containerd", "github.com/containerd/containerd/v2/cmd/containerd"},
			{"containerd-shim-runc-v2", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"},
		}, flags: append(linking(""), "-tags", "no_btrfs no_devmapper no_zfs")},
		{name: "runc", binaries: []binary{{"runc", "github.com/opencontainers/runc"}}, cgo: true, flags: append(linking(""), "-tags", "seccomp")},
		{name: "buildkit", binaries: []binary{
			{"buildkitd", "github.com/moby/buildkit/cmd/buildkitd"},
			{"buildctl", "github.com/moby/buildkit/cmd/buildctl"},
		}, flags: linking("")},
		{name: "registry", binaries: []binary{{"registry", "."}}, flags: linking("")},
		{name: "coredns", binaries: []binary{{"coredns", "."}}, flags: linking("")},
		{name: "traefik", binaries: []binary{{"traefik", "github.com/traefik/traefik/v3/cmd/traefik"}}, flags: linking("")},
	}
}

// tools are programs that the lab itself does not need.
func tools() []component {
	return []component{
		{name: "act", binaries: []binary{{"act", "github.com/nektos/act"}}, flags: linking("")},
		{name: "kubectl", binaries: []binary{{"kubectl", "."}}, flags: linking("-X k8s.io/component-base/version.gitVersion=v1.36.3")},
		{name: "rclone", binaries: []binary{{"rclone", "."}}, flags: linking("")},
	}
}

// linking are the flags that strip a binary: together they are 800 MB
// otherwise.
func linking(more string) []string {
	return []string{"-ldflags", strings.TrimSpace("-s -w " + more)}
}

// key names the outcome of a build: it changes with the module's files, which
// pin every dependency, and with the flags.
func (c component) key(source string) (string, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "cgo %t\nflags %q\n", c.cgo, c.flags)
	for _, b := range c.binaries {
		fmt.Fprintf(hash, "binary %s %s\n", b.name, b.pkg)
	}
	err := filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, path)
		fmt.Fprintf(hash, "file %s %d\n%s\n", relative, len(content), content)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the source of %s: %w", c.name, err)
	}
	return c.name + "-" + hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// folder is where the component's binaries are in the cache.
func (c component) folder(l layout) (string, error) {
	key, err := c.key(l.partSource(c.name))
	return filepath.Join(l.binaries(), key), err
}

// build makes the component's binaries unless the cache has them, and says
// which of the two it was. Older builds of the component are removed.
func (c component) build(ctx context.Context, l layout) (outcome string, err error) {
	folder, err := c.folder(l)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(folder); err == nil {
		return "cached", nil
	}
	if err := os.MkdirAll(l.binaries(), 0o755); err != nil {
		return "", fmt.Errorf("create the cache: %w", err)
	}
	unfinished := filepath.Join(l.binaries(), "unfinished-"+c.name)
	if err := os.RemoveAll(unfinished); err != nil { // of a build that was killed
		return "", fmt.Errorf("build %s: %w", c.name, err)
	}
	if err := os.Mkdir(unfinished, 0o755); err != nil {
		return "", fmt.Errorf("build %s: %w", c.name, err)
	}
	defer os.RemoveAll(unfinished)
	if err := c.compile(ctx, l.partSource(c.name), unfinished); err != nil {
		return "", err
	}
	if err := removeOlder(l.binaries(), c.name); err != nil {
		return "", err
	}
	// Only a whole build ever has the final name.
	if err := os.Rename(unfinished, folder); err != nil {
		return "", fmt.Errorf("build %s: %w", c.name, err)
	}
	return "built", nil
}

func (c component) compile(ctx context.Context, source, target string) error {
	output := target + string(filepath.Separator)
	if len(c.binaries) == 1 {
		output = filepath.Join(target, c.binaries[0].name)
	}
	args := append([]string{"build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", output}, c.flags...)
	for _, b := range c.binaries {
		args = append(args, b.pkg)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
	if c.cgo {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	// An interrupt reaches the compilers below go as well, and go removes its
	// work folder then.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.CombinedOutput()
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("build %s: %w", c.name, err)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("build %s: Go is needed to build the lab: %w", c.name, err)
	}
	if err != nil {
		return fmt.Errorf("build %s: go %s: %w\n%s", c.name, strings.Join(args, " "), err, lastLines(out, 20))
	}
	return nil
}

// removeOlder removes the builds of a component.
func removeOlder(dir, name string) error {
	older, err := filepath.Glob(filepath.Join(dir, name+"-????????????????"))
	if err != nil {
		return err
	}
	for _, path := range older {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove an older build: %w", err)
		}
	}
	return nil
}

// findBinaries maps the name of every binary to its path in the cache, whether
// it is built yet or not.
func findBinaries(l layout) (map[string]string, error) {
	paths := map[string]string{}
	for _, c := range components() {
		folder, err := c.folder(l)
		if err != nil {
			return nil, err
		}
		for _, b := range c.binaries {
			paths[b.name] = filepath.Join(folder, b.name)
		}
	}
	return paths, nil
}

// Program is the path of a program that Up has built, for who runs another one
// of it than the lab's: "buildkitd", "buildctl", "registry", "runc".
func (lab *Lab) Program(name string) (string, error) {
	binaries, err := findBinaries(lab.layout)
	if err != nil {
		return "", err
	}
	path, known := binaries[name]
	if !known {
		return "", fmt.Errorf("the lab builds no program %q", name)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find %s, which `lab up` builds: %w", name, err)
	}
	return path, nil
}

// Tool is the path of a program that the lab itself does not need, and builds
// it unless the cache has it: "act", "kubectl", "rclone".
func (lab *Lab) Tool(ctx context.Context, name string) (string, error) {
	for _, c := range tools() {
		if c.name != name {
			continue
		}
		if _, err := c.build(ctx, lab.layout); err != nil {
			return "", err
		}
		folder, err := c.folder(lab.layout)
		return filepath.Join(folder, name), err
	}
	return "", fmt.Errorf("the lab knows no tool %q", name)
}

// lastLines returns up to n last lines of a text, without the line ends around
// them.
func lastLines(text []byte, n int) string {
	lines := strings.Split(string(bytes.TrimSpace(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

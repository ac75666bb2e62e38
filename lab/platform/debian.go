package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// debianPackages are what the lab takes from the distribution.
var debianPackages = []string{
	"ca-certificates",
	"containernetworking-plugins",                      // bridge and host-local
	"gcc", "libc6-dev", "libseccomp-dev", "pkg-config", // runc is built with cgo
	"mmdebstrap", // the mirrored images
	"mount",      // the kubelet runs mount and umount
	"nftables",   // kube-proxy runs nft
}

const cniPlugins = "/usr/lib/cni"

// installPackages installs the packages that are missing, and does without the
// network if none is.
func installPackages(ctx context.Context) (outcome string, err error) {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		return "", fmt.Errorf("the lab runs on Debian and its like, which have apt and dpkg: %w", err)
	}
	missing, err := missingPackages(ctx)
	if err != nil {
		return "", err
	}
	if len(missing) == 0 {
		return "installed", nil
	}
	if err := apt(ctx, "update"); err != nil {
		return "", err
	}
	install := append([]string{"install", "--yes", "--no-install-recommends"}, missing...)
	if err := apt(ctx, install...); err != nil {
		return "", err
	}
	return "added " + strings.Join(missing, " "), nil
}

func missingPackages(ctx context.Context) ([]string, error) {
	args := append([]string{"--show", "--showformat", "${Package} ${db:Status-Status}\n"}, debianPackages...)
	// It exits with 1 if it knows nothing of one of the packages.
	out, err := exec.CommandContext(ctx, "dpkg-query", args...).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, fmt.Errorf("look for installed packages: %w", err)
	}
	return lacking(debianPackages, string(out)), nil
}

// lacking returns the packages that lines of "name status" do not call
// installed.
func lacking(packages []string, lines string) []string {
	installed := map[string]bool{}
	for line := range strings.Lines(lines) {
		name, status, _ := strings.Cut(strings.TrimSpace(line), " ")
		installed[name] = installed[name] || status == "installed"
	}
	return slices.DeleteFunc(slices.Clone(packages), func(name string) bool { return installed[name] })
}

func apt(ctx context.Context, args ...string) error {
	// Another apt-get may hold the lock, on a machine that has just started.
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"--quiet", "-o", "DPkg::Lock::Timeout=300"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	// Killed, it would leave a package half installed.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, lastLines(out, 10))
	}
	return nil
}

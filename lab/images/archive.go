package images

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// archive is where Debian packages come from: URLs without a slash at the end.
type archive struct {
	Mirror   string
	Security string

	// proxy is apt's own on this machine, as a URL; empty for none. Only
	// builds use it, it gets into no image.
	proxy string
}

const (
	defaultMirror   = "http://deb.debian.org/debian"
	defaultSecurity = "http://deb.debian.org/debian-security"
)

// hostArchive finds the mirrors that this machine's apt uses, if it runs
// Debian, or the public ones.
func hostArchive(ctx context.Context) (archive, error) {
	found := archive{Mirror: defaultMirror, Security: defaultSecurity}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return archive{}, fmt.Errorf("find out the distribution: %w", err)
	}
	if osRelease(string(release), "ID") == "debian" {
		targets, err := aptOutput(ctx, "apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages")
		if err != nil {
			return archive{}, err
		}
		found = found.withTargets(targets, osRelease(string(release), "VERSION_CODENAME"))
	}
	proxy, err := aptOutput(ctx, "apt-config", "dump", "--format", "%v%n", "Acquire::http::Proxy")
	if err != nil {
		return archive{}, err
	}
	found.proxy = strings.TrimSpace(proxy)
	return found, nil
}

func aptOutput(ctx context.Context, command string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, command, args...).Output()
	if err != nil {
		return "", fmt.Errorf("ask apt for its configuration: %s: %w", command, err)
	}
	return string(out), nil
}

// withTargets reads lines of "release component URI", as apt lists them.
func (a archive) withTargets(lines, codename string) archive {
	for line := range strings.Lines(lines) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[1] != "main" || !strings.HasPrefix(fields[2], "http") {
			continue
		}
		uri := strings.TrimSuffix(fields[2], "/")
		switch fields[0] {
		case codename:
			a.Mirror = uri
		case codename + "-security":
			a.Security = uri
		}
	}
	return a
}

// osRelease returns a value of an os-release file, without its quotes.
func osRelease(content, key string) string {
	scanner := bufio.NewScanner(strings.NewReader(content))
	for scanner.Scan() {
		if value, found := strings.CutPrefix(scanner.Text(), key+"="); found {
			return strings.Trim(value, `"'`)
		}
	}
	return ""
}

// keyring is where Debian's keys are, on the machine that builds and in each
// Debian image. A release is signed with the keys of the one before it as
// well, so the keyring of an older release will do.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// sources is the list of package sources of a suite in deb822 format, as the
// official image has it.
func (a archive) sources(suite string) string {
	return fmt.Sprintf(`Types: deb
URIs: %[1]s
Suites: %[2]s %[2]s-updates
Components: main
Signed-By: %[4]s

Types: deb
URIs: %[3]s
Suites: %[2]s-security
Components: main
Signed-By: %[4]s
`, a.Mirror, suite, a.Security, keyring)
}

// bootstrapPackages are what apt in an image needs to reach this archive.
func (a archive) bootstrapPackages() []string {
	if strings.HasPrefix(a.Mirror, "https:") || strings.HasPrefix(a.Security, "https:") {
		return []string{"ca-certificates"}
	}
	return nil
}

// environment has what the package tools need to know during a build.
func (a archive) environment() []string {
	env := []string{searchPath, "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", fmt.Sprintf("SOURCE_DATE_EPOCH=%d", epoch.Unix())}
	if a.proxy != "" {
		env = append(env, "http_proxy="+a.proxy, "https_proxy="+a.proxy)
	}
	return env
}

package ci_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// GitLab takes components from templates/ only, and follows no links.
func TestTheIncludeIsTheComponent(t *testing.T) {
	component, err := os.ReadFile("../templates/ship/template.yml")
	require.NoError(t, err)
	include, err := os.ReadFile("gitlab/sitectl.gitlab-ci.yml")
	require.NoError(t, err)
	assert.Equal(t, string(component), string(include), "copy templates/ship/template.yml to ci/gitlab/sitectl.gitlab-ci.yml")
}

// releases makes a folder with the latest release of a sitectl that prints
// its arguments, and returns it with the checksum of its archive.
func releases(t *testing.T) (folder, sum string) {
	t.Helper()
	name := fmt.Sprintf("sitectl-%s-%s", runtime.GOOS, runtime.GOARCH)
	program := "#!/bin/sh\necho sitectl \"$@\"\n"
	var content bytes.Buffer
	compressed := gzip.NewWriter(&content)
	archive := tar.NewWriter(compressed)
	require.NoError(t, archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name + "/sitectl", Mode: 0o755, Size: int64(len(program))}))
	_, err := archive.Write([]byte(program))
	require.NoError(t, err)
	require.NoError(t, archive.Close())
	require.NoError(t, compressed.Close())

	folder = t.TempDir()
	latest := filepath.Join(folder, "latest", "download")
	require.NoError(t, os.MkdirAll(latest, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(latest, name+".tar.gz"), content.Bytes(), 0o600))
	sum = fmt.Sprintf("%x", sha256.Sum256(content.Bytes()))
	sums := strings.Repeat("0", 64) + "  sitectl-plan9-mips.tar.gz\n" + sum + "  " + name + ".tar.gz\n"
	require.NoError(t, os.WriteFile(filepath.Join(latest, "SHA256SUMS"), []byte(sums), 0o600))
	return folder, sum
}

// step runs a script of the action as a step would, with a curl that takes
// files from this machine. It returns what the step prints, and its runner's
// folder.
func step(t *testing.T, script string, environment ...string) (said, runner string, err error) {
	t.Helper()
	runner = t.TempDir()
	curl := "#!/bin/sh\nwhile [ \"$1\" != --output ]; do shift; done\ntest -e \"$3\" && cp \"$3\" \"$2\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(runner, "curl"), []byte(curl), 0o755))
	command := exec.Command("./" + script)
	command.Dir = "github"
	command.Env = append([]string{
		"PATH=" + runner + ":" + os.Getenv("PATH"), "RUNNER_TEMP=" + runner, "GITHUB_PATH=" + filepath.Join(runner, "path"),
	}, environment...)
	out, err := command.CombinedOutput()
	return string(out), runner, err
}

func TestInstallARelease(t *testing.T) {
	folder, sum := releases(t)
	for name, pin := range map[string]string{"of any content": "", "of this content": sum} {
		t.Run(name, func(t *testing.T) {
			said, runner, err := step(t, "install.sh", "SITECTL_VERSION=latest", "SITECTL_RELEASES="+folder, "SITECTL_SHA256="+pin)
			require.NoError(t, err, said)
			assert.Equal(t, "sitectl version\n", said)
			path, err := os.ReadFile(filepath.Join(runner, "path"))
			require.NoError(t, err)
			assert.FileExists(t, filepath.Join(strings.TrimSpace(string(path)), "sitectl"))
		})
	}
}

func TestInstallRefuses(t *testing.T) {
	folder, sum := releases(t)
	archive := fmt.Sprintf("sitectl-%s-%s.tar.gz", runtime.GOOS, runtime.GOARCH)
	other := strings.Repeat("f", 64)
	changed, _ := releases(t)
	require.NoError(t, os.WriteFile(filepath.Join(changed, "latest/download/SHA256SUMS"), []byte(other+"  "+archive+"\n"), 0o600))
	unlisted, _ := releases(t)
	require.NoError(t, os.WriteFile(filepath.Join(unlisted, "latest/download/SHA256SUMS"), nil, 0o600))

	for name, test := range map[string]struct{ version, releases, pin, want string }{
		"a release that is not there":   {"v0.0.1", folder, "", "cannot be downloaded"},
		"another content than was said": {"latest", changed, "", "is " + sum + " instead of " + other},
		"a content that nobody vouches": {"latest", unlisted, "", "instead of one that SHA256SUMS lists"},
		"another content than pinned":   {"latest", folder, other, "is " + sum + " instead of " + other},
	} {
		t.Run(name, func(t *testing.T) {
			said, runner, err := step(t, "install.sh", "SITECTL_VERSION="+test.version, "SITECTL_RELEASES="+test.releases, "SITECTL_SHA256="+test.pin)
			require.Error(t, err)
			assert.Contains(t, said, "::error title=Install sitectl::")
			assert.Contains(t, said, test.want)
			assert.NoFileExists(t, filepath.Join(runner, "path"))
			assert.NoFileExists(t, filepath.Join(runner, "sitectl", "sitectl"))
		})
	}
}

// A step that runs sitectl becomes it, and gives it what the inputs say.
func TestRunBecomesSitectl(t *testing.T) {
	program := filepath.Join(t.TempDir(), "sitectl")
	script := `#!/bin/sh
echo "pid $$"
for argument in "$@"; do echo "$argument"; done
echo "builder $BUILDKIT_HOST"
echo "kubeconfig $(cat "$KUBECONFIG") $(stat -c %a "$KUBECONFIG")"
echo "left ${SITECTL_KUBECONFIG-nothing}"
`
	require.NoError(t, os.WriteFile(program, []byte(script), 0o755))
	command := exec.Command("./run.sh")
	command.Dir = "github"
	command.Env = append(os.Environ(), "RUNNER_TEMP="+t.TempDir(), "SITECTL="+program, "SITECTL_FILE=site.yaml", "SITECTL_COMMAND=ship",
		"SITECTL_ARGUMENTS=--lock-wait  10m\n--report ship.html\n", "SITECTL_KUBECONFIG=apiVersion: v1", "SITECTL_BUILDER=tcp://builder:1234")
	var out strings.Builder
	command.Stdout, command.Stderr = &out, &out
	require.NoError(t, command.Run(), out.String())
	assert.Equal(t, fmt.Sprintf("pid %d", command.Process.Pid)+`
--file
site.yaml
ship
--lock-wait
10m
--report
ship.html
builder tcp://builder:1234
kubeconfig apiVersion: v1 600
left nothing
`, out.String())
}

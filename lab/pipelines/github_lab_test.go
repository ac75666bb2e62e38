//go:build lab

package pipelines

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/wait"
)

// github is a repository on a GitHub that is not there.
type github struct {
	*site
	client      []string // command line of act
	environment []string // of act
	artifacts   string   // folder of what is uploaded
}

// TestGitHub is the life of a site in GitHub: shipped, looked at in a pull
// request, broken, and cancelled.
func TestGitHub(t *testing.T) {
	t.Parallel()
	g := newGitHub(t)
	first := g.commit(t, "The guestbook")
	log := g.succeed(t, "github-ship", "push")
	g.serves(t, first)
	for _, output := range []string{"image=" + lab(t, "SITECTL_REGISTRY") + "/pipelines/github:" + first + "@sha256:", "digest=sha256:", "release=1", "url=http"} {
		assert.Contains(t, log, "::set-output:: "+output)
	}
	assert.FileExists(t, filepath.Join(g.artifacts, "ship.html"))
	assert.NotContains(t, log, "\x1b[?25l", "the progress of a terminal, though act gives the step one")

	t.Run("pull request", func(t *testing.T) {
		g.edit(t, func(file map[string]any) { file["web"].(map[string]any)["replicas"] = 2 })
		g.commit(t, "One more pod")
		assert.Contains(t, g.succeed(t, "github-plan", "pull_request"), "replicas")
		g.serves(t, first)
		g.git(t, "reset", "--quiet", "--hard", "HEAD~1")
	})

	mend := g.breakMigration(t)
	t.Run("bad commit", func(t *testing.T) {
		status, log := g.run(t, "github-bad-commit", "push").wait(t)
		assert.NotZero(t, status)
		assert.Contains(t, log, "the table of entries is broken")
		assert.Contains(t, log, "exit status 5")
		g.serves(t, first)
		g.isWell(t)
		g.nothingIsLeft(t)
	})

	t.Run("cancel", func(t *testing.T) {
		tag := mend("Mend the migration")
		r := g.run(t, "github-cancel", "push")
		g.rolling(t, tag)
		r.cancelStep(t)
		status, log := r.wait(t)
		assert.NotZero(t, status)
		assert.Contains(t, log, "exit status 130")
		g.isWell(t)

		tag = g.commit(t, "The next one")
		g.succeed(t, "github-after-cancel", "push")
		g.serves(t, tag)
	})
}

// newGitHub is the guestbook with the workflow of ci/github. Its builder is
// the lab's, and the action installs a release of the sitectl at hand.
func newGitHub(t *testing.T) *github {
	t.Helper()
	g := &github{site: newSite(t, "github", "https://github.com/agency/guestbook.git"), artifacts: t.TempDir()}
	g.write(t, ".github/workflows/sitectl.yml", workflow(t, serveRelease(t, g.sitectl)))
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	g.client = []string{
		installAct(t), "--platform", "ubuntu-latest=-self-hosted", "--pull=false", "--no-cache-server",
		"--local-repository", "sitectl/sitectl@v1=" + root,
		"--local-repository", "actions/upload-artifact@v4=" + uploads(t),
		"--secret", "KUBECONFIG", "--env", "ARTIFACTS=" + g.artifacts,
	}
	for _, name := range []string{"BUILDKIT_HOST", "DOCKER_CONFIG", "SITECTL_REGISTRY_CA", "SITECTL_REGISTRY_MIRRORS"} {
		g.client = append(g.client, "--env", name+"="+lab(t, name))
	}
	kubeconfig, err := os.ReadFile(lab(t, "KUBECONFIG"))
	require.NoError(t, err)
	g.environment = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "KUBECONFIG=" + string(kubeconfig)}
	return g
}

// workflow is that of ci/github, without what a Docker engine is needed for.
func workflow(t *testing.T, releases string) string {
	t.Helper()
	content, err := os.ReadFile("../../ci/github/workflow.yml")
	require.NoError(t, err)
	text := string(content)
	for old, replacement := range map[string]string{
		"      - uses: docker/setup-buildx-action@v3\n        id: buildx\n":                         "",
		"          builder: docker-container://buildx_buildkit_${{ steps.buildx.outputs.name }}0\n": "",
		"kubeconfig: ${{ secrets.KUBECONFIG }}\n":                                                   "kubeconfig: ${{ secrets.KUBECONFIG }}\n          releases: " + releases + "\n",
	} {
		require.Contains(t, text, old)
		text = strings.ReplaceAll(text, old, replacement)
	}
	return text
}

// uploads is an action in place of actions/upload-artifact, which needs
// GitHub. It returns the folder of its repository.
func uploads(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "action.yml"), []byte(`
name: upload
description: Keeps a file.
inputs: {name: {required: true}, path: {required: true}, if-no-files-found: {default: warn}}
runs:
  using: composite
  steps:
    - shell: bash
      run: test ! -e "${{ inputs.path }}" || cp "${{ inputs.path }}" "$ARTIFACTS/"
`), 0o600))
	return folder
}

// serveRelease serves a release of one program, as make release would make
// it, and returns the address for the action's input releases.
func serveRelease(t *testing.T, program string) string {
	t.Helper()
	content, err := os.ReadFile(program)
	require.NoError(t, err)
	name := "sitectl-linux-" + runtime.GOARCH
	var packed bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	require.NoError(t, err)
	archive := tar.NewWriter(compressed)
	require.NoError(t, archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name + "/sitectl", Mode: 0o755, Size: int64(len(content))}))
	_, err = archive.Write(content)
	require.NoError(t, err)
	require.NoError(t, archive.Close())
	require.NoError(t, compressed.Close())
	files := map[string][]byte{
		"/latest/download/" + name + ".tar.gz": packed.Bytes(),
		"/latest/download/SHA256SUMS":          fmt.Appendf(nil, "%x  %s.tar.gz\n", sha256.Sum256(packed.Bytes()), name),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, found := files[r.URL.Path]
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(file)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (g *github) run(t *testing.T, name, event string) *run {
	t.Helper()
	return g.start(t, newTranscript(t, name), g.environment, append([]string{g.client[0], event}, g.client[1:]...))
}

// succeed runs the workflow for an event and returns its log.
func (g *github) succeed(t *testing.T, name, event string) string {
	t.Helper()
	status, log := g.run(t, name, event).wait(t)
	require.Zero(t, status, log)
	return log
}

// cancelStep does what GitHub's runner does: it interrupts the process that it
// has started for the step, terminates it 7.5 seconds later, and kills it
// another 2.5 seconds later
// (https://docs.github.com/actions/reference/workflows-and-actions/workflow-cancellation).
// That process has to be sitectl.
func (r *run) cancelStep(t *testing.T) {
	t.Helper()
	step := r.step(t)
	for _, next := range []struct {
		signal syscall.Signal
		grace  time.Duration
	}{{syscall.SIGINT, 7500 * time.Millisecond}, {syscall.SIGTERM, 2500 * time.Millisecond}, {syscall.SIGKILL, time.Second}} {
		require.NoError(t, syscall.Kill(step, next.signal))
		ctx, cancel := context.WithTimeout(t.Context(), next.grace)
		err := wait.PollUntilContextCancel(ctx, 20*time.Millisecond, false, func(context.Context) (bool, error) {
			return syscall.Kill(step, 0) != nil, nil
		})
		cancel()
		if err == nil {
			return
		}
	}
}

// step is the process of the client's step.
func (r *run) step(t *testing.T) int {
	t.Helper()
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", r.command.Process.Pid))
	require.NoError(t, err)
	for _, file := range children {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for _, child := range strings.Fields(string(content)) {
			if program, err := os.Readlink("/proc/" + child + "/exe"); err == nil && filepath.Base(program) == "sitectl" {
				pid, err := strconv.Atoi(child)
				require.NoError(t, err)
				return pid
			}
		}
	}
	require.Fail(t, "the entry process of the step is not sitectl", r.log.String())
	return 0
}

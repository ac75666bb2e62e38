//go:build lab

package pipelines

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/yaml"
)

// gitlab is a project on a GitLab that is not there.
type gitlab struct {
	*site
	client      []string // command line of gitlab-ci-local
	environment []string // of a runner
	password    string   // of the job at the registry
}

// TestGitLab is the life of a site in GitLab: shipped, looked at in a merge
// request, broken, cancelled, and shipped to a review environment.
func TestGitLab(t *testing.T) {
	t.Parallel()
	g := newGitLab(t)
	first := g.commit(t, "The guestbook")
	log := g.succeed(t, "gitlab-ship", "sitectl-ship")
	g.serves(t, first)
	assert.NotContains(t, log, g.password)
	assert.Contains(t, log, "sitectl-ship roll took", "sections")
	artifacts := filepath.Join(g.dir, ".gitlab-ci-local", "artifacts", "sitectl-ship")
	assert.FileExists(t, filepath.Join(artifacts, "ship.html"))
	dotenv, err := os.ReadFile(filepath.Join(artifacts, ".gitlab-ci-reports", "dotenv", "sitectl.env"))
	require.NoError(t, err)
	assert.Contains(t, string(dotenv), "SITECTL_URL=http://gitlab.localhost\n")

	t.Run("merge request", func(t *testing.T) {
		g.edit(t, func(file map[string]any) { file["web"].(map[string]any)["replicas"] = 2 })
		g.commit(t, "One more pod")
		g.succeed(t, "gitlab-plan", "--variable", "CI_PIPELINE_SOURCE=merge_request_event", "sitectl-plan")
		plan, err := os.ReadFile(filepath.Join(g.dir, ".gitlab-ci-local", "artifacts", "sitectl-plan", "plan.txt"))
		require.NoError(t, err)
		assert.Contains(t, string(plan), "replicas")
		g.serves(t, first)
		g.git(t, "reset", "--quiet", "--hard", "HEAD~1")
	})

	mend := g.breakMigration(t)
	t.Run("bad commit", func(t *testing.T) {
		status, log := g.run(t, "gitlab-bad-commit", "sitectl-ship").wait(t)
		assert.NotZero(t, status)
		assert.Contains(t, log, "the table of entries is broken")
		assert.Contains(t, log, "FAIL 5")
		g.serves(t, first)
		g.isWell(t)
		g.nothingIsLeft(t)
	})

	t.Run("cancel", func(t *testing.T) {
		tag := mend("Mend the migration")
		r := g.run(t, "gitlab-cancel", "sitectl-ship")
		g.rolling(t, tag)
		// What a runner does with a script that does not end by itself.
		require.NoError(t, syscall.Kill(-r.command.Process.Pid, syscall.SIGKILL))
		r.wait(t)
		g.afterScript(t, r.log)
		g.isWell(t)
		g.nothingIsLeft(t)

		tag = g.commit(t, "The next one")
		g.succeed(t, "gitlab-after-cancel", "sitectl-ship")
		g.serves(t, tag)
	})

	t.Run("review environment", func(t *testing.T) {
		review := *g.site
		review.address, review.namespace = "review-"+g.address, "review-"+g.namespace
		review.remove(t)
		t.Cleanup(func() { review.remove(t) })
		g.edit(t, func(file map[string]any) {
			file["environments"] = map[string]any{"production": map[string]any{}, "review": map[string]any{
				"namespace": review.namespace, "ingress": map[string]any{"hosts": []string{review.address}},
			}}
		})
		tag := g.commit(t, "An environment for reviews")
		g.succeed(t, "gitlab-review", "--variable", "CI_PIPELINE_SOURCE=merge_request_event", "sitectl-review")
		review.serves(t, tag)
		g.succeed(t, "gitlab-review-stop", "--variable", "CI_PIPELINE_SOURCE=merge_request_event", "sitectl-review-stop")
		_, err := review.web(t.Context())
		assert.True(t, apierrors.IsNotFound(err), "%v", err)
		g.isWell(t)
	})
}

// newGitLab is the guestbook with a .gitlab-ci.yml that includes the
// component. Its jobs have the login of the job at the registry, and no other.
func newGitLab(t *testing.T) *gitlab {
	t.Helper()
	g := &gitlab{site: newSite(t, "gitlab", "git@gitlab.example.com:agency/guestbook.git"), client: installGitLabCILocal(t)}
	component, err := os.ReadFile("../../templates/ship/template.yml")
	require.NoError(t, err)
	g.write(t, "ci/sitectl.yml", string(component))
	g.write(t, ".gitlab-ci.yml", "include:\n  - local: ci/sitectl.yml\n    inputs: {lock-wait: 2m, review: true, review-delete-data: true}\n")
	var user string
	user, g.password = registryLogin(t)
	variables := map[string]string{
		"GITLAB_CI":   "true", // it says false
		"CI_REGISTRY": lab(t, "SITECTL_REGISTRY"), "CI_REGISTRY_USER": user, "CI_REGISTRY_PASSWORD": g.password,
	}
	ignored := []string{"CI_PIPELINE_SOURCE"}
	g.client = append(g.client, "--force-shell-executor")
	for name, value := range variables {
		g.client = append(g.client, "--variable", name+"="+value)
		ignored = append(ignored, name)
	}
	slices.Sort(ignored)
	g.environment = []string{
		"PATH=" + filepath.Dir(g.sitectl) + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(),
		"GCL_IGNORE_PREDEFINED_VARS=" + strings.Join(ignored, ","), "DOCKER_CONFIG=" + t.TempDir(),
	}
	for _, name := range []string{"KUBECONFIG", "BUILDKIT_HOST", "SITECTL_REGISTRY_CA", "SITECTL_REGISTRY_MIRRORS"} {
		g.environment = append(g.environment, name+"="+lab(t, name))
	}
	return g
}

// registryLogin is the login of the lab's docker config.
func registryLogin(t *testing.T) (user, password string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(lab(t, "DOCKER_CONFIG"), "config.json"))
	require.NoError(t, err)
	var config struct {
		Auths map[string]struct{ Auth string }
	}
	require.NoError(t, json.Unmarshal(content, &config))
	login, err := base64.StdEncoding.DecodeString(config.Auths[lab(t, "SITECTL_REGISTRY")].Auth)
	require.NoError(t, err)
	user, password, found := strings.Cut(string(login), ":")
	require.True(t, found, "the docker config has no login to the registry")
	return user, password
}

func (g *gitlab) run(t *testing.T, name string, arguments ...string) *run {
	t.Helper()
	return g.start(t, newTranscript(t, name), g.environment, append(slices.Clone(g.client), arguments...))
}

// succeed runs a job and returns its log.
func (g *gitlab) succeed(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	status, log := g.run(t, name, arguments...).wait(t)
	require.Zero(t, status, log)
	return log
}

// afterScript does what a runner does for a job that was cancelled: the client
// ends without.
func (g *gitlab) afterScript(t *testing.T, log *transcript) {
	t.Helper()
	preview := exec.Command(g.client[0], append(slices.Clone(g.client[1:]), "--preview")...)
	preview.Dir, preview.Env = g.dir, g.environment
	out, err := preview.Output()
	require.NoError(t, err)
	var jobs map[string]json.RawMessage
	require.NoError(t, yaml.Unmarshal(out, &jobs))
	var job struct {
		AfterScript []string `json:"after_script"`
	}
	require.NoError(t, json.Unmarshal(jobs["sitectl-ship"], &job))
	require.NotEmpty(t, job.AfterScript)
	command := exec.Command("bash", "-e", "-c", strings.Join(job.AfterScript, "\n"))
	command.Dir, command.Env = g.dir, append(slices.Clone(g.environment), "GITLAB_CI=true", "CI_JOB_STATUS=canceled")
	command.Stdout, command.Stderr = log, log
	require.NoError(t, command.Run(), log.String())
}

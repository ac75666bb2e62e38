//go:build lab

package pipelines

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// site is a copy of the guestbook in a git repository, with a namespace of
// its own, small enough for two cores.
type site struct {
	dir       string
	sitectl   string // path of the program
	address   string
	namespace string
	cluster   kubernetes.Interface
}

// What the clients leave in it is not part of it.
func newSite(t *testing.T, name, home string) *site {
	t.Helper()
	s := &site{
		dir: t.TempDir(), sitectl: buildSitectl(t),
		address: name + ".localhost", namespace: name + "-localhost", cluster: cluster(t),
	}
	require.NoError(t, os.CopyFS(s.dir, os.DirFS("../../testdata/sites/guestbook")))
	s.edit(t, func(file map[string]any) {
		file["site"] = s.address
		file["image"] = lab(t, "SITECTL_REGISTRY") + "/pipelines/" + name
		file["ingress"] = map[string]any{"hosts": []string{s.address}}
		web := file["web"].(map[string]any)
		delete(web, "varnish")
		web["replicas"] = 1
		web["rollout"] = map[string]any{"minReadySeconds": 1, "drainDelay": "2s"}
	})
	s.remove(t) // what a run before this one has left
	t.Cleanup(func() { s.remove(t) })
	s.git(t, "init", "--quiet", "--initial-branch=main")
	s.git(t, "remote", "add", "origin", home)
	s.write(t, ".gitignore", "/.gitlab-ci-local/\n/ship.html\n/sitectl.env\n/annotations.json\n/plan.txt\n")
	return s
}

// lab returns a variable of `lab env`.
func lab(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	require.NotEmpty(t, value, "%s is not set: run the lab tests with make test", name)
	return value
}

func cluster(t *testing.T) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", lab(t, "KUBECONFIG"))
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	return client
}

func buildSitectl(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sitectl")
	out, err := exec.Command("go", "build", "-C", "../..", "-o", path, "./cmd/sitectl").CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// remove deletes the namespace and waits until it is gone.
func (s *site) remove(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	namespaces := s.cluster.CoreV1().Namespaces()
	assert.NoError(t, wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		err := namespaces.Delete(ctx, s.namespace, metav1.DeleteOptions{})
		return apierrors.IsNotFound(err), nil
	}), "namespace %s is still there", s.namespace)
}

// edit changes the site file.
func (s *site) edit(t *testing.T, change func(file map[string]any)) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "site.yaml"))
	require.NoError(t, err)
	file := map[string]any{}
	require.NoError(t, yaml.Unmarshal(data, &file))
	change(file)
	data, err = yaml.Marshal(file)
	require.NoError(t, err)
	s.write(t, "site.yaml", string(data))
}

func (s *site) write(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

// commit commits everything and returns the short SHA. The branch at home is
// where it is here.
func (s *site) commit(t *testing.T, subject string) string {
	t.Helper()
	s.git(t, "add", "--all")
	s.git(t, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--allow-empty", "--message", subject)
	s.git(t, "update-ref", "refs/remotes/origin/main", "HEAD")
	s.git(t, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
	return s.git(t, "rev-parse", "--short", "HEAD")
}

func (s *site) git(t *testing.T, arguments ...string) string {
	t.Helper()
	command := exec.Command("git", arguments...)
	command.Dir = s.dir
	out, err := command.CombinedOutput()
	require.NoError(t, err, "git %s: %s", strings.Join(arguments, " "), out)
	return strings.TrimSpace(string(out))
}

// broken is a migration that fails, with words of its own.
const broken = "<?php\nfwrite(STDERR, \"the table of entries is broken\\n\");\nexit(1);\n"

// breakMigration commits a migration that fails, and returns how to commit the
// one before again.
func (s *site) breakMigration(t *testing.T) (mend func(subject string) string) {
	t.Helper()
	const file = "bin/migrate.php"
	content, err := os.ReadFile(filepath.Join(s.dir, file))
	require.NoError(t, err)
	s.write(t, file, broken)
	s.commit(t, "Break the migration")
	return func(subject string) string {
		s.write(t, file, string(content))
		return s.commit(t, subject)
	}
}

// serves waits until the site serves a release. A pod of the one before may
// answer until its drain delay is over.
func (s *site) serves(t *testing.T, tag string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, lab(t, "SITECTL_INGRESS")+"/release", nil)
		require.NoError(c, err)
		request.Host = s.address
		response, err := http.DefaultClient.Do(request)
		require.NoError(c, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(c, err)
		assert.Equal(c, http.StatusOK, response.StatusCode, string(body))
		assert.Equal(c, tag, strings.TrimSpace(string(body)))
	}, 30*time.Second, 200*time.Millisecond)
}

// rolling waits until the Deployment asks for the release of a commit: from
// then on a ship is in the middle of its rollout.
func (s *site) rolling(t *testing.T, tag string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		web, err := s.web(ctx)
		return err == nil && strings.Contains(web.Spec.Template.Spec.Containers[0].Image, ":"+tag+"@"), nil
	}), "the rollout of %s has not begun", tag)
}

func (s *site) web(ctx context.Context) (*appsv1.Deployment, error) {
	return s.cluster.AppsV1().Deployments(s.namespace).Get(ctx, "web", metav1.GetOptions{})
}

// isWell checks that the site serves the release that it should, whichever
// that is, and that no CronJob stays suspended.
func (s *site) isWell(t *testing.T) {
	t.Helper()
	web, err := s.web(t.Context())
	require.NoError(t, err)
	image := web.Spec.Template.Spec.Containers[0].Image
	_, tagged, _ := strings.Cut(strings.TrimPrefix(image, lab(t, "SITECTL_REGISTRY")), ":")
	tag, _, _ := strings.Cut(tagged, "@")
	s.serves(t, tag)
	jobs, err := s.cluster.BatchV1().CronJobs(s.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	assert.NotEmpty(t, jobs.Items)
	for _, job := range jobs.Items {
		assert.False(t, job.Spec.Suspend != nil && *job.Spec.Suspend, "CronJob %s is suspended", job.Name)
	}
}

// nothingIsLeft checks that a ship has left nothing to recover.
func (s *site) nothingIsLeft(t *testing.T) {
	t.Helper()
	command := exec.Command(s.sitectl, "recover", "--output", "json")
	command.Dir = s.dir
	out, err := command.Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), `"outcome": "nothing"`)
}

//go:build lab

package main

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestShip is the life of a site, from nothing to its second release.
func TestShip(t *testing.T) {
	t.Parallel()
	s := newLabSite(t, "ship")
	s.write(t, "public/info.php", "<?php phpinfo();\n")
	s.write(t, "public/plant.php", `<?php foreach (['php', 'PHP', 'phtml', 'php.jpg'] as $kind) {
	file_put_contents("uploads/planted.$kind", '<?php echo 6 * 7;');
}
echo @file_put_contents('index.php', '') === false ? 'planted' : 'the code can be written';
`)
	s.write(t, "public/.hidden", "not for visitors\n")
	s.write(t, "public/vendor/autoload.php", "<?php echo 'not for visitors';\n")
	s.write(t, "public/folder/file.txt", "for visitors\n")
	tag := s.commit(t, "show what PHP knows")

	first := s.ship(t)
	assert.Equal(t, "shipped", first.Outcome)
	assert.Equal(t, tag, first.Image.Tag, "the tag is git rev-parse --short HEAD")
	assert.NotNil(t, first.Build)
	assert.Equal(t, []string{"check", "build", "lock", "prepare", "backup", "pause", "migrate", "roll", "cron", "verify", "record", "prune"}, names(first.Steps))
	entry := s.leave(t, "hello from the lab")
	s.serves(t, tag, entry, "hello from the lab")

	t.Run("one digest everywhere", func(t *testing.T) { s.runsOnly(t, first.Image.Reference) })
	t.Run("pods are restricted", s.podsAreRestricted)
	t.Run("phpinfo shows no credential", s.showsNoCredential)
	t.Run("Apache and PHP are hardened", s.isHardened)
	t.Run("status", func(t *testing.T) {
		assert.Contains(t, s.succeed(t, "status").stdout, tag)
		assert.True(t, json.Valid([]byte(s.succeed(t, "status", "--output", "json").stdout)))
	})
	t.Run("already running", func(t *testing.T) { s.shipsNothing(t, first) })
	t.Run("next commit", func(t *testing.T) {
		s.write(t, "public/new.txt", "new\n")
		next := s.commit(t, "add a file")
		assert.Contains(t, s.succeed(t, "plan").stdout, next, "the plan names the new image")
		second := s.ship(t)
		assert.Equal(t, next, second.Image.Tag)
		assert.NotEqual(t, first.Image.Digest, second.Image.Digest)
		s.serves(t, next, entry, "hello from the lab")
		s.shows(t, "/new.txt", "new")
		s.runsOnly(t, second.Image.Reference)
	})
	t.Run("the halves", func(t *testing.T) {
		next := s.commit(t, "nothing new")
		image := strings.TrimSpace(s.succeed(t, "build").stdout)
		assert.Contains(t, image, ":"+next+"@sha256:")
		deployed := decodeResult(t, s.succeed(t, "deploy", "--output", "json"))
		assert.Equal(t, "deployed", deployed.Outcome)
		assert.Equal(t, image, deployed.Image.Reference)
		s.serves(t, next, entry, "hello from the lab")
	})
	t.Run("a working tree", func(t *testing.T) {
		known := s.knownToABrowser(t, "/new.txt")
		s.write(t, "public/new.txt", "few\n") // the same size
		assert.Equal(t, int(statusUsage), s.sitectl(t, "ship").status)
		dirty := decodeResult(t, s.succeed(t, "ship", "--allow-dirty", "--output", "json"))
		assert.Contains(t, dirty.Image.Tag, s.git(t, "rev-parse", "--short", "HEAD")+"-dirty-")
		s.shows(t, "/new.txt", "few")
		// Until the ingress has heard that it goes, the old pod may answer.
		for _, header := range known {
			require.EventuallyWithT(t, func(c *assert.CollectT) {
				status, body := s.conditional(t, "/new.txt", header)
				assert.Equal(c, http.StatusOK, status)
				assert.Equal(c, "few\n", body)
			}, 30*time.Second, 200*time.Millisecond, "%v", header)
		}
	})
}

// knownToABrowser returns how a browser asks for a file again that it has: by
// its tag, and by the time it got it.
func (s *labSite) knownToABrowser(t *testing.T, path string) []http.Header {
	t.Helper()
	response, _ := s.request(t, http.MethodGet, path, nil)
	tag := http.Header{"If-None-Match": {response.Header.Get("ETag")}}
	status, _ := s.conditional(t, path, tag)
	assert.Equal(t, http.StatusNotModified, status, "the file has not changed: %v", tag)
	assert.Empty(t, response.Header.Get("Last-Modified"))
	return []http.Header{tag, {"If-Modified-Since": {response.Header.Get("Date")}}}
}

func (s *labSite) conditional(t *testing.T, path string, header http.Header) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, lab(t, "SITECTL_INGRESS")+path, nil)
	require.NoError(t, err)
	request.Host, request.Header = s.address, header
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(content)
}

func names(steps []stepReport) []string {
	var names []string
	for _, step := range steps {
		names = append(names, step.Name)
	}
	return names
}

// runsOnly checks that everything with the site's code names one image, tag
// and digest, and that the pods that run are of it.
func (s *labSite) runsOnly(t *testing.T, reference string) {
	t.Helper()
	ctx := t.Context()
	web, err := s.cluster.AppsV1().Deployments(s.namespace).Get(ctx, "web", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, reference, codeImage(t, web.Spec.Template.Spec), "Deployment web")

	jobs, err := s.cluster.BatchV1().Jobs(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=migrate"})
	require.NoError(t, err)
	newest := slices.IndexFunc(jobs.Items, func(job batchv1.Job) bool { return codeImage(t, job.Spec.Template.Spec) == reference })
	assert.NotEqual(t, -1, newest, "a migration Job of %s", reference)

	crons, err := s.cluster.BatchV1().CronJobs(s.namespace).List(ctx, metav1.ListOptions{})
	require.NoError(t, err)
	assert.NotEmpty(t, crons.Items)
	for _, cron := range crons.Items {
		assert.Equal(t, reference, codeImage(t, cron.Spec.JobTemplate.Spec.Template.Spec), "CronJob %s", cron.Name)
	}
}

// runsCron checks that no CronJob is left suspended.
func (s *labSite) runsCron(t *testing.T) {
	t.Helper()
	crons, err := s.cluster.BatchV1().CronJobs(s.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	assert.NotEmpty(t, crons.Items)
	for _, cron := range crons.Items {
		assert.False(t, *cron.Spec.Suspend, "CronJob %s is suspended", cron.Name)
	}
}

// codeImage is the image of a pod that has the site's code: that of its last
// container (Varnish, beside it, is an init container).
func codeImage(t *testing.T, pod corev1.PodSpec) string {
	t.Helper()
	require.Len(t, pod.Containers, 1)
	return pod.Containers[0].Image
}

func (s *labSite) podsAreRestricted(t *testing.T) {
	namespace, err := s.cluster.CoreV1().Namespaces().Get(t.Context(), s.namespace, metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, "restricted", namespace.Labels["pod-security.kubernetes.io/enforce"])

	pods, err := s.cluster.CoreV1().Pods(s.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.NotEmpty(t, pods.Items)
	for _, pod := range pods.Items {
		assert.False(t, *pod.Spec.AutomountServiceAccountToken, pod.Name)
		for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
			where := pod.Name + "/" + container.Name
			assert.True(t, *container.SecurityContext.ReadOnlyRootFilesystem, where)
			assert.Equal(t, []corev1.Capability{"ALL"}, container.SecurityContext.Capabilities.Drop, where)
			for _, variable := range container.Env {
				assert.Nil(t, variable.ValueFrom, "%s: %s", where, variable.Name)
			}
			assert.Empty(t, container.EnvFrom, where)
		}
	}
}

// showsNoCredential looks in phpinfo(), which prints the environment and the
// configuration of PHP, for every value of every Secret of the site.
func (s *labSite) showsNoCredential(t *testing.T) {
	info := s.page(t, "/info.php")
	require.Contains(t, info, "PHP Version")
	secrets, err := s.cluster.CoreV1().Secrets(s.namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.NotEmpty(t, secrets.Items)
	public := []string{"host", "port", "name", "user"}
	for _, secret := range secrets.Items {
		for key, value := range secret.Data {
			if slices.Contains(public, key) {
				continue
			}
			assert.NotContains(t, info, string(value), "%s/%s", secret.Name, key)
		}
	}
	response, body := s.request(t, http.MethodGet, "/../../../secrets/database/password", nil)
	assert.NotEqual(t, http.StatusOK, response.StatusCode, body)
}

// isHardened asks for what must not be answered.
func (s *labSite) isHardened(t *testing.T) {
	s.shows(t, "/plant.php", "planted")
	for _, path := range []string{
		"/uploads/planted.php", "/uploads/planted.PHP", "/uploads/planted.phtml", "/uploads/planted.php.jpg",
		"/.hidden", "/.git/config", "/vendor/autoload.php", "/folder/",
	} {
		response, body := s.request(t, http.MethodGet, path, nil)
		assert.Contains(t, []int{http.StatusForbidden, http.StatusNotFound}, response.StatusCode, path)
		assert.NotContains(t, body, "42", path)
		assert.NotContains(t, body, "file.txt", path)
	}
	response, _ := s.request(t, "TRACE", "/", nil)
	assert.Equal(t, http.StatusMethodNotAllowed, response.StatusCode, "TRACE")
	response, _ = s.request(t, http.MethodGet, "/folder/file.txt", nil)
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.NotRegexp(t, `[0-9]`, response.Header.Get("Server"), "no version")
	response, _ = s.request(t, http.MethodGet, "/plant.php", nil)
	assert.Empty(t, response.Header.Get("X-Powered-By"))
}

// shipsNothing ships what is running already.
func (s *labSite) shipsNothing(t *testing.T, running result) {
	t.Helper()
	deployments := s.cluster.AppsV1().Deployments(s.namespace)
	before, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)

	again := s.ship(t)
	assert.Equal(t, "running", again.Outcome)
	assert.Nil(t, again.Build, "nothing was built")
	assert.Equal(t, running.Image.Reference, again.Image.Reference)
	assert.Equal(t, []string{"check"}, names(again.Steps))
	assert.Contains(t, s.succeed(t, "ship").stderr, "already running")

	after, err := deployments.Get(t.Context(), "web", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, before.Generation, after.Generation)
	assert.Equal(t, before.ResourceVersion, after.ResourceVersion, "nothing was written")
}

// TestBadReleases ships one bad commit after the other to a site that is
// well, and checks after each that it still is.
func TestBadReleases(t *testing.T) {
	s := newLabSite(t, "bad")
	shipped := s.ship(t)
	good := shipped.Image.Tag
	entry := s.leave(t, "still here")
	s.serves(t, good, entry, "still here")

	for _, bad := range []struct {
		name   string
		change func(t *testing.T)
		status status
		says   []string
	}{
		{"a build step that fails", func(t *testing.T) {
			s.ownDockerfile(t, shipped.Image.Reference, "RUN echo 'no rule for this' >&2; exit 7")
		}, statusBuild, []string{"no rule for this", "exit code: 7"}},
		{"an image that the audit refuses", func(t *testing.T) {
			s.ownDockerfile(t, shipped.Image.Reference, "RUN chmod u+s /usr/bin/env")
		}, statusBuild, []string{"setuid: /usr/bin/env", "build.audit.allow"}},
		{"a migration that fails", func(t *testing.T) {
			s.write(t, "bin/migrate.php", "<?php fwrite(STDERR, \"the column is gone\\n\"); exit(3);\n")
		}, statusMigration, []string{"the column is gone", "still serv"}},
		{"a migration that hangs", func(t *testing.T) {
			s.write(t, "bin/migrate.php", "<?php echo \"waiting for a lock\\n\"; sleep(600);\n")
			s.edit(t, func(file map[string]any) { file["migrate"].(map[string]any)["timeout"] = "10s" })
		}, statusMigration, []string{"waiting for a lock", "10s"}},
		{"pods that crash", func(t *testing.T) {
			s.ownDockerfile(t, shipped.Image.Reference, "RUN echo 'NoSuchDirective on' >>/etc/apache2/apache2.conf")
		}, statusRollout, []string{"NoSuchDirective", "nothing was put back", "sitectl rollback --keep-database 1"}},
		{"pods that never become ready", func(t *testing.T) {
			s.edit(t, func(file map[string]any) {
				web := file["web"].(map[string]any)
				web["health"] = map[string]any{"path": "/nowhere"}
				web["rollout"].(map[string]any)["progressDeadline"] = "20s"
			})
		}, statusRollout, []string{"/nowhere"}},
	} {
		t.Run(bad.name, func(t *testing.T) {
			bad.change(t)
			s.commit(t, bad.name)
			report := filepath.Join(t.TempDir(), "ship.html")
			out := s.sitectl(t, "ship", "--report", report)
			assert.Equal(t, int(bad.status), out.status)
			page, err := os.ReadFile(report)
			require.NoError(t, err)
			for _, words := range bad.says {
				assert.Contains(t, out.stderr, words)
				assert.Contains(t, html.UnescapeString(string(page)), words)
			}
			s.serves(t, good, entry, "still here")
			s.runsCron(t)
			s.revert(t)
		})
	}

	t.Run("a password that the registry refuses", func(t *testing.T) {
		s.commit(t, "something new")
		login := dockerConfig(t, lab(t, "SITECTL_REGISTRY"), "robot", "wrong")
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), login, 0o600))
		t.Setenv("DOCKER_CONFIG", dir)
		out := s.sitectl(t, "ship")
		assert.Equal(t, int(statusRegistry), out.status)
		assert.Contains(t, out.stderr, lab(t, "SITECTL_REGISTRY"))
		s.serves(t, good, entry, "still here")
	})

	t.Run("and the next good one", func(t *testing.T) {
		better := s.commit(t, "all is well")
		s.ship(t)
		s.serves(t, better, entry, "still here")
	})
}

// ownDockerfile gives the site a Dockerfile of its own, which does one more
// step, as root, on top of an image.
func (s *labSite) ownDockerfile(t *testing.T, image, step string) {
	t.Helper()
	s.write(t, "Dockerfile", "FROM "+image+"\nUSER 0\n"+step+"\nUSER 10001:10001\n")
	s.edit(t, func(file map[string]any) { file["build"].(map[string]any)["dockerfile"] = "Dockerfile" })
}

// TestInterrupt presses Ctrl-C at every step of a ship. Each time the site
// goes on, and the next ship of the same commit finishes what was begun.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	s := newLabSite(t, "ctrlc")
	running := s.ship(t).Image.Tag
	entry := s.leave(t, "not lost")

	for _, moment := range []struct {
		name string
		line string // of standard error, after which the signal comes
		late bool   // the ship may be done before the signal is there
		// build has BuildKit build: a site's own layers need no builder.
		build bool
	}{
		{name: "check", line: "==> check"},
		{name: "build", line: "==> build"},
		{name: "push", line: "exporting to image", build: true},
		{name: "prepare", line: "==> prepare"},
		{name: "pause", line: "==> pause"},
		{name: "migrate", line: "==> migrate"},
		{name: "running migration", line: "Job migrate-"},
		{name: "roll", line: "==> roll"},
		{name: "running rollout", line: "0 of 1 new pods available"},
		{name: "cron", line: "==> cron", late: true},
		{name: "verify", line: "==> verify", late: true},
		{name: "record", line: "==> record", late: true},
	} {
		t.Run(moment.name, func(t *testing.T) {
			if moment.build {
				s.edit(t, func(file map[string]any) {
					file["build"].(map[string]any)["runtime"] = file["image"].(string) + "/runtime"
				})
			}
			next := s.commit(t, "interrupted at "+moment.name)
			out := s.interruptAfter(t, moment.line)
			if !moment.late || out.status != int(statusDone) {
				require.Equal(t, int(statusCancelled), out.status, out.stderr)
				assert.Contains(t, out.stderr, "cancelled by interrupt")
			}
			assert.Less(t, out.ending, 7*time.Second, "GitHub sends SIGTERM 7.5 s after SIGINT, and SIGKILL 2.5 s later")
			assert.Contains(t, []string{running, next}, strings.TrimSpace(s.page(t, "/release")))
			assert.Contains(t, s.page(t, entry), "not lost")
			s.runsCron(t)

			s.ship(t)
			s.serves(t, next, entry, "not lost")
			running = next
		})
	}
}

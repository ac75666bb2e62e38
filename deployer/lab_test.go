//go:build lab

package deployer

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sitectl/sitectl/site"
)

// labSite is a site in a namespace of its own, which is removed after the
// test, on the cluster and registry of the environment.
type labSite struct {
	*Deployer
	t *testing.T

	mu    sync.Mutex
	lines []string
	log   strings.Builder
}

// newLabSite reads a site file; its address and image are the test's.
func newLabSite(t *testing.T, file string) *labSite {
	t.Helper()
	address := strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")) + ".deployer.test"
	// The image has nothing in it but one program.
	file = fmt.Sprintf("site: %s\nimage: %s/deployer/%s\nbuild: {dockerfile: Dockerfile}\n%s", address, environment(t, "SITECTL_REGISTRY"), strings.ToLower(t.Name()), file)
	s, err := site.Parse("site.yaml", []byte(file), "")
	require.NoError(t, err)
	login, err := os.ReadFile(filepath.Join(environment(t, "DOCKER_CONFIG"), "config.json"))
	require.NoError(t, err)
	l := &labSite{t: t}
	l.Deployer, err = Connect(s, Options{
		Kubeconfig: environment(t, "KUBECONFIG"),
		PullConfig: login,
		By:         "lab test",
		Log:        l,
		Progress:   l.note,
	})
	require.NoError(t, err)
	l.removeNamespace()
	t.Cleanup(l.removeNamespace)
	return l
}

func environment(t *testing.T, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	require.NotEmpty(t, value, "%s is not set: eval \"$(lab env)\"", variable)
	return value
}

// Write receives the migration's log.
func (l *labSite) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(text)
}

func (l *labSite) note(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	l.t.Log(line)
}

func (l *labSite) logged() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.String()
}

// removeNamespace removes what a test leaves, or an earlier one that was
// killed, and waits until it is gone.
func (l *labSite) removeNamespace() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	namespaces := l.client.CoreV1().Namespaces()
	err := namespaces.Delete(ctx, l.site.Namespace, metav1.DeleteOptions{})
	for err == nil && ctx.Err() == nil {
		time.Sleep(200 * time.Millisecond)
		_, err = namespaces.Get(ctx, l.site.Namespace, metav1.GetOptions{})
	}
	require.True(l.t, apierrors.IsNotFound(err), "namespace %s: %v", l.site.Namespace, err)
}

// image pushes an image whose web container does these things, as
// testdata/pod knows them.
func (l *labSite) image(tag string, things ...string) site.Image {
	l.t.Helper()
	repository, err := name.NewRepository(l.site.Image)
	require.NoError(l.t, err)
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(podLayer(l.t))), nil
	})
	require.NoError(l.t, err)
	image, err := mutate.AppendLayers(empty.Image, layer)
	require.NoError(l.t, err)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		OS:           "linux",
		Architecture: runtime.GOARCH,
		RootFS:       rootFS(l.t, image),
		Config: v1.Config{
			Entrypoint: append([]string{"/pod"}, things...),
			User:       "10001:10001",
			StopSignal: "SIGWINCH",
			Labels:     map[string]string{"tag": tag}, // so that two tags differ
		},
	})
	require.NoError(l.t, err)
	require.NoError(l.t, remote.Write(repository.Tag(tag), image,
		remote.WithAuthFromKeychain(authn.DefaultKeychain), // reads $DOCKER_CONFIG
		remote.WithTransport(l.registryTransport()),
		remote.WithContext(l.t.Context())))
	digest, err := image.Digest()
	require.NoError(l.t, err)
	return site.Image{
		Repository: l.site.Image,
		Tag:        tag,
		Digest:     digest.String(),
		Commit:     site.Commit{SHA: tag, Tag: tag, Subject: "Commit " + tag},
	}
}

func rootFS(t *testing.T, image v1.Image) v1.RootFS {
	t.Helper()
	config, err := image.ConfigFile()
	require.NoError(t, err)
	return config.RootFS
}

// podLayer compiles testdata/pod and returns a tar file with it and the mount
// point of the files volume.
func podLayer(t *testing.T) []byte {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "pod")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./testdata/pod")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))
	content, err := os.ReadFile(binary)
	require.NoError(t, err)
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	require.NoError(t, archive.WriteHeader(&tar.Header{Name: "pod", Mode: 0o755, Size: int64(len(content))}))
	_, err = archive.Write(content)
	require.NoError(t, err)
	require.NoError(t, archive.Close())
	return layer.Bytes()
}

func (l *labSite) registryTransport() http.RoundTripper {
	ca, err := os.ReadFile(environment(l.t, "SITECTL_REGISTRY_CA"))
	require.NoError(l.t, err)
	pool := x509.NewCertPool()
	require.True(l.t, pool.AppendCertsFromPEM(ca))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	return transport
}

// ship runs every step of a deploy.
func (l *labSite) ship(image site.Image) error {
	ctx := l.t.Context()
	var release Release
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return l.Preflight(ctx, image) },
		func(ctx context.Context) error { return l.Apply(ctx, image) },
		l.Data,
		func(ctx context.Context) (err error) { release, err = l.Begin(ctx, image); return err },
		func(ctx context.Context) error { return l.Migrate(ctx, image) },
		func(ctx context.Context) error { return l.Roll(ctx, image) },
		func(ctx context.Context) error { return l.Cron(ctx, image) },
		func(ctx context.Context) error { return l.Verify(ctx, image) },
		func(ctx context.Context) error { _, err := l.Record(ctx, release); return err },
		func(ctx context.Context) error { return l.Prune(ctx, image) },
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// running asks the site for its page and returns it.
func (l *labSite) assertServes(image site.Image) {
	l.t.Helper()
	contains := l.site.Web.Verify.Contains
	l.site.Web.Verify.Contains = "commit: " + image.Tag
	assert.NoError(l.t, l.Verify(l.t.Context(), image))
	l.site.Web.Verify.Contains = contains
}

const smallSite = `
web: {replicas: 1, resources: {cpu: 10m, memory: 64Mi}, rollout: {minReadySeconds: 1, drainDelay: 1s, drainTimeout: 5s, progressDeadline: 2m}}
`

func TestLabShip(t *testing.T) {
	l := newLabSite(t, `
web:
  replicas: 2
  resources: {cpu: 10m, memory: 64Mi}
  varnish: {memory: 32Mi}
  rollout: {minReadySeconds: 1, drainDelay: 1s, drainTimeout: 5s}
  verify: {path: "/page?x=1", contains: "password: from a file"}
database: {mariadb: {storage: 1Gi, memory: 256Mi}}
cache: {memcached: {memory: 16Mi}}
files: {volume: {path: uploads, size: 1Gi}}
secrets: [smtp]
migrate:
  steps:
    - {name: first, command: [/pod, write=/var/www/site/uploads/migrated, long=200000, echo=end of first]}
    - {name: second, command: [/pod, cat=/var/www/site/uploads/migrated, cat=/secrets/database/user, write=/nope]}
cron:
  - {name: often, schedule: "* * * * *", command: [/pod]}
  - {name: seldom, schedule: "H 3 * * *", command: [/pod]}
`)
	ctx := t.Context()
	first := l.image("aaaaaa1", "serve")

	var findings *PreflightError
	require.ErrorAs(t, l.Preflight(ctx, first), &findings)
	require.Len(t, findings.Findings, 1)
	assert.Equal(t, "Secret smtp", findings.Findings[0].About)

	_, err := l.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: l.site.Namespace}}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = l.client.CoreV1().Secrets(l.site.Namespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "smtp"},
		StringData: map[string]string{"password": "from a file"},
	}, metav1.CreateOptions{})
	require.NoError(t, err)

	// The last command of the migration fails: the root file system is read-only.
	var failed *MigrationError
	require.ErrorAs(t, l.ship(first), &failed)
	assert.Equal(t, "second", failed.Step)
	assert.Equal(t, int32(1), failed.ExitCode)
	// Not always the last line: the two outputs of a container are read apart.
	assert.Contains(t, strings.Join(failed.Log, "\n"), "read-only file system")
	assert.Contains(t, l.logged(), "first | end of first\n")
	assert.Contains(t, l.logged(), "second | written by /var/www/site/uploads/migrated\n")
	assert.Contains(t, l.logged(), "second | site\n")
	_, err = l.client.AppsV1().Deployments(l.site.Namespace).Get(ctx, "web", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "nothing is rolled out")

	l.site.Migrate.Steps = l.site.Migrate.Steps[:1]
	require.NoError(t, l.ship(first))
	password := l.secret("database")["password"]

	l.assertNothingToDo(first)
	l.assertNothingPlanned(first)

	second := l.image("aaaaaa2", "serve")
	plan, err := l.Plan(ctx, second)
	require.NoError(t, err)
	assert.True(t, plan.Changed())
	l.site.Cron = l.site.Cron[1:]
	require.NoError(t, l.ship(second))
	l.assertServes(second)
	assert.Equal(t, password, l.secret("database")["password"], "a ship never rotates credentials")
	assert.Contains(t, l.lines, "CronJob often deleted, the release does not have it")

	status, err := l.Status(ctx)
	require.NoError(t, err)
	assert.Equal(t, "aaaaaa2", status.Release.Commit.Tag)
	assert.Equal(t, second.Reference(), status.Image)
	assert.False(t, status.Rolling)
	assert.Equal(t, Replicas{Wanted: 2, Updated: 2, Available: 2}, status.Replicas)
	require.Len(t, status.CronJobs, 1)
}

func (l *labSite) secret(name string) map[string][]byte {
	secret, err := l.client.CoreV1().Secrets(l.site.Namespace).Get(l.t.Context(), name, metav1.GetOptions{})
	require.NoError(l.t, err)
	return secret.Data
}

// assertNothingToDo: a release that runs is recognised, and shipping it all
// the same changes neither the Deployment nor the database.
func (l *labSite) assertNothingToDo(image site.Image) {
	release, running, err := l.Current(l.t.Context(), image)
	require.NoError(l.t, err)
	assert.True(l.t, running)
	assert.Equal(l.t, image.Digest, release.Digest)
	before := l.pods()
	l.lines = nil
	require.NoError(l.t, l.ship(image))
	assert.Equal(l.t, before, l.pods())
	assert.Contains(l.t, l.lines, "Job migrate-aaaaaa1-2 has already run")
	for _, line := range l.lines {
		assert.NotContains(l.t, line, string(Configured))
		assert.NotContains(l.t, line, "taking over")
	}
}

// pods lists what runs, by name and by how often it was restarted.
func (l *labSite) pods() map[string]int32 {
	status, err := l.Status(l.t.Context())
	require.NoError(l.t, err)
	pods := map[string]int32{}
	for _, pod := range status.Pods {
		if pod.Of != "cron" {
			pods[pod.Name] = pod.Restarts
		}
	}
	return pods
}

func (l *labSite) assertNothingPlanned(image site.Image) {
	plan, err := l.Plan(l.t.Context(), image)
	require.NoError(l.t, err)
	for _, change := range plan.Changes {
		assert.Equal(l.t, ActionNone, change.Action, "%s %s: %v", change.Kind, change.Name, change.Fields)
	}
}

// TestLabBadReleases: the release that serves goes on serving, whatever is
// wrong with the next one, and the error says what.
func TestLabBadReleases(t *testing.T) {
	l := newLabSite(t, smallSite)
	good := l.image("good001", "serve")
	require.NoError(t, l.ship(good))

	crashing := l.image("crash01", "echo=boom: the configuration is missing", "exit=3")
	failure := l.failedRollout(crashing)
	assert.Equal(t, "CrashLoopBackOff", failure.Reason)
	assert.Contains(t, failure.Message, "exit status 3")
	assert.Contains(t, failure.Log, "boom: the configuration is missing")
	assert.Contains(t, failure.Serving, "release good001 keeps serving")
	l.assertServes(good)

	failure = l.failedRollout(crashing)
	assert.Equal(t, "CrashLoopBackOff", failure.Reason, "shipped again, it gets a fresh start and fails again")

	missing := good
	missing.Tag, missing.Digest = "gone001", "sha256:"+strings.Repeat("0", 64)
	failure = l.failedRollout(missing)
	assert.Contains(t, []string{"ErrImagePull", "ImagePullBackOff"}, failure.Reason)
	assert.Contains(t, failure.Error(), "not found")
	l.assertServes(good)

	l.opts.HasImage = l.hasImage
	missing.Tag = "gone002"
	failure = l.failedRollout(missing)
	assert.Contains(t, failure.Hint(), "deleted the image from the registry")

	l.site.Web.Rollout.ProgressDeadline = site.Duration(10 * time.Second)
	failure = l.failedRollout(l.image("hang001", "echo=starting, and never done", "hang"))
	assert.Equal(t, "ProgressDeadlineExceeded", failure.Reason)
	assert.Contains(t, failure.Error(), "probe failed")
	assert.Contains(t, failure.Log, "starting, and never done")
	l.assertServes(good)

	l.site.Web.Rollout.ProgressDeadline = site.Duration(2 * time.Minute)
	require.NoError(t, l.ship(good), "the way back")
	require.NoError(t, l.ship(l.image("good002", "serve")))
}

// hasImage asks the registry as the builder does.
func (l *labSite) hasImage(ctx context.Context, reference string) (bool, error) {
	image, err := name.ParseReference(reference)
	if err != nil {
		return false, err
	}
	_, err = remote.Head(image, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithTransport(l.registryTransport()))
	var refused *transport.Error
	if errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

func (l *labSite) failedRollout(image site.Image) *RolloutError {
	l.t.Helper()
	start := time.Now()
	var failure *RolloutError
	require.ErrorAs(l.t, l.ship(image), &failure)
	l.t.Logf("%s after %s:\n%s", image.Tag, time.Since(start).Round(time.Second), failure)
	return failure
}

func TestLabPullIsRefused(t *testing.T) {
	l := newLabSite(t, smallSite)
	l.opts.PullConfig = nil
	failure := l.failedRollout(l.image("a000001", "serve"))
	assert.Contains(t, failure.Hint(), "Secret registry")
	assert.Equal(t, "nothing else serves the site", failure.Serving)
}

func TestLabMigrationRunsOutOfTime(t *testing.T) {
	l := newLabSite(t, smallSite+`
migrate: {timeout: 5s, steps: [{name: quick, command: [/pod]}, {name: slow, command: [/pod, echo=waiting, sleep=10m]}]}
`)
	var failure *MigrationError
	require.ErrorAs(t, l.ship(l.image("a000001", "serve")), &failure)
	assert.Equal(t, "slow", failure.Step)
	assert.Equal(t, "DeadlineExceeded", failure.Reason)
	assert.Contains(t, failure.Error(), "not done within 5s")
	assert.Equal(t, []string{"waiting"}, failure.Log)
}

func TestLabMigrationCannotStart(t *testing.T) {
	l := newLabSite(t, smallSite+`
migrate: {timeout: 10m, steps: [{name: typo, command: [drush, deploy]}]}
`)
	image := l.image("a000001", "serve")
	var failure *MigrationError
	require.ErrorAs(t, l.ship(image), &failure)
	assert.Equal(t, "typo", failure.Step)
	assert.Contains(t, failure.Error(), "executable file not found")

	l.site.Migrate.Steps[0].Command = []string{"/pod"}
	require.NoError(t, l.ship(image), "the next attempt does not wait for the first")
}

func TestLabInterruptedMigrationIsTakenOver(t *testing.T) {
	l := newLabSite(t, smallSite+`
migrate: {steps: [{name: slow, command: [/pod, echo=begin, sleep=8s, echo=end]}]}
`)
	image := l.image("a000001", "serve")
	require.NoError(t, l.Apply(t.Context(), image))

	stopped := errors.New("stopped by Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan error, 1)
	go func() { result <- l.Migrate(ctx, image) }()
	require.Eventually(t, func() bool { return strings.Contains(l.logged(), "slow | begin") }, time.Minute, 50*time.Millisecond)
	cancel(stopped)
	err := <-result
	require.ErrorIs(t, err, stopped)
	assert.Contains(t, err.Error(), "Job migrate-a000001-1")

	require.NoError(t, l.Migrate(t.Context(), image))
	assert.Contains(t, l.lines, "Job migrate-a000001-1 of an interrupted ship is still running")
	assert.Contains(t, l.logged(), "slow | end")
	list, err := l.client.BatchV1().Jobs(l.site.Namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	assert.Len(t, list.Items, 1)
}

// TestLabCronPause: what runs is waited for, nothing new starts, and what a
// person has suspended stays suspended.
func TestLabCronPause(t *testing.T) {
	l := newLabSite(t, smallSite+`
migrate: {steps: [{name: quick, command: [/pod]}]}
cron:
  - {name: often, schedule: "* * * * *", command: [/pod, sleep=5s]}
  - {name: seldom, schedule: "H 3 * * *", command: [/pod]}
`)
	ctx := t.Context()
	require.NoError(t, l.ship(l.image("a000001", "serve")))
	crons := l.client.BatchV1().CronJobs(l.site.Namespace)
	_, err := crons.Patch(ctx, "seldom", types.MergePatchType, []byte(`{"spec":{"suspend":true}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	often, err := crons.Get(ctx, "often", metav1.GetOptions{})
	require.NoError(t, err)
	job, err := l.client.BatchV1().Jobs(l.site.Namespace).Create(ctx, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "often-now", OwnerReferences: controlledBy(often, batchv1.SchemeGroupVersion.WithKind("CronJob"))},
		Spec:       often.Spec.JobTemplate.Spec,
	}, metav1.CreateOptions{})
	require.NoError(t, err)

	require.NoError(t, l.PauseCron(ctx))
	assert.Contains(t, strings.Join(l.lines, "\n"), "waiting for Job often-")
	job, err = l.client.BatchV1().Jobs(l.site.Namespace).Get(ctx, job.Name, metav1.GetOptions{})
	require.NoError(t, err)
	assert.NotNil(t, finished(job), "it has ended")
	status, err := l.Status(ctx)
	require.NoError(t, err)
	for _, cron := range status.CronJobs {
		assert.True(t, cron.Suspended, cron.Name)
		assert.Zero(t, cron.Active, cron.Name)
	}

	require.NoError(t, l.ship(l.image("a000002", "serve")), "as after a ship that was killed")
	status, err = l.Status(ctx)
	require.NoError(t, err)
	for _, cron := range status.CronJobs {
		assert.Equal(t, cron.Name == "seldom", cron.Suspended, cron.Name)
	}
}

//go:build lab

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// labSite is a copy of a sample site in a git repository and a namespace of
// its own, small enough for several on two cores.
type labSite struct {
	program   string // path of sitectl
	dir       string
	address   string
	namespace string
	cluster   kubernetes.Interface
}

func newLabSite(t *testing.T, name string) *labSite {
	t.Helper()
	return newLabSample(t, "guestbook", name)
}

// newLabSample copies a site of testdata/sites.
func newLabSample(t *testing.T, sample, name string) *labSite {
	t.Helper()
	id := name + "-" + rand.String(5)
	s := &labSite{
		program:   buildSitectl(t),
		dir:       t.TempDir(),
		address:   id + ".localhost",
		namespace: id + "-localhost",
		cluster:   labCluster(t),
	}
	require.NoError(t, os.CopyFS(s.dir, os.DirFS("../../testdata/sites/"+sample)))
	s.edit(t, func(file map[string]any) {
		file["site"] = s.address
		file["image"] = lab(t, "SITECTL_REGISTRY") + "/test/" + id
		file["ingress"] = map[string]any{"hosts": []string{s.address}}
		web, ok := file["web"].(map[string]any)
		if !ok {
			web = map[string]any{}
			file["web"] = web
		}
		web["replicas"] = 1
		web["rollout"] = map[string]any{"minReadySeconds": 1, "drainDelay": "2s"}
	})
	s.git(t, "init", "-q", "-b", "main")
	s.commit(t, "the "+sample)
	t.Cleanup(func() { s.remove(t) })
	return s
}

// lab returns a variable of `lab env`.
func lab(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	require.NotEmpty(t, value, "%s is not set: run the lab tests with make test", name)
	return value
}

// labProgram is the path of an upstream program, which the lab builds.
func labProgram(t *testing.T, name string) string {
	t.Helper()
	command := exec.Command("go", "run", "-C", "../../lab", ".", "program", name)
	command.Stderr = t.Output()
	out, err := command.Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func labCluster(t *testing.T) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", lab(t, "KUBECONFIG"))
	require.NoError(t, err)
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	return client
}

// remove deletes the namespace and waits until its pods are gone, so that
// the next test has the machine to itself.
func (s *labSite) remove(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if t.Failed() {
		t.Log(s.events(ctx))
	}
	namespaces := s.cluster.CoreV1().Namespaces()
	if err := namespaces.Delete(ctx, s.namespace, metav1.DeleteOptions{}); apierrors.IsNotFound(err) {
		return
	}
	assert.NoError(t, wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := namespaces.Get(ctx, s.namespace, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	}), "namespace %s is still there", s.namespace)
}

// events are what the cluster has to say about a test that failed.
func (s *labSite) events(ctx context.Context) string {
	var out strings.Builder
	events, err := s.cluster.CoreV1().Events(s.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	for _, event := range events.Items {
		fmt.Fprintf(&out, "%s %s/%s: %s: %s\n", event.LastTimestamp.Format(time.TimeOnly),
			event.InvolvedObject.Kind, event.InvolvedObject.Name, event.Reason, event.Message)
	}
	return out.String()
}

// edit changes the site file.
func (s *labSite) edit(t *testing.T, change func(file map[string]any)) {
	t.Helper()
	path := filepath.Join(s.dir, "site.yaml")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	file := map[string]any{}
	require.NoError(t, yaml.Unmarshal(data, &file))
	change(file)
	data, err = yaml.Marshal(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o600))
}

func (s *labSite) write(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

// commit commits everything and returns the short SHA.
func (s *labSite) commit(t *testing.T, subject string) string {
	t.Helper()
	s.git(t, "add", "--all")
	s.git(t, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "-q", "--allow-empty", "-m", subject)
	return s.git(t, "rev-parse", "--short", "HEAD")
}

// revert takes the last commit back, with a new one.
func (s *labSite) revert(t *testing.T) string {
	t.Helper()
	s.git(t, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "revert", "--no-edit", "HEAD")
	return s.git(t, "rev-parse", "--short", "HEAD")
}

func (s *labSite) git(t *testing.T, arguments ...string) string {
	t.Helper()
	command := exec.Command("git", arguments...)
	command.Dir = s.dir
	out, err := command.CombinedOutput()
	require.NoError(t, err, "git %s: %s", strings.Join(arguments, " "), out)
	return strings.TrimSpace(string(out))
}

// outcome is what a person sees of a command.
type outcome struct {
	status int
	stdout string
	stderr string
	ending time.Duration // from the signal to the end, for who was sent one
}

// sitectl runs the binary in the repository, as a person would.
func (s *labSite) sitectl(t *testing.T, arguments ...string) outcome {
	t.Helper()
	return s.start(t, arguments...).wait(t)
}

// succeed runs the binary and expects exit status 0.
func (s *labSite) succeed(t *testing.T, arguments ...string) outcome {
	t.Helper()
	out := s.sitectl(t, arguments...)
	require.Equal(t, 0, out.status, out.stderr)
	return out
}

// ship ships and returns what it printed with --output json.
func (s *labSite) ship(t *testing.T) result {
	t.Helper()
	return decodeResult(t, s.succeed(t, "ship", "--output", "json"))
}

func decodeResult(t *testing.T, out outcome) result {
	t.Helper()
	var r result
	require.NoError(t, json.Unmarshal([]byte(out.stdout), &r), out.stdout)
	return r
}

// decode runs the binary, expects exit status 0, and reads what it prints.
func (s *labSite) decode(t *testing.T, into any, arguments ...string) {
	t.Helper()
	out := s.succeed(t, arguments...)
	require.NoError(t, json.Unmarshal([]byte(out.stdout), into), out.stdout)
}

// process is a command under way.
type process struct {
	command *exec.Cmd
	stdout  bytes.Buffer
	stderr  bytes.Buffer
	read    sync.WaitGroup
	// onLine, if not nil, is called for each line of standard error as it
	// comes.
	onLine func(line string)
}

func (s *labSite) start(t *testing.T, arguments ...string) *process {
	t.Helper()
	return s.startWith(t, nil, arguments...)
}

func (s *labSite) startWith(t *testing.T, onLine func(line string), arguments ...string) *process {
	t.Helper()
	p := &process{command: exec.Command(s.program, arguments...), onLine: onLine}
	p.command.Dir = s.dir
	p.command.Env = append(os.Environ(), "GITLAB_CI=", "GITHUB_ACTIONS=")
	p.command.Stdout = &p.stdout
	pipe, err := p.command.StderrPipe()
	require.NoError(t, err)
	t.Logf("$ sitectl %s", strings.Join(arguments, " "))
	require.NoError(t, p.command.Start())
	p.read.Add(1)
	go p.follow(t, pipe)
	return p
}

// follow passes standard error on to the log of the test, line by line.
func (p *process) follow(t *testing.T, stderr io.Reader) {
	defer p.read.Done()
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		fmt.Fprintln(&p.stderr, line)
		fmt.Fprintln(t.Output(), line)
		if p.onLine != nil {
			p.onLine(line)
		}
	}
}

func (p *process) wait(t *testing.T) outcome {
	t.Helper()
	p.read.Wait()
	err := p.command.Wait()
	if p.command.ProcessState == nil {
		require.NoError(t, err)
	}
	return outcome{status: p.command.ProcessState.ExitCode(), stdout: p.stdout.String(), stderr: p.stderr.String()}
}

// buildSitectl builds cmd/sitectl, as a user would, and returns its path.
func buildSitectl(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sitectl")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// client follows no redirect: where an entry is, is part of the answer.
var client = &http.Client{
	Timeout:       20 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// request asks the site through the ingress.
func (s *labSite) request(t *testing.T, method, path string, form url.Values) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, lab(t, "SITECTL_INGRESS")+path, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	request.Host = s.address
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}

// page asks for a page and expects status 200. The ingress learns of a new
// site by a watch, a moment after the cluster does.
func (s *labSite) page(t *testing.T, path string) string {
	t.Helper()
	var body string
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var response *http.Response
		response, body = s.request(t, http.MethodGet, path, nil)
		assert.Equal(c, http.StatusOK, response.StatusCode, body)
	}, 30*time.Second, 200*time.Millisecond)
	return body
}

// leave adds an entry to the guestbook and returns where it is.
func (s *labSite) leave(t *testing.T, message string) string {
	t.Helper()
	s.page(t, "/") // the ingress knows the site
	response, body := s.request(t, http.MethodPost, "/entries", url.Values{"name": {"Ada"}, "message": {message}})
	require.Equal(t, http.StatusSeeOther, response.StatusCode, body)
	return response.Header.Get("Location")
}

// shows waits until a page has a content. A pod of the release before may
// answer until its drain delay is over.
func (s *labSite) shows(t *testing.T, path, content string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Equal(c, content, strings.TrimSpace(s.page(t, path)))
	}, 30*time.Second, 200*time.Millisecond, path)
}

// serves checks that the site serves a release, and still has its data.
func (s *labSite) serves(t *testing.T, tag, entry, message string) {
	t.Helper()
	s.shows(t, "/release", tag)
	assert.Contains(t, s.page(t, entry), message, "the data")
}

// interruptAfter ships and sends SIGINT when a line of standard error has the
// given words.
func (s *labSite) interruptAfter(t *testing.T, words string) outcome {
	t.Helper()
	report := filepath.Join(t.TempDir(), "ship.html")
	out := s.interruptCommand(t, words, "ship", "--progress", "plain", "--report", report)
	page, err := os.ReadFile(report)
	if assert.NoError(t, err) && out.status == int(statusCancelled) {
		assert.Contains(t, string(page), ": cancelled</title>")
	}
	return out
}

// interruptCommand sends SIGINT to a command when a line of standard error has
// the given words.
func (s *labSite) interruptCommand(t *testing.T, words string, arguments ...string) outcome {
	t.Helper()
	return s.signalCommand(t, syscall.SIGINT, words, arguments...)
}

func (s *labSite) signalCommand(t *testing.T, signal os.Signal, words string, arguments ...string) outcome {
	t.Helper()
	started := make(chan struct{})
	reached := sync.OnceFunc(func() { close(started) })
	p := s.startWith(t, func(line string) {
		if strings.Contains(line, words) {
			reached()
		}
	}, arguments...)
	finished := make(chan struct{})
	go func() {
		p.read.Wait()
		close(finished)
	}()
	select {
	case <-started:
		require.NoError(t, p.command.Process.Signal(signal))
	case <-finished:
	}
	signalled := time.Now()
	out := p.wait(t)
	out.ending = time.Since(signalled)
	t.Logf("%s after %q: ended %s later", signal, words, out.ending.Round(time.Millisecond))
	return out
}

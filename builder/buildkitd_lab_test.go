//go:build lab

package builder

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tonistiigi/fsutil"
)

// labPrograms puts buildkitd and runc into PATH: those that the lab was built
// with, unless there are some.
func labPrograms(t *testing.T) {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	path := os.Getenv("PATH")
	for _, program := range []string{"buildkit-*/buildkitd", "runc-*/runc"} {
		if _, err := exec.LookPath(filepath.Base(program)); err == nil {
			continue
		}
		built, err := filepath.Glob(filepath.Join(cache, "sitectl-lab", "bin", program))
		require.NoError(t, err)
		require.NotEmpty(t, built, "%s is neither in PATH nor in the lab's cache", filepath.Base(program))
		path = filepath.Dir(built[0]) + ":" + path
	}
	t.Setenv("PATH", path)
}

// freshBuilder is one that has to start a buildkitd, with an empty cache, and
// trusts the lab's registry. It returns what it says, too.
func freshBuilder(t *testing.T) (*Builder, *[]string) {
	t.Helper()
	labPrograms(t)
	path := os.Getenv("PATH")
	b, said := lonely(t, Options{DockerConfig: os.Getenv("DOCKER_CONFIG"), RegistryCA: os.Getenv("SITECTL_REGISTRY_CA")})
	t.Setenv("PATH", path)
	useLabRegistry(t, b)
	return b, said
}

// useLabRegistry opens the lab's registry, as every run does before it builds:
// a buildkitd that is started is told of the registries that were opened.
func useLabRegistry(t *testing.T, b *Builder) {
	t.Helper()
	_, err := b.repository(os.Getenv("SITECTL_REGISTRY") + "/connect/any")
	require.NoError(t, err)
}

// labImage is an image of the lab's registry that one can run programs in.
// The lab's own BuildKit puts it there.
func labImage(t *testing.T) string {
	t.Helper()
	b, _ := labBuilder(t)
	defer func() { require.NoError(t, b.Close()) }()
	image := os.Getenv("SITECTL_REGISTRY") + "/connect/base:trixie"
	buildkit, err := b.connect(t.Context())
	require.NoError(t, err)
	_, _, err = buildDockerfile(t.Context(), t, b, buildkit, "FROM debian:trixie-slim\n", pushTo(image))
	require.NoError(t, err)
	return image
}

func pushTo(image string) client.ExportEntry {
	return client.ExportEntry{Type: client.ExporterImage, Attrs: map[string]string{"name": image, "push": "true"}}
}

// buildDockerfile has BuildKit build a Dockerfile. It returns the digest of the
// image that was pushed, and what the steps have printed.
func buildDockerfile(ctx context.Context, t *testing.T, b *Builder, buildkit *client.Client, dockerfile string, export client.ExportEntry) (digest, log string, err error) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644))
	files, err := fsutil.NewFS(dir)
	require.NoError(t, err)
	var printed bytes.Buffer
	status := make(chan *client.SolveStatus)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		for s := range status {
			for _, line := range s.Logs {
				printed.Write(line.Data)
			}
		}
	}()
	response, err := buildkit.Solve(ctx, nil, client.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: map[string]string{},
		LocalMounts: map[string]fsutil.FS{"context": files, "dockerfile": files},
		Exports:     []client.ExportEntry{export}, Session: []session.Attachable{b.logIn()},
	}, status)
	<-shown
	if err != nil {
		return "", printed.String(), err
	}
	return response.ExporterResponse["containerimage.digest"], printed.String(), nil
}

// A buildkitd that was started builds and pushes, is gone with what it was
// started with, and leaves its cache.
func TestLabStartedBuildKit(t *testing.T) {
	base := labImage(t)
	b, said := freshBuilder(t)
	image := os.Getenv("SITECTL_REGISTRY") + "/connect/started:1"
	dockerfile := "FROM " + base + "\nRUN date +%s%N > /made && cat /made\n"

	require.NoError(t, b.checkBuilder(t.Context()))
	assert.Nil(t, b.connection.daemon, "the check has started nothing")
	buildkit, err := b.connect(t.Context())
	require.NoError(t, err)
	daemon := b.connection.daemon
	assert.Contains(t, *said, "builder: a buildkitd of this run's own, because nothing else is running")
	assert.Equal(t, "builder: buildkitd keeps its cache in "+daemon.root.path, last(said))
	digest, made, err := buildDockerfile(t.Context(), t, b, buildkit, dockerfile, pushTo(image))
	require.NoError(t, err)
	assert.Regexp(t, `^sha256:[0-9a-f]{64}$`, digest)
	assert.NotEmpty(t, made)

	require.NoError(t, b.Close())
	assertCloses(t, daemon.exited, "buildkitd")
	assert.NoDirExists(t, daemon.folder)

	buildkit, err = b.connect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, daemon.root.path, b.connection.daemon.root.path)
	_, again, err := buildDockerfile(t.Context(), t, b, buildkit, dockerfile, pushTo(image))
	require.NoError(t, err)
	assert.Empty(t, again, "the step's result was in the cache of the former buildkitd")
}

// untilClosed returns a channel that is closed when the other end has closed
// the connection, as the kernel does for a process that ends.
func untilClosed(connection net.Conn) <-chan struct{} {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_, _ = io.Copy(io.Discard, connection)
		_ = connection.Close()
	}()
	return closed
}

// Who stops a build stops the buildkitd that was started for it, too, in the
// middle of a step.
func TestLabCancelledBuild(t *testing.T) {
	base := labImage(t)
	b, _ := freshBuilder(t)
	buildkit, err := b.connect(t.Context())
	require.NoError(t, err)
	daemon := b.connection.daemon
	steps, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer steps.Close()
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan (<-chan struct{}), 1)
	go func() {
		connection, err := steps.Accept()
		if assert.NoError(t, err) {
			gone <- untilClosed(connection)
		}
		cancel()
	}()
	image := os.Getenv("SITECTL_REGISTRY") + "/connect/cancelled:1"
	_, _, err = buildDockerfile(ctx, t, b, buildkit, "FROM "+base+"\n"+waitingStep(t, steps.Addr().String()), pushTo(image))
	require.Error(t, err)
	require.NoError(t, b.Close())
	assertCloses(t, daemon.exited, "buildkitd")
	assertCloses(t, <-gone, "the step")
	assert.NoDirExists(t, daemon.folder)
}

// waitingStep is a step that connects to an address and prints the word that
// it gets there.
func waitingStep(t *testing.T, address string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	return `RUN ["bash", "-c", "exec 3<>/dev/tcp/` + host + `/` + port + `; read -r word <&3; echo $word"]` + "\n"
}

func TestLabStartedBuildKitsDoNotShareACache(t *testing.T) {
	one, _ := freshBuilder(t)
	other, _ := freshBuilder(t)
	t.Setenv("XDG_CACHE_HOME", shortDir(t))
	for _, b := range []*Builder{one, other} {
		_, err := b.connect(t.Context())
		require.NoError(t, err)
	}
	assert.Equal(t, "1", filepath.Base(one.connection.daemon.root.path))
	assert.Equal(t, "2", filepath.Base(other.connection.daemon.root.path))
}

func TestLabBuildKitThatDoesNotStart(t *testing.T) {
	b, _ := freshBuilder(t)
	t.Setenv("TMPDIR", shortDir(t))
	programs := shortDir(t)
	require.NoError(t, os.WriteFile(filepath.Join(programs, "buildkitd"), []byte("#!/bin/sh\necho buildkitd: no luck today >&2\nexit 1\n"), 0o755))
	t.Setenv("PATH", programs+":"+os.Getenv("PATH"))
	require.NoError(t, b.checkBuilder(t.Context()))
	_, err := b.connect(t.Context())
	require.ErrorContains(t, err, "a buildkitd of this run's own: it ended; it said:\n      buildkitd: no luck today")
	require.NoError(t, b.Close())
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	assert.Empty(t, left)
}

// theRun is the variable that tells the test binary to be a run of sitectl:
// its value is where to connect to from a build step.
const theRun = "SITECTL_TEST_RUN"

// TestLabRun is no test but a run that another test starts and kills. It
// starts a buildkitd and builds, and the step connects to that test.
func TestLabRun(t *testing.T) {
	address := os.Getenv(theRun)
	if address == "" {
		return
	}
	b, err := New(Options{DockerConfig: os.Getenv("DOCKER_CONFIG"), RegistryCA: os.Getenv("SITECTL_REGISTRY_CA")})
	require.NoError(t, err)
	b.sockets = nil
	useLabRegistry(t, b)
	image := os.Getenv("SITECTL_REGISTRY") + "/connect/run:1"
	buildkit, err := b.connect(t.Context())
	require.NoError(t, err)
	fmt.Printf("socket %s\n", b.connection.daemon.file("buildkitd.sock"))
	_, said, err := buildDockerfile(t.Context(), t, b, buildkit,
		"FROM "+os.Getenv("SITECTL_TEST_BASE")+"\n"+waitingStep(t, address), pushTo(image))
	require.NoError(t, err, said)
	fmt.Printf("built %s\n", said)
	require.NoError(t, b.Close())
	fmt.Println("closed")
}

// run is a run in a process of its own.
type run struct {
	command *exec.Cmd
	lines   chan string  // that it prints; closed at its end
	steps   net.Listener // for its build steps; closed at its end, too
}

// startRun starts TestLabRun. A wrapper comes before the command, if there is
// one.
func startRun(t *testing.T, base string, wrapper []string, environment ...string) *run {
	t.Helper()
	steps, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	arguments := append(wrapper, os.Args[0], "-test.run=^TestLabRun$", "-test.count=1")
	command := exec.Command(arguments[0], arguments[1:]...)
	command.Env = append(append(os.Environ(), theRun+"="+steps.Addr().String(), "SITECTL_TEST_BASE="+base), environment...)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	r := &run{command, make(chan string, 1000), steps}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for printed := bufio.NewScanner(output); printed.Scan(); {
			r.lines <- printed.Text()
		}
		_ = command.Wait()
		_ = steps.Close()
		close(r.lines)
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
	})
	return r
}

// says waits for a line of the run's output with a word before it.
func (r *run) says(t *testing.T, word string) string {
	t.Helper()
	var lines []string
	for line := range r.lines {
		if rest, ok := strings.CutPrefix(line, word); ok {
			return strings.TrimSpace(rest)
		}
		lines = append(lines, line)
	}
	require.Fail(t, "the run has ended", strings.Join(lines, "\n"))
	return ""
}

// step waits for the build step to connect.
func (r *run) step(t *testing.T) net.Conn {
	t.Helper()
	connection, err := r.steps.Accept()
	if err != nil {
		r.says(t, "nothing more, but what it said")
	}
	t.Cleanup(func() { connection.Close() })
	return connection
}

// answer tells the build step the word that it waits for.
func (r *run) answer(t *testing.T, word string) {
	t.Helper()
	_, err := io.WriteString(r.step(t), word+"\n")
	require.NoError(t, err)
}

// A run that is killed in the middle of a build takes its buildkitd with it,
// and the step that it was running.
func TestLabKilledRun(t *testing.T) {
	base := labImage(t)
	freshBuilder(t) // for its environment
	daemon, step := startRun(t, base, nil).kill(t)
	assertCloses(t, daemon, "buildkitd")
	assertCloses(t, step, "the step")

	next := startRun(t, base, nil)
	next.says(t, "socket ")
	next.answer(t, "done")
	assert.Equal(t, "done", next.says(t, "built "), "the next run works")
	next.says(t, "closed")
}

// kill kills the run when its build step has begun. It returns channels that
// are closed when its buildkitd and the step are gone.
func (r *run) kill(t *testing.T) (daemon, step <-chan struct{}) {
	t.Helper()
	connection, err := net.Dial("unix", r.says(t, "socket "))
	require.NoError(t, err)
	daemon, step = untilClosed(connection), untilClosed(r.step(t))
	require.NoError(t, r.command.Process.Kill())
	return daemon, step
}

func assertCloses(t *testing.T, gone <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		assert.Fail(t, what+" has survived the run")
	}
}

// A user who is not root gets a rootless buildkitd.
func TestLabRootlessRun(t *testing.T) {
	base := labImage(t)
	for name, masked := range map[string]bool{"on a machine": false, "in a container, where parts of proc are masked": true} {
		t.Run(name, func(t *testing.T) {
			freshBuilder(t) // for its environment
			wrapper, environment := asNobody(t, masked)
			daemon, step := startRun(t, base, wrapper, environment...).kill(t)
			assertCloses(t, daemon, "buildkitd")
			if !masked { // a step without a PID namespace goes on to its end
				assertCloses(t, step, "the step")
			}
			next := startRun(t, base, wrapper, environment...)
			next.says(t, "socket ")
			next.answer(t, "done")
			assert.Equal(t, "done", next.says(t, "built "))
			next.says(t, "closed")
		})
	}
}

// asNobody returns the command that runs another one as the user nobody, who
// has a range of user ids for namespaces: in a mount namespace, so that the
// machine stays as it is. And the environment for it.
func asNobody(t *testing.T, masked bool) (wrapper, environment []string) {
	t.Helper()
	home, err := os.MkdirTemp("/var/tmp", "b") // unlike /tmp hardly ever mounted nosuid
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	require.NoError(t, os.Chmod(home, 0o755))
	own := filepath.Join(home, "own")
	write(t, home, map[string]string{"subid": "nobody:100000:65536\n"})
	copyFile(t, filepath.Join(os.Getenv("DOCKER_CONFIG"), "config.json"), filepath.Join(own, "config.json"))
	copyFile(t, os.Getenv("SITECTL_REGISTRY_CA"), filepath.Join(home, "ca.pem"))
	require.NoError(t, os.Chmod(own, 0o700))
	for _, path := range []string{own, filepath.Join(own, "config.json")} {
		require.NoError(t, os.Chown(path, 65534, 65534))
	}
	// What lies in root's home is not nobody's to run, unless it is mounted elsewhere.
	script := "mount --bind " + home + "/subid /etc/subuid && mount --bind " + home + "/subid /etc/subgid"
	if masked {
		script += " && mount --bind /dev/null /proc/timer_list"
	}
	path := installRootlesskit(t, home)
	for _, program := range []string{"buildkitd", "runc", os.Args[0]} {
		found, err := exec.LookPath(program)
		require.NoError(t, err)
		folder := filepath.Join(home, filepath.Base(program))
		require.NoError(t, os.Mkdir(folder, 0o755))
		script += " && mount --bind " + filepath.Dir(found) + " " + folder
		path = folder + ":" + path
	}
	script += ` && exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"`
	return []string{"unshare", "--mount", "sh", "-c", script, "sh"}, []string{
		"PATH=" + path, "HOME=" + own, "XDG_CACHE_HOME=" + own, "TMPDIR=" + own,
		"DOCKER_CONFIG=" + own, "SITECTL_REGISTRY_CA=" + home + "/ca.pem",
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
	require.NoError(t, os.WriteFile(to, content, 0o644))
}

// installRootlesskit returns a PATH with what makes namespaces for who is not
// root, which it unpacks from Debian's packages unless it is there.
func installRootlesskit(t *testing.T, home string) string {
	t.Helper()
	path := os.Getenv("PATH")
	_, missing := exec.LookPath("rootlesskit")
	if _, err := exec.LookPath("newuidmap"); err == nil && missing == nil {
		return path
	}
	dir := filepath.Join(home, "debian")
	require.NoError(t, os.Mkdir(dir, 0o755))
	download := exec.Command("sh", "-c", `get() { apt-get download -q -o APT::Sandbox::User=root rootlesskit uidmap libsubid4; }
		{ get || { apt-get update -q && get; }; } && for package in *.deb; do dpkg-deb --extract "$package" .; done`)
	download.Dir = dir
	out, err := download.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir + "/usr/bin:" + path
}

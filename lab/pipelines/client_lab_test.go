//go:build lab

// Package pipelines has the clients of CI platforms run what sitectl has for
// them, gitlab-ci-local the GitLab component and act the GitHub action, each
// against the lab. What their logs say is kept in bin/pipelines.
package pipelines

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/lab/images"
	"github.com/sitectl/sitectl/lab/npm"
	"github.com/sitectl/sitectl/lab/platform"
)

// gitLabCILocal is one file of JavaScript; it takes Node.js 22.
var gitLabCILocal = npm.Package{
	Name: "gitlab-ci-local", Version: "4.75.1",
	Integrity: "sha512-ArmGX576uKqTgs4PMCH3FNPED+JhxDLb2Ocb893+aY88RA2sx9gP6L7GvpuHQJkFJRvA5KSq9fD0yyRLaLEydw==",
}

// installGitLabCILocal returns the command line of gitlab-ci-local.
func installGitLabCILocal(t *testing.T) []string {
	t.Helper()
	debian(t, "rsync") // copies the working tree
	binary := images.NodeBinaries[runtime.GOARCH]
	node := install(t, binary)
	client := install(t, gitLabCILocal)
	return []string{filepath.Join(node, binary.Target, binary.Only), filepath.Join(client, "dist/index.js")}
}

// install returns the folder of a package of npm's registry, from the lab's
// cache if it is there.
func install(t *testing.T, p npm.Package) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	folder, err := p.Install(t.Context(), filepath.Join(cache, "sitectl-lab", "npm"))
	require.NoError(t, err)
	return folder
}

// installAct returns the path of act, which the lab's cache keeps.
func installAct(t *testing.T) string {
	t.Helper()
	debian(t, "curl") // the action downloads with it
	lab, err := platform.New("")
	require.NoError(t, err)
	path, err := lab.Tool(t.Context(), "act")
	require.NoError(t, err)
	return path
}

// debian installs the package of that name unless there is a program of that
// name.
func debian(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	script := `apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$0"`
	out, err := exec.Command("sh", "-c", script, program).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// run is a client that runs a job.
type run struct {
	command *exec.Cmd
	log     *transcript
}

// transcript is what a job logs: kept in a file for people, and here.
type transcript struct {
	mutex sync.Mutex
	text  bytes.Buffer
	file  io.WriteCloser
}

func (l *transcript) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.text.Write(p)
	return l.file.Write(p)
}

func (l *transcript) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

// newTranscript makes bin/pipelines/NAME.log.
func newTranscript(t *testing.T, name string) *transcript {
	t.Helper()
	folder, err := filepath.Abs("../../bin/pipelines")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	file, err := os.Create(filepath.Join(folder, name+".log"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	t.Log("the log of the job: " + file.Name())
	return &transcript{file: file}
}

// start starts a client in a process group of its own, in the site's
// repository, with an environment of its own.
func (s *site) start(t *testing.T, log *transcript, environment, command []string) *run {
	t.Helper()
	r := &run{command: exec.Command(command[0], command[1:]...), log: log}
	r.command.Dir, r.command.Env = s.dir, environment
	r.command.Stdout, r.command.Stderr = log, log
	r.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, r.command.Start())
	t.Cleanup(func() { _ = syscall.Kill(-r.command.Process.Pid, syscall.SIGKILL) })
	return r
}

// wait waits for the end of the client, and returns its exit status and what
// the job has logged.
func (r *run) wait(t *testing.T) (status int, log string) {
	t.Helper()
	err := r.command.Wait()
	require.NotNil(t, r.command.ProcessState, "%v", err)
	return r.command.ProcessState.ExitCode(), r.log.String()
}

package builder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// launch is how buildkitd is started here.
type launch struct {
	buildkitd   string // path
	rootlesskit string // path; empty for root
	// noProcessSandbox makes build steps see the processes of buildkitd,
	// where the kernel does not let them have a /proc of their own.
	noProcessSandbox bool
}

// launcher finds what it takes to start a buildkitd.
func launcher() (launch, error) {
	var missing []string
	find := func(programs ...string) string {
		for _, program := range programs {
			if path, err := exec.LookPath(program); err == nil {
				return path
			}
		}
		missing = append(missing, programs[len(programs)-1])
		return ""
	}
	l := launch{buildkitd: find("buildkitd")}
	find("buildkit-runc", "runc") // buildkitd starts it itself
	rootless := os.Geteuid() != 0
	if rootless {
		l.rootlesskit = find("rootlesskit")
		find("newuidmap")
		find("newgidmap")
		l.noProcessSandbox = !procIsWhole()
	}
	if len(missing) > 0 {
		return launch{}, fmt.Errorf("PATH has no %s", strings.Join(missing, ", no "))
	}
	if !rootless && !mayMount() {
		return launch{}, errors.New("root may not mount here (it lacks CAP_SYS_ADMIN), as in a container that is not privileged")
	}
	return l, nil
}

// private mounts what belongs to the namespaces of buildkitd: its view of the
// processes, and the folder in which runc keeps the state of root's build
// steps.
const private = `mount -t proc proc /proc && mkdir -p /run/runc && mount -t tmpfs -o mode=700 runc /run/runc && exec "$@"`

// command returns the command that runs buildkitd. It ends with this process,
// however that ends, and so do the build steps that are running: everything is
// in a PID namespace of its own. Where there can be none, a step goes on to its
// end. The folder is for rootlesskit's state.
func (l launch) command(folder string, arguments ...string) *exec.Cmd {
	arguments = append([]string{l.buildkitd}, arguments...)
	attributes := &syscall.SysProcAttr{
		Setsid:    true, // Ctrl-C is for sitectl, which stops buildkitd after its build
		Pdeathsig: syscall.SIGKILL,
	}
	var command *exec.Cmd
	if l.rootlesskit == "" {
		attributes.Cloneflags = syscall.CLONE_NEWPID
		attributes.Unshareflags = syscall.CLONE_NEWNS // so that its mounts are gone with it, too
		command = exec.Command("/bin/sh", append([]string{"-c", private, "sh"}, arguments...)...)
	} else {
		pidns := fmt.Sprintf("--pidns=%t", !l.noProcessSandbox)
		command = exec.Command(l.rootlesskit, append([]string{"--state-dir=" + filepath.Join(folder, "rootlesskit"), pidns}, arguments...)...)
	}
	command.SysProcAttr = attributes
	command.Dir = folder
	// There runc keeps the state of build steps if they are not root's.
	command.Env = append(daemonEnvironment(), "XDG_RUNTIME_DIR="+folder)
	return command
}

// daemonEnvironment is what buildkitd needs of the environment. The rest, in
// CI full of secrets, is not its business.
func daemonEnvironment() []string {
	var environment []string
	for _, name := range []string{
		"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	} {
		if value, ok := os.LookupEnv(name); ok {
			environment = append(environment, name+"="+value)
		}
	}
	return environment
}

// mayMount says whether the effective capabilities of this process have
// CAP_SYS_ADMIN, number 21 (capabilities(7)).
func mayMount() bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(status), "\nCapEff:\t")
	capabilities, _, _ := strings.Cut(after, "\n")
	set, err := strconv.ParseUint(capabilities, 16, 64)
	return err == nil && set&(1<<21) != 0
}

// procIsWhole says whether nothing is mounted over parts of /proc. Otherwise,
// as in most containers, the kernel refuses a user namespace another /proc:
// it would show what is hidden (mount_too_revealing() in fs/namespace.c).
func procIsWhole() bool {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line) // proc_pid_mountinfo(5): the fifth is where it is mounted
		if len(fields) > 4 && strings.HasPrefix(fields[4], "/proc/") && fields[4] != "/proc/sys/fs/binfmt_misc" {
			return false
		}
	}
	return true
}

// cacheRoot is a folder in which buildkitd keeps its cache from run to run.
type cacheRoot struct {
	path string
	lock *os.File // held by this process; names the folder of the run
}

// lockCacheRoot takes the first free one of
// $XDG_CACHE_HOME/sitectl/buildkit/1, 2, 3…: two of buildkitd cannot share one.
func lockCacheRoot() (*cacheRoot, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	all := filepath.Join(cache, "sitectl", "buildkit")
	if err := os.MkdirAll(all, 0o700); err != nil {
		return nil, err
	}
	for n := 1; ; n++ {
		root := &cacheRoot{path: filepath.Join(all, strconv.Itoa(n))}
		free, err := root.tryLock()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", root.path, err)
		}
		if free {
			return root, nil
		}
	}
}

// tryLock takes the root unless another run has it, or a buildkitd that is
// just going down with its killed run.
func (r *cacheRoot) tryLock() (bool, error) {
	lock, err := os.OpenFile(r.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false, err
	}
	free, err := tryFlock(lock)
	if free {
		free, err = r.isReleased()
	}
	if !free || err != nil {
		return false, errors.Join(err, lock.Close())
	}
	r.lock = lock
	return true, nil
}

// isReleased says whether no buildkitd has its own lock on the root.
func (r *cacheRoot) isReleased() (bool, error) {
	lock, err := os.Open(filepath.Join(r.path, "buildkitd.lock"))
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer lock.Close()
	return tryFlock(lock)
}

func tryFlock(file *os.File) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// remember notes the folder of this run, and removes that of the run before
// if it was killed and could not do so itself.
func (r *cacheRoot) remember(folder string) error {
	before, err := io.ReadAll(r.lock)
	if err != nil {
		return err
	}
	if left := string(before); filepath.IsAbs(left) && strings.HasPrefix(filepath.Base(left), runFolderPrefix) {
		_ = os.RemoveAll(left)
	}
	if err := r.lock.Truncate(0); err != nil {
		return err
	}
	_, err = r.lock.WriteAt([]byte(folder), 0)
	return err
}

// unlock gives the root free.
func (r *cacheRoot) unlock() { _ = r.lock.Close() }

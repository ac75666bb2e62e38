package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/buildkit/client"
	"github.com/sitectl/sitectl/templates"
)

// daemon is a buildkitd that was started for this run and ends with it.
type daemon struct {
	root    *cacheRoot
	folder  string // of its socket, configuration and log; temporary
	command *exec.Cmd
	exited  chan struct{} // closed when it has ended
}

// stopWithin is how long a buildkitd that is asked to stop has for it.
const stopWithin = 5 * time.Second

// canStart says whether start has what it needs.
func (b *Builder) canStart(context.Context) error {
	_, err := launcher()
	return err
}

// start starts a buildkitd and connects to it.
func (b *Builder) start(ctx context.Context) (*client.Client, error) {
	launch, err := launcher()
	if err != nil {
		return nil, err
	}
	d, err := b.startDaemon(launch)
	if err != nil {
		return nil, err
	}
	b.say("builder: buildkitd keeps its cache in %s", d.root.path)
	buildkit, err := d.connect(ctx)
	if err != nil {
		return nil, errors.Join(err, d.stop())
	}
	b.connection.daemon = d
	return buildkit, nil
}

// startDaemon starts a buildkitd and does not wait for it.
func (b *Builder) startDaemon(launch launch) (d *daemon, err error) {
	root, err := lockCacheRoot()
	if err != nil {
		return nil, err
	}
	d = &daemon{root: root, exited: make(chan struct{})}
	defer func() {
		if err != nil {
			d.remove()
		}
	}()
	if d.folder, err = runFolder(); err != nil {
		return nil, err
	}
	if err := root.remember(d.folder); err != nil {
		return nil, err
	}
	settings, err := b.daemonSettings(d, launch)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(d.file("buildkitd.toml"), []byte(settings), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(d.file("log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d.command = launch.command(d.folder, "--config="+d.file("buildkitd.toml"))
	d.command.Stdout, d.command.Stderr = log, log
	return d, d.run()
}

// run starts the process and sees to its end.
func (d *daemon) run() error {
	started := make(chan error)
	go func() {
		// The kernel ends the process when the thread ends that has started
		// it (prctl(2), PR_SET_PDEATHSIG), so that thread must stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := d.command.Start()
		started <- err
		if err == nil {
			_ = d.command.Wait() // its log says why
			close(d.exited)
		}
	}()
	return <-started
}

// connect waits until the daemon answers.
func (d *daemon) connect(ctx context.Context) (*client.Client, error) {
	address := d.file("buildkitd.sock")
	for again := time.NewTicker(10 * time.Millisecond); ; {
		if connection, err := net.Dial("unix", address); err == nil {
			again.Stop()
			_ = connection.Close()
			break
		}
		select {
		case <-again.C:
		case <-d.exited:
			return nil, d.failure("it ended")
		case <-ctx.Done():
			return nil, d.failure(context.Cause(ctx).Error())
		}
	}
	// It listens before it has prepared its worker, and may still end.
	buildkit, err := dialWorker(ctx, "unix://"+address)
	if err != nil {
		return nil, d.failure(err.Error())
	}
	return buildkit, nil
}

// failure is the error of a daemon that does not come up, with what it logged.
func (d *daemon) failure(reason string) error {
	log, err := os.ReadFile(d.file("log"))
	if err != nil {
		return errors.New(reason)
	}
	return errors.New(strings.Join(append([]string{reason + "; it said:"}, lastWords(string(log))...), "\n"))
}

// lastWords returns the last lines of a log of buildkitd without the stack
// traces, which it prints with every error: a function, and on the next line,
// after a tab, where it is.
func lastWords(log string) []string {
	var words []string
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, "\t") {
			words = append(words, line)
		} else if len(words) > 0 {
			words = words[:len(words)-1]
		}
	}
	return words[max(0, len(words)-5):]
}

// stop ends the daemon with everything it has started, and removes its folder.
func (d *daemon) stop() error {
	defer d.remove()
	_ = d.command.Process.Signal(syscall.SIGTERM) // an error says that it has ended
	select {
	case <-d.exited:
		return nil
	case <-time.After(stopWithin):
	}
	_ = d.command.Process.Kill()
	<-d.exited
	return fmt.Errorf("stop buildkitd: it did not within %s and was killed", stopWithin)
}

// remove removes what the daemon leaves and gives its cache free.
func (d *daemon) remove() {
	if d.folder != "" {
		_ = os.RemoveAll(d.folder)
	}
	d.root.unlock()
}

// daemonSettings renders the configuration of a buildkitd. It reads no other:
// what the machine has in /etc/buildkit is for one that runs there.
func (b *Builder) daemonSettings(d *daemon, l launch) (string, error) {
	registries, err := b.daemonRegistries()
	if err != nil {
		return "", err
	}
	return templates.Render("build/buildkitd.toml", map[string]any{
		"root":             d.root.path,
		"address":          "unix://" + d.file("buildkitd.sock"),
		"traces":           d.file("traces.sock"),
		"noProcessSandbox": l.noProcessSandbox,
		"registries":       registries,
	})
}

// daemonRegistries is what buildkitd needs to know of the registries that
// this run has spoken with, and of their mirrors: it has to reach them in the
// same way.
func (b *Builder) daemonRegistries() ([]map[string]any, error) {
	b.mutex.Lock()
	hosts := slices.Collect(maps.Keys(b.transports))
	b.mutex.Unlock()
	mirrored := map[string][]string{}
	plain := map[string]bool{}
	for host, mirror := range b.mirrors {
		mirrored[host] = []string{strings.TrimRight(mirror.Host+mirror.Path, "/")}
		plain[mirror.Host] = mirror.Scheme == "http"
		hosts = append(hosts, host, mirror.Host)
	}
	slices.Sort(hosts)
	var registries []map[string]any
	for _, host := range slices.Compact(hosts) {
		authorities, err := b.authorities(host)
		if err != nil {
			return nil, err
		}
		buildkits := host
		if host == name.DefaultRegistry {
			buildkits = "docker.io"
		}
		registries = append(registries, map[string]any{
			"host":    buildkits,
			"mirrors": mirrored[host],
			"ca":      authorities,
			"http":    plain[host],
			// Without a word buildkitd takes a registry of the same machine for
			// one without TLS.
			"https": len(authorities) > 0 && !plain[host],
		})
	}
	return registries, nil
}

func (d *daemon) file(name string) string { return filepath.Join(d.folder, name) }

// runFolder makes a folder whose path leaves room for that of a socket in it:
// that may have 107 bytes (unix(7)).
func runFolder() (string, error) {
	parent := os.TempDir()
	if len(parent) > 60 {
		parent = "/tmp"
	}
	return os.MkdirTemp(parent, runFolderPrefix)
}

const runFolderPrefix = "sitectl-buildkitd-"

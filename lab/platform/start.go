package platform

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// start makes sure that the part runs as it says and answers. A running one is
// left alone, one that was started differently is replaced.
func (lab *Lab) start(ctx context.Context, p part) (outcome string, err error) {
	digest, err := p.digest()
	if err != nil {
		return "", err
	}
	running, found, err := lab.find(p.name)
	if err != nil {
		return "", err
	}
	if found && running.digest == digest {
		if err := await(ctx, nil, p.ready); err != nil {
			return "", lab.failed(p, "wait for", err)
		}
		return "runs already", nil
	}
	outcome = "started"
	if found {
		outcome = "restarted with other settings"
		if err := running.kill(ctx); err != nil {
			return "", fmt.Errorf("stop the former %s: %w", p.name, err)
		}
	}
	if err := p.clean(ctx); err != nil {
		return "", fmt.Errorf("clean up after the former %s: %w", p.name, err)
	}
	if err := p.addressIsFree(); err != nil {
		return "", fmt.Errorf("start %s: %w", p.name, err)
	}
	exited, err := lab.spawn(p, digest)
	if err != nil {
		return "", fmt.Errorf("start %s: %w", p.name, err)
	}
	if err := await(ctx, exited, p.ready); err != nil {
		return "", lab.failed(p, "start", err)
	}
	return outcome, nil
}

// addressIsFree fails if somebody else's program listens where the part would.
// It could even pass for the part: most answer anyone who asks for their health.
func (p part) addressIsFree() error {
	if _, err := netip.ParseAddrPort(p.address); err != nil {
		return nil // a socket of the lab's own, or a folder
	}
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		return fmt.Errorf("another program has its address: %w", err)
	}
	return listener.Close()
}

// find finds the process of a part. There is at most one, as only the holder
// of the lock starts parts.
func (lab *Lab) find(name string) (process, bool, error) {
	processes, err := findProcesses("/proc", lab.layout.state)
	if err != nil {
		return process{}, false, err
	}
	for _, p := range processes {
		if p.isPart() && p.part == name {
			return p, true, nil
		}
	}
	return process{}, false, nil
}

// spawn starts the process of a part in a session of its own, so that it
// outlives the lab command and its terminal. exited is closed when it ends.
func (lab *Lab) spawn(p part, digest string) (exited <-chan struct{}, err error) {
	l := lab.layout
	for _, dir := range []string{l.in("logs"), l.in("run"), l.temporary(p.name)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	log, err := os.OpenFile(l.log(p.name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	fmt.Fprintf(log, "--- %s %s\n", time.Now().Format(time.RFC3339), p.name)
	cmd := exec.Command(p.binary, p.args...)
	cmd.Dir = l.state
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(lab.environment(p), mark(l.state, p.name, digest))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// How it ended is in its log; this only has to notice.
		_ = cmd.Wait()
	}()
	return done, nil
}

// environment is what a part gets to see: little, as the environment of the
// person who runs the command is no business of a daemon's.
func (lab *Lab) environment(p part) []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + lab.layout.state,
		"TMPDIR=" + lab.layout.temporary(p.name),
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(env, p.env...)
}

// failed adds the end of the part's log to an error.
func (lab *Lab) failed(p part, doing string, err error) error {
	file := lab.layout.log(p.name)
	log, readErr := os.ReadFile(file)
	if readErr != nil {
		return fmt.Errorf("%s %s: %w", doing, p.name, err)
	}
	return fmt.Errorf("%s %s at %s: %w\nthe end of %s:\n%s", doing, p.name, p.address, err, file, lastLines(log, 8))
}

// temporary is the TMPDIR of a part, where BuildKit mounts file systems.
func (l layout) temporary(part string) string { return l.in("tmp", part) }

// keepExecutable copies the running executable into the cache, because the
// provisioner runs from it for as long as the lab: the one at hand may be
// `go run`'s, which is removed, or be built anew.
func keepExecutable(l layout) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the lab's executable: %w", err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		return "", fmt.Errorf("read the lab's executable: %w", err)
	}
	hash := sha256.Sum256(content)
	kept := filepath.Join(l.binaries(), "lab-"+hex.EncodeToString(hash[:])[:16], "lab")
	if exists(kept) {
		return kept, nil
	}
	if err := removeOlder(l.binaries(), "lab"); err != nil {
		return "", err
	}
	if err := writeFile(kept, content, 0o755); err != nil {
		return "", fmt.Errorf("keep the lab's executable: %w", err)
	}
	return kept, nil
}

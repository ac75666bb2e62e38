package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// daemon is a process that serves others until it is stopped.
type daemon struct {
	name    string
	command *exec.Cmd
	exited  chan struct{}
}

// startDaemon starts a program and waits until something listens at an
// address. What it prints goes to a log next to the folder that it works in.
func startDaemon(ctx context.Context, program string, arguments []string, folder, network, address string) (*daemon, error) {
	name := filepath.Base(program)
	log, err := os.OpenFile(folder+".log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	d := &daemon{name: name, command: exec.Command(program, arguments...), exited: make(chan struct{})}
	d.command.Dir, d.command.Stdout, d.command.Stderr = folder, log, log
	d.command.Env = append(environment(), "TMPDIR="+folder)
	// In a process group of its own it goes on after a Ctrl-C until those who
	// use it have ended and it is told. If this program is killed, it ends.
	d.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := d.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(d.exited)
		_ = d.command.Wait() // how it ended is in its log
	}()
	if err := d.await(ctx, network, address); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s, see %s: %w", name, log.Name(), err), d.stop())
	}
	return d, nil
}

const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is what the measured programs and their daemons get to see:
// nothing that tells sitectl of a CI job or of another builder.
func environment() []string {
	variables := []string{"PATH=" + systemPath, "HOME=/nonexistent", "LC_ALL=C"}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if value, ok := os.LookupEnv(name); ok {
			variables = append(variables, name+"="+value)
		}
	}
	return variables
}

// await waits until the daemon listens.
func (d *daemon) await(ctx context.Context, network, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var dialer net.Dialer
		connection, err := dialer.DialContext(ctx, network, address)
		if err == nil {
			return connection.Close()
		}
		select {
		case <-tick.C:
		case <-d.exited:
			return errors.New("it exited")
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// stop asks the process to end, and makes it if it does not.
func (d *daemon) stop() error {
	if err := d.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", d.name, err)
	}
	select {
	case <-d.exited:
		return nil
	case <-time.After(20 * time.Second):
	}
	if err := d.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", d.name, err)
	}
	<-d.exited
	return nil
}

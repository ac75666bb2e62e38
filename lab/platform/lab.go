// Package platform brings up and takes down the lab: a one-node Kubernetes
// with a private registry and a BuildKit, all of them upstream programs that
// run as plain processes of root on Linux.
//
// The lab is crash-only. There is one way to stop a part, SIGKILL, and one way
// to start it, which first removes whatever a former one left. So Up repairs
// after any death, and there is no state in which it does not work.
package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Lab is the lab of this machine; there is only one.
type Lab struct {
	layout layout
}

// New finds the lab's folders. source is the lab's source folder, which holds
// parts/; if empty it is looked for from the working directory and from the
// executable upwards.
func New(source string) (*Lab, error) {
	l, err := newLayout(source)
	if err != nil {
		return nil, err
	}
	return &Lab{layout: l}, nil
}

// errNotRoot: the lab mounts, makes network namespaces and reads the
// environment of its processes.
var errNotRoot = errors.New("the lab needs root: run it as root or with sudo")

func requireRoot() error {
	if os.Geteuid() != 0 {
		return errNotRoot
	}
	return nil
}

// lock waits until no other command changes the lab.
func (lab *Lab) lock(ctx context.Context, progress Progress) (unlock func(), err error) {
	path := lab.layout.lock()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("create the cache: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the lab: %w", err)
	}
	locked, err := tryLock(file)
	if err == nil && !locked {
		err = runStep(ctx, step{name: "other lab command", run: func(ctx context.Context) (string, error) {
			return "ended", awaitLock(ctx, file)
		}}, progress)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock the lab: %w", err)
	}
	return func() { file.Close() }, nil
}

func awaitLock(ctx context.Context, file *os.File) error {
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if locked, err := tryLock(file); locked || err != nil {
			return err
		}
	}
}

// tryLock locks the file, which its closing or the end of the process undoes.
func tryLock(file *os.File) (locked bool, err error) {
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

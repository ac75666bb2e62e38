package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

//go:embed buildkitd.toml
var buildkitConfig string

// buildkit is a buildkitd of one pipeline's own, behind a wire that counts
// what is sent to it.
type buildkit struct {
	*wire
	daemon *daemon
	folder string
}

// startBuildkit starts a buildkitd that knows nothing.
func startBuildkit(ctx context.Context, p programs, folder, registry string) (*buildkit, error) {
	b := &buildkit{folder: folder}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, err
	}
	if err := b.configure(p, registry); err != nil {
		return nil, errors.Join(err, b.remove())
	}
	socket := filepath.Join(folder, "buildkitd.sock")
	var err error
	b.daemon, err = startDaemon(ctx, p.buildkitd, []string{"--config=" + filepath.Join(folder, "buildkitd.toml")}, folder, "unix", socket)
	if err != nil {
		return nil, errors.Join(err, b.remove())
	}
	if b.wire, err = newWire(filepath.Join(folder, "wire.sock"), socket); err != nil {
		return nil, errors.Join(err, b.daemon.stop(), b.remove())
	}
	return b, nil
}

func (b *buildkit) configure(p programs, registry string) error {
	var config bytes.Buffer
	view := map[string]string{"Folder": b.folder, "Registry": registry}
	if err := template.Must(template.New("buildkitd.toml").Parse(buildkitConfig)).Execute(&config, view); err != nil {
		return err
	}
	// BuildKit has no setting for the folder of runc's state.
	runc := fmt.Sprintf("#!/bin/sh\nexec %q --root %q \"$@\"\n", p.runc, filepath.Join(b.folder, "containers"))
	return errors.Join(
		os.WriteFile(filepath.Join(b.folder, "buildkitd.toml"), config.Bytes(), 0o644),
		os.WriteFile(filepath.Join(b.folder, "runc"), []byte(runc), 0o755),
	)
}

// address is what --builder and buildctl's --addr are given.
func (b *buildkit) address() string { return "unix://" + filepath.Join(b.folder, "wire.sock") }

// close ends it and removes all that it knew.
func (b *buildkit) close() error {
	return errors.Join(b.daemon.stop(), b.wire.close(), b.remove())
}

func (b *buildkit) remove() error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(b.folder))
	if err != nil {
		return fmt.Errorf("list mounts below %s: %w", b.folder, err)
	}
	for i := len(mounts) - 1; i >= 0; i-- {
		if err := unix.Unmount(mounts[i].Mountpoint, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unmount %s: %w", mounts[i].Mountpoint, err)
		}
	}
	return os.RemoveAll(b.folder)
}

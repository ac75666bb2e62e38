package images

import (
	"archive/tar"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const pauseSource = "pause/main.go"

// compilePause writes a root file system with nothing but the pause program.
func (b builder) compilePause(ctx context.Context, work, whole string) error {
	source, err := sources.ReadFile(pauseSource)
	if err != nil {
		return err
	}
	file, binary := filepath.Join(work, "main.go"), filepath.Join(work, "pause")
	if err := os.WriteFile(file, source, 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w -buildid=", "-o", binary, file)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if err := run(ctx, cmd); err != nil {
		return err
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	out, err := os.Create(whole)
	if err != nil {
		return err
	}
	defer out.Close()
	root := tar.NewWriter(out)
	header := &tar.Header{Typeflag: tar.TypeReg, Name: "pause", Mode: 0o755, Size: int64(len(content)), ModTime: epoch}
	if err := root.WriteHeader(header); err != nil {
		return fmt.Errorf("write root file system: %w", err)
	}
	if _, err := root.Write(content); err != nil {
		return fmt.Errorf("write root file system: %w", err)
	}
	if err := root.Close(); err != nil {
		return fmt.Errorf("write root file system: %w", err)
	}
	return out.Close()
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// pipeline is one of the two ways in which a commit becomes an image in the
// registry. Each has a builder and a repository of its own.
type pipeline struct {
	name     string
	command  []string
	env      []string
	reports  bool      // it prints what it did as JSON, as sitectl does
	builder  *buildkit // nil until it has one
	programs programs
	folder   string
	registry *registry
}

// empty gives the pipeline a builder that knows nothing, in place of the one
// that it had.
func (p *pipeline) empty(ctx context.Context) error {
	if err := p.close(); err != nil {
		return err
	}
	var err error
	p.builder, err = startBuildkit(ctx, p.programs, filepath.Join(p.folder, p.name), p.registry.host)
	return err
}

func (p *pipeline) close() error {
	if p.builder == nil {
		return nil
	}
	err := p.builder.close()
	p.builder = nil
	return err
}

// cost is what a run took.
type cost struct {
	Seconds      float64            `json:"seconds"`
	ToBuilder    int64              `json:"toBuilder"`               // bytes on the connection to BuildKit
	Requests     int64              `json:"requests"`                // to the registry, of the pipeline and of its builder
	ToRegistry   int64              `json:"toRegistry"`              // bytes in bodies
	FromRegistry int64              `json:"fromRegistry"`            // bytes in bodies
	Memory       int64              `json:"memory,omitempty"`        // peak of sitectl's own process, in bytes
	Steps        map[string]float64 `json:"secondsByStep,omitempty"` // as sitectl reports them
}

// run builds the commit that is checked out in a folder.
func (p *pipeline) run(ctx context.Context, folder string) (cost, error) {
	var output, log bytes.Buffer
	command := p.prepared(ctx, folder)
	command.Stdout, command.Stderr = &output, &log

	sent, before := p.builder.sent.Load(), p.registry.traffic()
	began := time.Now()
	if err := command.Start(); err != nil {
		return cost{}, err
	}
	memory := watchMemory(command.Process.Pid)
	err := command.Wait()
	c := cost{Seconds: time.Since(began).Seconds(), Memory: memory()}
	if ctx.Err() != nil {
		return cost{}, errors.New("interrupted")
	}
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w\n%s", strings.Join(p.command, " "), err, lastLines(log.String(), 30))
	}
	c.ToBuilder = p.builder.sent.Load() - sent
	passed := p.registry.traffic().since(before)
	c.Requests, c.ToRegistry, c.FromRegistry = passed.requests, passed.sent, passed.received
	if !p.reports {
		c.Memory = 0 // of a shell
		return c, nil
	}
	return c, c.readSteps(output.Bytes())
}

func (p *pipeline) prepared(ctx context.Context, folder string) *exec.Cmd {
	command := exec.CommandContext(ctx, p.command[0], p.command[1:]...)
	command.Dir = folder
	command.Env = append(append(environment(), p.env...), "BUILDKIT_HOST="+p.builder.address())
	// In a process group of its own it gets one signal from a Ctrl-C, ours.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = time.Minute
	return command
}

// lastLines returns up to n last lines of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// readSteps reads what sitectl says with --output json.
func (c *cost) readSteps(output []byte) error {
	var result struct {
		Steps []struct {
			Name    string  `json:"name"`
			Seconds float64 `json:"seconds"`
		} `json:"steps"`
	}
	if err := json.Unmarshal(output, &result); err != nil {
		return fmt.Errorf("read the result of sitectl: %w", err)
	}
	c.Steps = map[string]float64{}
	for _, step := range result.Steps {
		c.Steps[step.Name] = step.Seconds
	}
	return nil
}

// watchMemory returns a function that stops watching and returns the peak of
// a process's resident memory in bytes. The kernel keeps the peak, so that
// only what comes in the last moments may be missed. (The one that it reports
// at the end of a process is that of the largest of the process, its gits, and
// of this program from which it was forked.)
func watchMemory(pid int) func() int64 {
	stop, peak := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		var highest int64
		for {
			highest = max(highest, residentPeak(pid))
			select {
			case <-tick.C:
			case <-stop:
				peak <- highest
				return
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-peak
	}
}

// residentPeak is VmHWM of proc_pid_status(5); 0 if the process is gone.
func residentPeak(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "\nVmHWM:")
	var kilobytes int64
	if _, err := fmt.Sscanf(after, "%d kB", &kilobytes); err != nil {
		return 0
	}
	return kilobytes << 10
}

// programs are those of the lab.
type programs struct {
	buildkitd, buildctl, runc, registry string
}

// link makes a folder with buildctl for PATH.
func (p programs) link(folder string) error {
	return errors.Join(os.Mkdir(folder, 0o755), os.Symlink(p.buildctl, filepath.Join(folder, "buildctl")))
}

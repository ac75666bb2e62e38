package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Down ends every process of the lab and removes its mounts, networks, cgroups
// and files; only the cache stays. It touches nothing that is not the lab's,
// and is content if there is nothing.
func (lab *Lab) Down(ctx context.Context, progress Progress) error {
	if err := requireRoot(); err != nil {
		return err
	}
	unlock, err := lab.lock(ctx, progress)
	if err != nil {
		return err
	}
	defer unlock()
	l := lab.layout
	return runInOrder(ctx, progress, []step{
		{name: "processes", run: func(ctx context.Context) (string, error) { return "ended", endProcesses(ctx, l) }},
		{name: "mounts", run: func(context.Context) (string, error) { return "removed", unmountBelow(l.state) }},
		{name: "network", run: func(ctx context.Context) (string, error) { return "removed", tearDownNetwork(ctx, l) }},
		{name: "cgroups", run: func(context.Context) (string, error) { return "removed", removeCgroups("") }},
		{name: "files", run: func(context.Context) (string, error) { return "removed", removeFiles(l) }},
	})
}

func runInOrder(ctx context.Context, progress Progress, steps []step) error {
	for _, s := range steps {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := runStep(ctx, s, progress); err != nil {
			return err
		}
	}
	return nil
}

// endProcesses ends those first that would start others again.
func endProcesses(ctx context.Context, l layout) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("processes do not end"))
	defer cancel()
	err := killAll(ctx, l.state, func(p process) bool { return p.part == "kubelet" || p.part == "buildkitd" })
	if err != nil {
		return err
	}
	return killAll(ctx, l.state, func(process) bool { return true })
}

// removeFiles removes the folder last of all that holds the notes of what was
// there before.
func removeFiles(l layout) error {
	if err := removeOutside(l); err != nil {
		return err
	}
	if err := os.RemoveAll(l.state); err != nil {
		return fmt.Errorf("remove the state folder: %w", err)
	}
	return nil
}

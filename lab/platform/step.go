package platform

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// step is one thing that Up does. Steps run as soon as those that they need
// are done, side by side.
type step struct {
	name  string
	needs []string

	// slots, if there are any, limits how many of the steps that share it run
	// at a time.
	slots *semaphore.Weighted

	// run does it and says in a few words what that was: "started", "cached".
	run func(ctx context.Context) (outcome string, err error)
}

// Progress hears about the steps. Its methods are called from several
// goroutines at a time.
type Progress interface {
	Started(step string)
	Note(step, text string) // what a step is doing just now
	Finished(step, outcome string, took time.Duration)
}

// runSteps runs the steps and returns the first error; the others are
// cancelled then.
func runSteps(ctx context.Context, steps []step, progress Progress) error {
	done := map[string]chan struct{}{}
	for _, s := range steps {
		done[s.name] = make(chan struct{})
	}
	for _, s := range steps {
		for _, need := range s.needs {
			if done[need] == nil {
				return fmt.Errorf("step %q needs %q, which there is not", s.name, need)
			}
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range steps {
		group.Go(func() error {
			for _, need := range s.needs {
				select {
				case <-done[need]:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			if err := runStep(ctx, s, progress); err != nil {
				return err
			}
			close(done[s.name])
			return nil
		})
	}
	return group.Wait()
}

func runStep(ctx context.Context, s step, progress Progress) error {
	if s.slots != nil {
		if err := s.slots.Acquire(ctx, 1); err != nil {
			return context.Cause(ctx)
		}
		defer s.slots.Release(1)
	}
	began := time.Now()
	progress.Started(s.name)
	outcome, err := s.run(ctx)
	if err != nil {
		return err
	}
	progress.Finished(s.name, outcome, time.Since(began))
	return nil
}

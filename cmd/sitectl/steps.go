package main

import (
	"context"
	"fmt"
	"time"

	"github.com/sitectl/sitectl/ci"
)

// step is one part of the work. It does not print headings or times, and does
// not know what comes before or after it.
type step struct {
	name string
	// skip says why there is nothing to do, or "" if there is. A step
	// without it always has something to do.
	skip func(context.Context) (reason string, err error)
	run  func(context.Context) error
	// stopped says in which state the site is if the work stops inside this
	// step: a sentence for the person who pressed Ctrl-C.
	stopped string
	// failed says the same of a failure, where its error does not.
	failed string
}

// stepReport is what became of a step.
type stepReport struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`           // to a millisecond; 0 if it was skipped
	Skipped string  `json:"skipped,omitempty"` // why there was nothing to do
	Failed  bool    `json:"failed,omitempty"`
}

// stepError is the error that ended the work, with the step it came from. Its
// message is that of the error alone: the heading has named the step.
type stepError struct {
	step step
	err  error
}

func (e *stepError) Error() string { return e.err.Error() }

func (e *stepError) Unwrap() error { return e.err }

// runSteps runs one step after the other, each in a section of the log, until
// one fails or the context ends. It reports on those it came to; the error is
// a *stepError.
func runSteps(ctx context.Context, log *ci.Log, steps []step) ([]stepReport, error) {
	var reports []stepReport
	for _, step := range steps {
		report, err := runStep(ctx, log, step)
		report.Failed = err != nil
		reports = append(reports, report)
		if err != nil {
			return reports, &stepError{step: step, err: err}
		}
	}
	return reports, nil
}

func runStep(ctx context.Context, log *ci.Log, step step) (stepReport, error) {
	report := stepReport{Name: step.name}
	if err := ctx.Err(); err != nil {
		return report, fmt.Errorf("%s: %w", step.name, context.Cause(ctx))
	}
	if step.skip != nil {
		reason, err := step.skip(ctx)
		if err != nil {
			return report, err
		}
		if reason != "" {
			report.Skipped = reason
			log.Skipped(step.name, reason)
			return report, nil
		}
	}
	took, err := log.Section(step.name, func() error { return step.run(ctx) })
	report.Seconds = took.Round(time.Millisecond).Seconds()
	return report, err
}

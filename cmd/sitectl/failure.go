package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// problem is one thing that went wrong, as a person reads it.
type problem struct {
	Message string `json:"message"`          // what happened, and why
	Hint    string `json:"hint,omitempty"`   // what to do next
	File    string `json:"file,omitempty"`   // that it is in, as it was named; empty for none
	Line    int    `json:"line,omitempty"`   // from 1; 0 if it is not known
	Column  int    `json:"column,omitempty"` // from 1; 0 if it is not known
}

// problems takes apart an error that stands for several.
func problems(err error) []problem {
	var step *stepError
	if errors.As(err, &step) {
		err = step.err
	}
	var all []problem
	for _, part := range parts(err) {
		for _, p := range problems(part) {
			if !slices.Contains(all, p) { // two checks may fail for one reason
				all = append(all, p)
			}
		}
	}
	if len(all) > 0 {
		return all
	}
	var file site.Problems
	var cluster *deployer.PreflightError
	switch {
	case errors.As(err, &file):
		for _, p := range file {
			all = append(all, problem{Message: p.String(), File: p.File, Line: p.Line, Column: p.Column})
		}
	case errors.As(err, &cluster):
		for _, f := range cluster.Findings {
			all = append(all, problem{Message: f.About + ": " + f.Message, Hint: f.Hint})
		}
	default:
		all = append(all, located(err))
	}
	return all
}

// located is an error with its place in a file, if it has one.
func located(err error) problem {
	p := problem{Message: err.Error(), Hint: hint(err)}
	var build *builder.BuildError
	if errors.As(err, &build) {
		p.File, p.Line = build.File, build.Line
	}
	return p
}

// parts are the errors that errors.Join has put together. An error that only
// mentions several, as fmt.Errorf makes it, stays whole.
func parts(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Join(joined.Unwrap()...).Error() != err.Error() {
		return nil
	}
	return joined.Unwrap()
}

// hintedError is an error of somebody else's with what to do about it.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }

func (e *hintedError) Unwrap() error { return e.err }

// Hint says what to do about it.
func (e *hintedError) Hint() string { return e.hint }

// hint is what the innermost error that has a hint says.
func hint(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}

// reportFailure tells a person on standard error how the command ended, if not well.
// Nothing of what is hidden is in it.
func reportFailure(ctx context.Context, stderr io.Writer, hidden *ci.Hidden, err error) {
	if err == nil {
		return
	}
	var interrupted *interruption
	if errors.As(context.Cause(ctx), &interrupted) {
		reportInterruption(stderr, interrupted, err)
		return
	}
	platform := ci.Detect(os.Getenv, false)
	for _, p := range problems(err) {
		p.Message = hidden.In(p.Message)
		platform.Annotate(stderr, annotated(err, p), os.Getenv)
	}
	for line := range strings.Lines(hidden.In(state(err))) {
		say(stderr, "%s", strings.TrimSuffix(line, "\n"))
	}
}

// state says in which state a failure has left the site; nothing where the
// error itself does.
func state(err error) string {
	var step *stepError
	if !errors.As(err, &step) {
		return ""
	}
	return step.step.failed
}

// reportInterruption says in which state the site was left.
func reportInterruption(stderr io.Writer, interrupted *interruption, err error) {
	lines := interruptionLines(interrupted, err)
	say(stderr, "sitectl: %s", lines[0])
	for _, line := range lines[1:] {
		say(stderr, "  %s", line)
	}
}

// interruptionLines are what there is to say of it: in which step, in which
// state the site is, and how it goes on.
func interruptionLines(interrupted *interruption, err error) []string {
	var step *stepError
	if !errors.As(err, &step) {
		return []string{interrupted.Error()}
	}
	return []string{
		fmt.Sprintf("%s in step %s", interrupted, step.step.name),
		step.step.stopped,
		"The next ship of this commit finishes it, as does sitectl recover; the next ship of another one takes its place.",
	}
}

// say writes one line; words of others in it cannot steer the terminal.
func say(w io.Writer, format string, arguments ...any) {
	_, _ = fmt.Fprintln(w, ci.Printable(fmt.Sprintf(format, arguments...)))
}

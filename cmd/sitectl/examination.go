package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// examinationTimeout bounds one check. What is asked of others has shorter
// bounds of its own; a program that holds credentials has not.
const examinationTimeout = 20 * time.Second

// checkResult says how a check ended.
type checkResult string

// The results.
const (
	checkOK      checkResult = "ok"
	checkFailed  checkResult = "failed"
	checkWarning checkResult = "warning" // something to know, and no reason to stop
	checkSkipped checkResult = "skipped" // nothing is known
)

// diagnosis is one thing that a check has found.
type diagnosis struct {
	Group   string      `json:"group"` // of checks: "git"
	Check   string      `json:"check"` // "working tree"
	Result  checkResult `json:"result"`
	Message string      `json:"message"`
	Mend    string      `json:"mend,omitempty"` // what to do; never empty if it failed
	lacks   string      // check without which this one makes no sense; empty if it was made
}

// examined is a check. It may find several things, and nothing if the site has
// no use for it.
type examined struct {
	group, name string
	area        status   // exit status if it fails
	needs       []string // checks further up without which it makes no sense
	after       []string // checks further up that it waits for, however they end
	mend        string   // for a failure that does not say what to do
	look        func(context.Context) []diagnosis

	found []diagnosis
	done  chan struct{} // closed when found is there
}

// failed says whether one thing is wrong.
func (e *examined) failed() bool {
	return slices.ContainsFunc(e.found, func(d diagnosis) bool { return d.Result == checkFailed })
}

// told says whether others can build on what was found.
func (e *examined) told() bool {
	return !e.failed() && !slices.ContainsFunc(e.found, func(d diagnosis) bool { return d.Result == checkSkipped })
}

// cause is the check that keeps others from being made: this one, or that
// which kept it from being made itself.
func (e *examined) cause() string {
	return cmp.Or(e.found[0].lacks, e.name)
}

// examine makes all checks at the same time, but for those that wait for
// others, and tells of each as soon as it and all before it are done.
func examine(ctx context.Context, checks []*examined, tell func(*examined)) {
	byName := map[string]*examined{}
	for _, check := range checks {
		check.done = make(chan struct{})
		byName[check.name] = check
	}
	for _, check := range checks {
		go func() {
			defer close(check.done)
			check.found = check.run(ctx, byName)
			for i := range check.found {
				check.complete(&check.found[i])
			}
		}()
	}
	for _, check := range checks {
		<-check.done
		tell(check)
	}
}

func (e *examined) complete(d *diagnosis) {
	d.Group, d.Check = e.group, e.name
	if d.Result == checkFailed && d.Mend == "" {
		d.Mend = e.mend
	}
}

// run waits for what the check needs, and looks.
func (e *examined) run(ctx context.Context, checks map[string]*examined) []diagnosis {
	for _, name := range e.after {
		<-checks[name].done
	}
	for _, name := range e.needs {
		<-checks[name].done
		if !checks[name].told() {
			name = checks[name].cause()
			return []diagnosis{{Result: checkSkipped, Message: e.name + ": not before " + name + " is well", lacks: name}}
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, examinationTimeout, fmt.Errorf("no answer within %s", examinationTimeout))
	defer cancel()
	answer := make(chan []diagnosis, 1)
	go func() { answer <- e.look(ctx) }()
	select {
	case found := <-answer:
		return found
	case <-ctx.Done(): // it may be stuck where no context reaches
		return []diagnosis{{Result: checkFailed, Message: e.name + ": " + context.Cause(ctx).Error()}}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// comparison runs both pipelines on one project.
type comparison struct {
	project       *project
	runs          int           // of a scenario, at most
	budget        time.Duration // after which a scenario is not run again
	sitectl, hand *pipeline
	turn          int
}

// What a builder knows when a run begins.
const (
	empty = "empty" // nothing
	warm  = "warm"  // all that the pipeline has built with it
)

// scenario is something that happens to a site time and again.
type scenario struct {
	name    string
	builder string                      // empty or warm
	aim     float64                     // of the time of sitectl to that of the other pipeline; 0 for none
	once    bool                        // it cannot happen again
	change  func(context.Context) error // makes a commit; nil if there is none
}

// scenarios are those to measure, each after those before it.
func (c *comparison) scenarios() []scenario {
	p := c.project
	return []scenario{
		{name: "cold", builder: empty, aim: 1.1, once: true},
		{name: "nothing changed", builder: warm, aim: 0.5},
		{name: "one line", builder: warm, aim: 0.3, change: p.changeLine},
		{name: "lock file", builder: warm, change: p.changeLock},
		{name: "nothing changed", builder: empty, aim: 0.2},
		{name: "one line", builder: empty, aim: 0.2, change: p.changeLine},
		{name: "base image", builder: warm, once: true, change: p.changeBase},
	}
}

// measure runs a scenario, and again while that is cheap.
func (c *comparison) measure(ctx context.Context, s scenario) (scenarioResult, error) {
	result := scenarioResult{Name: s.name, Builder: s.builder, Aim: s.aim}
	began := time.Now()
	for range c.runs {
		if err := c.once(ctx, s, &result); err != nil {
			return result, err
		}
		if s.once || time.Since(began) > c.budget {
			break
		}
	}
	result.finish()
	return result, nil
}

// once runs both pipelines, each time in another order: what the second one
// reads, the first may have brought into memory.
func (c *comparison) once(ctx context.Context, s scenario, result *scenarioResult) error {
	if s.change != nil {
		if err := s.change(ctx); err != nil {
			return err
		}
	}
	if s.builder == empty {
		if err := errors.Join(c.sitectl.empty(ctx), c.hand.empty(ctx)); err != nil {
			return err
		}
	}
	sides := []struct {
		*pipeline
		result *sideResult
	}{{c.hand, &result.Hand}, {c.sitectl, &result.Sitectl}}
	c.turn++
	for i := range sides {
		side := sides[(i+c.turn)%len(sides)]
		run, err := side.run(ctx, c.project.clone)
		if err != nil {
			return err
		}
		side.result.Runs = append(side.result.Runs, run)
	}
	return nil
}

// say tells what comes next.
func say(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "%s  "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, values...)...)
}

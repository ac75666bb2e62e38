package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
)

// event is one thing that happens in a ship, and one line of --output jsonl.
// Which fields it has depends on its kind; fields and kinds may be added,
// never changed.
type event struct {
	At   time.Time `json:"at"`
	Kind eventKind `json:"event"`
	Step string    `json:"step,omitempty"` // that it is about or that was under way; empty outside of all

	Reason  string            `json:"reason,omitempty"`  // step-skipped: why there was nothing to do
	Outcome string            `json:"outcome,omitempty"` // step-ended: done, failed or cancelled
	Seconds *float64          `json:"seconds,omitempty"` // step-ended: to a millisecond
	Line    string            `json:"line,omitempty"`    // line, log
	Vertex  *builder.Vertex   `json:"vertex,omitempty"`
	Rollout *deployer.Rollout `json:"rollout,omitempty"`
	Result  *result           `json:"result,omitempty"`
}

// eventKind tells events apart.
type eventKind string

// The kinds of events.
const (
	stepStarted   eventKind = "step-started"
	stepEnded     eventKind = "step-ended"
	stepSkipped   eventKind = "step-skipped"
	lineSaid      eventKind = "line"    // what sitectl says
	lineLogged    eventKind = "log"     // what a pod of the site says
	vertexChanged eventKind = "vertex"  // a step of BuildKit's has begun or ended
	podsChanged   eventKind = "rollout" // the pods of a Deployment have changed
	shipEnded     eventKind = "result"  // the last one: the document of --output json
)

var entryKinds = map[ci.EntryKind]eventKind{
	ci.SectionStarted: stepStarted,
	ci.SectionEnded:   stepEnded,
	ci.SectionSkipped: stepSkipped,
	ci.LineSaid:       lineSaid,
	ci.LineQuoted:     lineLogged,
}

// events passes on what happens, one event at a time, in order.
type events struct {
	now  func() time.Time
	tell []func(event)

	mutex sync.Mutex
	step  string // under way
}

func newEvents(now func() time.Time, tell ...func(event)) *events {
	return &events{now: now, tell: tell}
}

func (s *events) pass(e event) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch {
	case e.Kind == stepStarted:
		s.step = e.Step
	case e.Kind == stepEnded:
		s.step = ""
	case e.Step == "" && e.Kind != shipEnded:
		e.Step = s.step
	}
	for _, tell := range s.tell {
		tell(e)
	}
}

// logged takes what the log is told.
func (s *events) logged(entry ci.Entry) {
	e := event{At: entry.At, Kind: entryKinds[entry.Kind], Step: entry.Section}
	switch entry.Kind {
	case ci.SectionEnded:
		seconds := entry.Took.Round(time.Millisecond).Seconds()
		e.Outcome, e.Seconds = stepOutcome(entry.Err), &seconds
	case ci.SectionSkipped:
		e.Reason = entry.Text
	default:
		e.Line = entry.Text
	}
	s.pass(e)
}

func stepOutcome(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	default:
		return "failed"
	}
}

// built takes what BuildKit does.
func (s *events) built(vertex builder.Vertex) {
	s.pass(event{At: s.now(), Kind: vertexChanged, Vertex: &vertex})
}

// rolled takes how the pods stand.
func (s *events) rolled(rollout deployer.Rollout) {
	rollout.Pods = slices.Clone(rollout.Pods)
	s.pass(event{At: s.now(), Kind: podsChanged, Rollout: &rollout})
}

// ended takes the result.
func (s *events) ended(r result) { s.pass(event{At: s.now(), Kind: shipEnded, Result: &r}) }

// eventWriter writes one JSON document a line. What reads them may go away:
// the work goes on all the same, and the first error is kept.
type eventWriter struct {
	encoder *json.Encoder
	err     error
}

func newEventWriter(out io.Writer) *eventWriter {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return &eventWriter{encoder: encoder}
}

func (w *eventWriter) write(e event) {
	if w.err != nil {
		return
	}
	if err := w.encoder.Encode(e); err != nil {
		w.err = fmt.Errorf("write standard output: %w", err)
	}
}

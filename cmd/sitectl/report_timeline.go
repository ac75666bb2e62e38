package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sitectl/sitectl/builder"
)

// timelineView is the steps, one after the other, on one scale.
type timelineView struct {
	Axis    axis
	Steps   []stepView
	Outside *logView // what was said between the steps; nil if nothing was
}

type stepView struct {
	Name     string
	Verdict  verdict
	Note     string // why it was skipped
	Took     string // empty if it was skipped
	Bar      *bar   // nil if it was skipped
	Vertices *verticesView
	Log      *logView
	Open     bool // it is where the ship has failed
}

// verticesView is what BuildKit did in a step, on a scale of its own: the
// builder's clock may be another one.
type verticesView struct {
	Axis     axis
	Summary  string // "9 steps of BuildKit, 6 of them cached"
	Vertices []vertexView
	LeftOut  int
}

type vertexView struct {
	Name    string
	Verdict verdict
	Took    string
	Bar     *bar // nil if it took no time
	Error   string
}

// logView is lines, with what was left out before them.
type logView struct {
	Lines   []lineView
	LeftOut int
	Open    bool
}

type lineView struct {
	At     string // since the ship began: "+1.2"
	Quoted bool   // the words of a pod
	Text   string
}

// stepVerdicts are those of steps, by event.Outcome; the empty one is that of
// a step which was still under way.
var stepVerdicts = map[string]verdict{
	"done":      {"good", "✓", "done"},
	"failed":    {"bad", "✗", "failed"},
	"cancelled": {"stopped", "■", "cancelled"},
	"":          {"stopped", "■", "not ended"},
}

var skipped = verdict{"quiet", "–", "skipped"}

func timelineOf(r *recorder) timelineView {
	scale := scale{r.began, r.ended}
	view := timelineView{Axis: scale.axis()}
	for _, step := range r.steps {
		view.Steps = append(view.Steps, r.stepOf(*step, scale))
	}
	if len(r.outside.lines) > 0 {
		view.Outside = r.logOf(r.outside, false)
	}
	return view
}

func (r *recorder) stepOf(step recordedStep, scale scale) stepView {
	if step.began.IsZero() {
		return stepView{Name: step.name, Verdict: skipped, Note: step.skipped}
	}
	ended := step.ended
	if ended.IsZero() {
		ended = r.ended
	}
	view := stepView{
		Name: step.name, Verdict: stepVerdicts[step.outcome], Took: took(ended.Sub(step.began)),
		Bar: scale.bar(step.began, ended), Open: step.outcome != "done",
	}
	if len(step.vertices) > 0 {
		view.Vertices = verticesOf(step)
	}
	if len(step.log.lines) > 0 && step.name != migrationStep {
		view.Log = r.logOf(step.log, true)
	}
	return view
}

// migrationStep has its log in a part of its own.
const migrationStep = "migrate"

func migrationOf(r *recorder) *logView {
	step := r.step(migrationStep)
	if step == nil || len(step.log.lines) == 0 {
		return nil
	}
	const short = 40
	return r.logOf(step.log, len(step.log.lines) <= short || step.outcome != "done")
}

func (r *recorder) logOf(log recordedLog, open bool) *logView {
	view := &logView{LeftOut: log.leftOut, Open: open}
	for _, line := range log.lines {
		at := fmt.Sprintf("+%.1f", line.at.Sub(r.began).Seconds())
		view.Lines = append(view.Lines, lineView{At: at, Quoted: line.quoted, Text: line.text})
	}
	return view
}

func verticesOf(step recordedStep) *verticesView {
	scale, cached := span(step.vertices), 0
	view := &verticesView{Axis: scale.axis(), LeftOut: step.leftOut}
	for _, vertex := range step.vertices {
		if vertex.Cached {
			cached++
		}
		view.Vertices = append(view.Vertices, vertexOf(vertex, scale))
	}
	view.Summary = count(int64(len(step.vertices)+step.leftOut), "step") + " of BuildKit, " + fmt.Sprint(cached) + " of them cached"
	return view
}

func vertexOf(vertex builder.Vertex, scale scale) vertexView {
	view := vertexView{Name: vertex.Name, Verdict: vertexVerdict(vertex), Error: vertex.Error}
	if vertex.Cached || vertex.Started == nil {
		return view
	}
	ended := scale.end
	if vertex.Completed != nil {
		ended = *vertex.Completed
	}
	view.Took, view.Bar = took(ended.Sub(*vertex.Started)), scale.bar(*vertex.Started, ended)
	return view
}

func vertexVerdict(vertex builder.Vertex) verdict {
	switch {
	case strings.Contains(vertex.Error, context.Canceled.Error()):
		return stepVerdicts["cancelled"]
	case vertex.Error != "":
		return stepVerdicts["failed"]
	case vertex.Cached:
		return verdict{"quiet", "⟲", "cached"}
	case vertex.Started == nil:
		return verdict{"quiet", "–", "not begun"}
	case vertex.Completed == nil:
		return stepVerdicts[""]
	default:
		return stepVerdicts["done"]
	}
}

// span is from when the first of them has begun to when the last has ended.
func span(vertices []builder.Vertex) scale {
	var s scale
	for _, vertex := range vertices {
		for _, at := range []*time.Time{vertex.Started, vertex.Completed} {
			if at == nil {
				continue
			}
			if s.begin.IsZero() || at.Before(s.begin) {
				s.begin = *at
			}
			if at.After(s.end) {
				s.end = *at
			}
		}
	}
	return s
}

package main

import (
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/deployer"
)

// What a recording keeps at most, so that neither the memory of a ship nor its
// report grows with what pods say. What is left out is counted.
const (
	keptLines     = 500  // of the log of a step: the last ones
	keptLineBytes = 2000 // of a line: its beginning
	keptVertices  = 400  // of a step: the first ones
	keptPods      = 100  // of a rollout
	keptStates    = 200  // of a pod: the last ones
)

// recorder keeps of the events of a ship what its report tells. It must not be
// read before it is closed; from then on it changes no more.
type recorder struct {
	mutex    sync.Mutex
	began    time.Time // of the first event
	steps    []*recordedStep
	outside  recordedLog // lines between the steps
	rollouts []*recordedRollout
	plan     *planResult // nil if nothing was compared
	result   *result     // nil until it is closed
	ended    time.Time
}

// recordedStep is a step that was begun or skipped.
type recordedStep struct {
	name         string
	began, ended time.Time // both zero if it was skipped, or was to be
	outcome      string    // as in event
	skipped      string    // why there was nothing to do
	log          recordedLog
	vertices     []builder.Vertex // in the order in which they were heard of
	leftOut      int              // vertices
}

// recordedLog is the end of a log.
type recordedLog struct {
	lines   []recordedLine
	leftOut int
}

type recordedLine struct {
	at     time.Time
	quoted bool // words of others: a pod
	text   string
}

// recordedRollout is how the pods of a Deployment stood over time, in one step.
type recordedRollout struct {
	step, deployment    string
	began, ended        time.Time
	replicas, available int32
	pods                []*recordedPod
	leftOut             int // pods, of the last look
}

type recordedPod struct {
	deployer.Pod // as it was last seen
	gone         bool
	states       []recordedState
	leftOut      int // states
}

type recordedState struct {
	state    deployer.PodState
	reason   string
	from, to time.Time
}

// record takes one event.
func (r *recorder) record(e event) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.result != nil {
		return
	}
	if r.began.IsZero() {
		r.began = e.At
	}
	switch e.Kind {
	case stepStarted:
		r.steps = append(r.steps, &recordedStep{name: e.Step, began: e.At})
	case stepSkipped:
		r.steps = append(r.steps, &recordedStep{name: e.Step, skipped: e.Reason})
	case stepEnded:
		r.end(e)
	case lineSaid, lineLogged:
		r.log(e.Step).add(recordedLine{at: e.At, quoted: e.Kind == lineLogged, text: e.Line})
	case vertexChanged:
		if step := r.step(e.Step); step != nil {
			step.built(*e.Vertex)
		}
	case podsChanged:
		r.rollout(e).look(e.At, *e.Rollout)
	}
}

// close takes how it went.
func (r *recorder) close(at time.Time, result result) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.result, r.ended = &result, at
	if r.began.IsZero() {
		r.began = at
	}
}

// step is the last one of that name; nil if there is none.
func (r *recorder) step(name string) *recordedStep {
	for _, step := range slices.Backward(r.steps) {
		if step.name == name {
			return step
		}
	}
	return nil
}

func (r *recorder) log(step string) *recordedLog {
	if step := r.step(step); step != nil {
		return &step.log
	}
	return &r.outside
}

func (r *recorder) end(e event) {
	if step := r.step(e.Step); step != nil {
		step.ended, step.outcome = e.At, e.Outcome
	}
	for _, rollout := range r.rollouts {
		if rollout.step == e.Step {
			rollout.extend(e.At)
		}
	}
}

func (l *recordedLog) add(line recordedLine) {
	if len(line.text) > keptLineBytes {
		end := keptLineBytes
		for !utf8.RuneStart(line.text[end]) {
			end--
		}
		line.text = strings.Clone(line.text[:end]) + "…"
	}
	l.lines = append(l.lines, line)
	if len(l.lines) > keptLines {
		l.lines = l.lines[1:]
		l.leftOut++
	}
}

// built takes a step of BuildKit's that has changed.
func (s *recordedStep) built(vertex builder.Vertex) {
	i := slices.IndexFunc(s.vertices, func(v builder.Vertex) bool { return v.ID == vertex.ID })
	switch {
	case i >= 0:
		s.vertices[i] = vertex
	case len(s.vertices) < keptVertices:
		s.vertices = append(s.vertices, vertex)
	default:
		s.leftOut++
	}
}

func (r *recorder) rollout(e event) *recordedRollout {
	for _, rollout := range r.rollouts {
		if rollout.step == e.Step && rollout.deployment == e.Rollout.Deployment {
			return rollout
		}
	}
	rollout := &recordedRollout{step: e.Step, deployment: e.Rollout.Deployment, began: e.At}
	r.rollouts = append(r.rollouts, rollout)
	return rollout
}

// look takes how the pods stand at a time.
func (r *recordedRollout) look(at time.Time, view deployer.Rollout) {
	r.extend(at)
	r.replicas, r.available, r.leftOut = view.Replicas, view.Available, 0
	for _, pod := range r.pods {
		pod.gone = pod.gone || !slices.ContainsFunc(view.Pods, func(p deployer.Pod) bool { return p.Name == pod.Name })
	}
	for _, pod := range view.Pods {
		i := slices.IndexFunc(r.pods, func(p *recordedPod) bool { return p.Name == pod.Name })
		if i < 0 && len(r.pods) == keptPods {
			r.leftOut++
			continue
		}
		if i < 0 {
			i = len(r.pods)
			r.pods = append(r.pods, &recordedPod{})
		}
		r.pods[i].look(at, pod)
	}
}

// extend says that all is as it was until a time.
func (r *recordedRollout) extend(at time.Time) {
	r.ended = at
	for _, pod := range r.pods {
		if !pod.gone {
			pod.states[len(pod.states)-1].to = at
		}
	}
}

func (p *recordedPod) look(at time.Time, pod deployer.Pod) {
	p.Pod, p.gone = pod, false
	if last := len(p.states) - 1; last >= 0 && p.states[last].state == pod.State && p.states[last].reason == pod.Reason {
		return
	}
	p.states = append(p.states, recordedState{state: pod.State, reason: pod.Reason, from: at, to: at})
	if len(p.states) > keptStates {
		p.states = p.states[1:]
		p.leftOut++
	}
}

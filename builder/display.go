package builder

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
)

// display shows what BuildKit does: all that one build has it execute, also at
// the same time, on one display. It appears with the first report.
type display struct {
	options Options
	start   sync.Once
	shown   chan *client.SolveStatus
	ended   chan error
	telling sync.Mutex
}

func newDisplay(options Options) *display {
	return &display{options: options, shown: make(chan *client.SolveStatus), ended: make(chan error, 1)}
}

// show takes in a report. The name says which part of the build it is about.
func (d *display) show(ctx context.Context, name string, status *client.SolveStatus) {
	d.start.Do(func() { go d.run(context.WithoutCancel(ctx)) })
	status = renamed(name, status)
	d.tell(status)
	d.shown <- status
}

// run shows reports until close, also after a cancellation: the last ones say
// what was cancelled.
func (d *display) run(ctx context.Context) {
	ui, err := progressui.NewDisplay(d.options.Stderr, progressui.DisplayMode(d.options.Progress))
	if err == nil {
		_, err = ui.UpdateFrom(ctx, d.shown)
	}
	for range d.shown { // whoever reports does not wait for a broken display
	}
	d.ended <- err
}

// close ends the display after everything was shown.
func (d *display) close() error {
	appeared := true
	d.start.Do(func() { appeared = false })
	close(d.shown)
	if !appeared {
		return nil
	}
	if err := <-d.ended; err != nil {
		return fmt.Errorf("show progress: %w", err)
	}
	return nil
}

// renamed puts the part of the build before the names of its steps:
// "[runtime 1/2] FROM …".
func renamed(name string, status *client.SolveStatus) *client.SolveStatus {
	if name == "" {
		return status
	}
	renamed := *status
	renamed.Vertexes = make([]*client.Vertex, len(status.Vertexes))
	for i, vertex := range status.Vertexes {
		copied := *vertex
		if rest, ok := strings.CutPrefix(vertex.Name, "["); ok {
			copied.Name = "[" + name + " " + rest
		} else {
			copied.Name = "[" + name + "] " + vertex.Name
		}
		renamed.Vertexes[i] = &copied
	}
	return &renamed
}

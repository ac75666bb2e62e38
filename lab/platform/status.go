package platform

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// States of a part.
const (
	StateRunning = "running" // and it answers
	StateMute    = "mute"    // it runs and does not answer
	StateDown    = "down"
)

// PartStatus is what one part does.
type PartStatus struct {
	Name    string    `json:"name"`
	State   string    `json:"state"` // running, mute or down
	PID     int       `json:"pid,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Address string    `json:"address"` // host:port, unix:///socket or a folder
	Problem string    `json:"problem,omitempty"`
	Log     string    `json:"log"` // file
}

// Status asks every part, for at most two seconds.
func (lab *Lab) Status(ctx context.Context) ([]PartStatus, error) {
	if err := requireRoot(); err != nil {
		return nil, err
	}
	parts := lab.parts("", nil)
	statuses := make([]PartStatus, len(parts))
	group, ctx := errgroup.WithContext(ctx)
	for i, p := range parts {
		group.Go(func() (err error) {
			statuses[i], err = lab.status(ctx, p)
			return err
		})
	}
	return statuses, group.Wait()
}

func (lab *Lab) status(ctx context.Context, p part) (PartStatus, error) {
	status := PartStatus{Name: p.name, State: StateDown, Address: p.address, Log: lab.layout.log(p.name)}
	running, found, err := lab.find(p.name)
	if err != nil || !found {
		return status, err
	}
	status.State, status.PID = StateRunning, running.pid
	if status.Since, err = running.startTime(); err != nil {
		return status, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := p.ready(ctx); err != nil {
		status.State, status.Problem = StateMute, err.Error()
	}
	return status, nil
}

// Names are the names of the parts, in the order in which they start.
func (lab *Lab) Names() []string {
	var names []string
	for _, p := range lab.parts("", nil) {
		names = append(names, p.name)
	}
	return names
}

// Log is the file that holds what a part prints.
func (lab *Lab) Log(part string) string { return lab.layout.log(part) }

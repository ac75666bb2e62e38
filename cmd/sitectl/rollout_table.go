package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
)

// rolloutTable shows people at a terminal how the pods stand, while the site
// is rolled out. Their ages go on by themselves.
type rolloutTable struct {
	log *ci.Log
	now func() time.Time

	mutex    sync.Mutex
	rollouts []deployer.Rollout // the last look at each Deployment, by name
	stop     func()             // nil while nothing is shown
}

// tell takes an event.
func (t *rolloutTable) tell(e event) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	switch {
	case e.Kind == podsChanged:
		t.take(*e.Rollout)
		t.draw()
		t.start()
	case e.Kind == stepEnded && t.stop != nil:
		t.draw()
		t.stop()
		t.stop = nil
		t.log.Settle()
	}
}

func (t *rolloutTable) take(rollout deployer.Rollout) {
	i, found := slices.BinarySearchFunc(t.rollouts, rollout.Deployment, func(r deployer.Rollout, name string) int {
		return strings.Compare(r.Deployment, name)
	})
	if !found {
		t.rollouts = slices.Insert(t.rollouts, i, rollout)
	}
	t.rollouts[i] = rollout
}

// start has the table drawn each second.
func (t *rolloutTable) start() {
	if t.stop != nil || t.log.Platform != ci.Terminal {
		return
	}
	ticker, done := time.NewTicker(time.Second), make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				t.tick()
			}
		}
	}()
	t.stop = func() {
		ticker.Stop()
		close(done)
	}
}

func (t *rolloutTable) tick() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.stop != nil {
		t.draw()
	}
}

func (t *rolloutTable) draw() {
	var lines []string
	for _, rollout := range t.rollouts {
		lines = append(lines, rolloutLines(rollout, t.now(), colors(t.log.Color))...)
	}
	t.log.Live(lines)
}

// count says how many pods of each Deployment are available; empty before the
// rollout.
func (t *rolloutTable) count() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	var counts []string
	for _, rollout := range t.rollouts {
		counts = append(counts, fmt.Sprintf("%s %d/%d", rollout.Deployment, rollout.Available, rollout.Replicas))
	}
	return strings.Join(counts, ", ")
}

// podStyles are the colours of the states that matter most.
var podStyles = map[deployer.PodState]string{
	deployer.PodReady:   green,
	deployer.PodFailing: red,
	deployer.PodPending: yellow,
}

// rolloutLines is a table of the pods of one Deployment, without line feeds.
func rolloutLines(rollout deployer.Rollout, now time.Time, c colors) []string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "    POD\tRELEASE\tSTATE\tAGE\tRESTARTS\tNODE")
	for _, pod := range rollout.Pods {
		release := "old"
		if pod.New {
			release = "new"
		}
		state := string(pod.State)
		if pod.Reason != "" {
			state += ": " + pod.Reason
		}
		age := max(0, now.Sub(pod.Created)).Truncate(time.Second)
		_, _ = fmt.Fprintf(table, "    %s\t%s\t%s\t%s\t%d\t%s\n", pod.Name, release, state, age, pod.Restarts, pod.Node)
	}
	_ = table.Flush()
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	for i, pod := range rollout.Pods {
		if style, ok := podStyles[pod.State]; ok {
			lines[i+1] = c.paint(lines[i+1], style)
		}
	}
	return lines
}

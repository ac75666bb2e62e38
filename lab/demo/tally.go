package main

import (
	"fmt"
	"sync"
	"time"
)

// tally counts the requests of a load.
type tally struct {
	began time.Time

	mutex       sync.Mutex
	served      int
	failed      int
	connections int
	slowest     time.Duration
	failures    []string // the first few, each with its time
}

// maxFailures is how many failures are told in full.
const maxFailures = 5

func newTally() *tally { return &tally{began: time.Now()} }

// add counts a request: as served if err is nil.
func (t *tally) add(took time.Duration, err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.slowest = max(t.slowest, took)
	if err == nil {
		t.served++
		return
	}
	t.failed++
	if len(t.failures) < maxFailures {
		t.failures = append(t.failures, fmt.Sprintf("%.1f s after the start: %v", time.Since(t.began).Seconds(), err))
	}
}

// connected counts a connection.
func (t *tally) connected() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.connections++
}

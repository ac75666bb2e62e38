package load

import (
	"fmt"
	"sync"
	"time"
)

// Tally counts the requests of a load, which has ended.
type Tally struct {
	Served      int
	Failed      int
	Connections int
	Slowest     time.Duration
	Failures    []string // the first few, each with its time

	began time.Time
	mutex sync.Mutex
}

// maxFailures is how many failures are told in full.
const maxFailures = 5

func newTally() *Tally { return &Tally{began: time.Now()} }

// add counts a request: as served if err is nil.
func (t *Tally) add(took time.Duration, err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.Slowest = max(t.Slowest, took)
	if err == nil {
		t.Served++
		return
	}
	t.Failed++
	if len(t.Failures) < maxFailures {
		t.Failures = append(t.Failures, fmt.Sprintf("%.1f s after the start: %v", time.Since(t.began).Seconds(), err))
	}
}

// connected counts a connection.
func (t *Tally) connected() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.Connections++
}

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/sitectl/sitectl/lab/platform"
)

// progress writes a line for each finished step. Meanwhile, on a terminal, the
// last line shows what runs; elsewhere a line says so twice a minute.
type progress struct {
	out   io.Writer
	width int // of the terminal; 0 if it is none
	stop  chan struct{}
	ended sync.WaitGroup

	mu      sync.Mutex
	running []runningStep
}

type runningStep struct {
	name  string
	note  string // what it is doing just now
	since time.Time
}

func newProgress(out *os.File) *progress {
	p := &progress{out: out, stop: make(chan struct{})}
	interval := 30 * time.Second
	if width, _, err := term.GetSize(int(out.Fd())); err == nil && width > 0 {
		p.width, interval = width, 200*time.Millisecond
	}
	p.ended.Go(func() { p.repeat(interval) })
	return p
}

// close ends the live line.
func (p *progress) close() {
	close(p.stop)
	p.ended.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}

func (p *progress) repeat(interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.mu.Lock()
			p.erase()
			p.show()
			p.mu.Unlock()
		case <-p.stop:
			return
		}
	}
}

func (p *progress) Started(step string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = append(p.running, runningStep{name: step, since: time.Now()})
	if p.width > 0 {
		p.erase()
		p.show()
	}
}

func (p *progress) Note(step, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, r := range p.running {
		if r.name == step {
			p.running[i].note = text
		}
	}
}

func (p *progress) Finished(step, outcome string, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = slices.DeleteFunc(p.running, func(r runningStep) bool { return r.name == step })
	p.erase()
	fmt.Fprintf(p.out, "%-26s %7s  %s\n", step, platform.Elapsed(took), outcome)
	if p.width > 0 {
		p.show()
	}
}

func (p *progress) erase() {
	if p.width > 0 {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func (p *progress) show() {
	if len(p.running) == 0 {
		return
	}
	line := "waiting for " + describe(p.running, time.Now())
	if p.width == 0 {
		fmt.Fprintln(p.out, line)
		return
	}
	fmt.Fprint(p.out, line[:min(len(line), p.width-1)])
}

// describe names the steps with the time that each has taken so far.
func describe(steps []runningStep, now time.Time) string {
	var names []string
	for _, s := range steps {
		name := s.name
		if s.note != "" {
			name += ": " + s.note
		}
		names = append(names, fmt.Sprintf("%s (%s)", name, platform.Elapsed(now.Sub(s.since).Truncate(time.Second))))
	}
	return strings.Join(names, ", ")
}

package main

import (
	"os"
	"os/signal"
	"sync"

	"golang.org/x/term"
	"k8s.io/client-go/tools/remotecommand"
)

// terminalSizes tells the size of a terminal, and each change of it. It is a
// remotecommand.TerminalSizeQueue.
type terminalSizes struct {
	terminal *os.File
	changed  chan os.Signal
	stopped  chan struct{}
	told     bool
}

// watchSize returns the sizes of a terminal until stop is called.
func watchSize(terminal *os.File) (sizes *terminalSizes, stop func()) {
	s := &terminalSizes{terminal: terminal, changed: make(chan os.Signal, 1), stopped: make(chan struct{})}
	notifyResize(s.changed)
	return s, sync.OnceFunc(func() {
		signal.Stop(s.changed)
		close(s.stopped)
	})
}

// Next returns the size at first, then each time it has changed, and nil at
// the end.
func (s *terminalSizes) Next() *remotecommand.TerminalSize {
	if s.told {
		select {
		case <-s.changed:
		case <-s.stopped:
			return nil
		}
	}
	s.told = true
	width, height, err := term.GetSize(int(s.terminal.Fd()))
	if err != nil {
		return nil
	}
	return &remotecommand.TerminalSize{Width: uint16(width), Height: uint16(height)}
}

package main

import (
	"io"
	"os"
	"os/signal"
	"regexp"
	"sync"

	"golang.org/x/term"
	"k8s.io/client-go/tools/remotecommand"
)

// isTerminal says whether what is written there is shown at a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// terminalWidth returns the columns of a terminal; 80 if it does not say.
func terminalWidth(w io.Writer) int {
	if file, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

// colorless is a terminal of somebody who wants no colours. BuildKit decides
// on its own before the flags are read, and knows NO_COLOR only.
type colorless struct{ *os.File }

// selectGraphicRendition is the escape sequence for colours (ECMA-48: SGR).
var selectGraphicRendition = regexp.MustCompile(`\x1b\[[0-9;]*m`)

func (c colorless) Write(p []byte) (int, error) {
	if _, err := c.File.Write(selectGraphicRendition.ReplaceAll(p, nil)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// display is where BuildKit shows its progress.
func (o options) display() io.Writer {
	if file, ok := o.stderr.(*os.File); ok && o.color == "never" {
		return colorless{file}
	}
	return o.stderr
}

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

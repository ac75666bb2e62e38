package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// interruption is the cause of a context that a signal has cancelled.
type interruption struct {
	signal os.Signal
	at     time.Time
}

func (i *interruption) Error() string { return "cancelled by " + i.signal.String() }

// Is makes an interruption what any other end of a context is, too.
func (i *interruption) Is(target error) bool { return target == context.Canceled }

// untilInterrupted returns a context that SIGINT or SIGTERM cancels, with an
// *interruption as its cause. A second signal ends the process at once. The
// function it returns gives the signals back.
func untilInterrupted(parent context.Context, stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		first, open := <-signals
		if !open {
			return
		}
		_, _ = fmt.Fprintf(stderr, "\nsitectl: %s: stopping; once more to stop at once\n", first)
		cancel(&interruption{first, time.Now()})
		if _, open := <-signals; open {
			os.Exit(int(statusCancelled))
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}

// outliveReaders has the work go on when whoever read its output has gone
// away, as in "sitectl ship | head": half a ship is worse than a log that
// nobody reads. The runtime ends a process that writes to a broken pipe as
// standard output or standard error, unless the signal is ignored (os/signal,
// "SIGPIPE").
func outliveReaders() { signal.Ignore(syscall.SIGPIPE) }

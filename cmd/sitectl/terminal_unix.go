//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyResize tells of each change of the terminal's size.
func notifyResize(changed chan<- os.Signal) { signal.Notify(changed, syscall.SIGWINCH) }

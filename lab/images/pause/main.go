// Command pause holds the namespaces of a pod. It does nothing until it is
// told to stop, and reaps what is left of processes whose parent is gone: in a
// pod with a shared process namespace, it is their init.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	// One signal may stand for several children, so a full channel is no loss.
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	hold(stop, children)
}

// hold returns when it is told to stop.
func hold(stop, children <-chan os.Signal) {
	for {
		select {
		case <-stop:
			return
		case <-children:
			reap()
		}
	}
}

// reap waits for each child that has ended, and for none that has not.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 {
			return
		}
	}
}

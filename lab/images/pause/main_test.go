package main

import (
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReap(t *testing.T) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, nil)
	require.NoError(t, err)
	<-ended

	reap()
	_, err = syscall.Wait4(pid, nil, 0, nil)
	assert.Equal(t, syscall.ECHILD, err, "the child has been waited for")
}

func TestReapWaitsForNoneThatRuns(t *testing.T) {
	in, out, err := os.Pipe()
	require.NoError(t, err)
	defer in.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer null.Close()
	// cat ends at once if it has no standard output.
	files := []uintptr{in.Fd(), null.Fd(), null.Fd()}
	pid, err := syscall.ForkExec("/bin/cat", []string{"cat"}, &syscall.ProcAttr{Files: files})
	require.NoError(t, err)

	reap()
	require.NoError(t, out.Close())
	got, err := syscall.Wait4(pid, nil, 0, nil)
	require.NoError(t, err)
	assert.Equal(t, pid, got)
}

func TestHoldReapsUntilItIsToldToStop(t *testing.T) {
	stop, children := make(chan os.Signal), make(chan os.Signal)
	held := make(chan struct{})
	go func() {
		hold(stop, children)
		close(held)
	}()
	children <- syscall.SIGCHLD
	children <- syscall.SIGCHLD // it came back from the first
	stop <- syscall.SIGTERM
	<-held
}

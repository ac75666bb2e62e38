//go:build !unix

package main

import "os"

// notifyResize does nothing where no signal tells of it: the terminal keeps
// the size it has at first.
func notifyResize(chan<- os.Signal) {}

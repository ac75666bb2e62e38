package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// shipment is what `sitectl ship --output json` says, as far as it is needed.
type shipment struct {
	Outcome string `json:"outcome"`
	Image   struct {
		Tag string `json:"tag"`
	} `json:"image"`
	Build struct {
		Layers       int   `json:"layers"`       // of the image
		LayersPushed int   `json:"layersPushed"` // those that the image before it does not have
		BytesPushed  int64 `json:"bytesPushed"`  // their compressed size
	} `json:"build"`
	Steps []struct {
		Name    string  `json:"name"`
		Seconds float64 `json:"seconds"`
		Skipped string  `json:"skipped"`
	} `json:"steps"`
}

// seconds is how long a step took; 0 if there was nothing to do.
func (s shipment) seconds(name string) float64 {
	for _, step := range s.Steps {
		if step.Name == name {
			return step.Seconds
		}
	}
	return 0
}

// ship runs sitectl in the repository; its progress goes to standard error.
func ship(ctx context.Context, sitectl string, r repository) (shipment, error) {
	command := exec.CommandContext(ctx, sitectl, "ship", "--output", "json")
	command.Dir = string(r)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, os.Stderr
	// In a process group of its own it gets one signal from a Ctrl-C, ours,
	// and has the time to clean up.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = time.Minute
	if err := command.Run(); err != nil {
		return shipment{}, fmt.Errorf("sitectl ship: %w", err)
	}
	var s shipment
	if err := json.Unmarshal(output.Bytes(), &s); err != nil {
		return shipment{}, fmt.Errorf("sitectl ship: read its result: %w", err)
	}
	if s.Outcome != "shipped" {
		return shipment{}, fmt.Errorf("sitectl ship: the outcome is %q instead of %q", s.Outcome, "shipped")
	}
	return s, nil
}

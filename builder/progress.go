package builder

import (
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// steps follows a build and remembers enough to say how a step failed.
type steps struct {
	names  map[digest.Digest]string
	output map[digest.Digest][]byte // the end of what each step printed
	failed digest.Digest            // the first one that did
	reason string
}

// keptOutput is how much output of a step is remembered, in bytes.
const keptOutput = 16 << 10

// keptLines is how many lines of it an error shows.
const keptLines = 20

func newSteps() *steps {
	return &steps{names: map[digest.Digest]string{}, output: map[digest.Digest][]byte{}}
}

// record takes in one report of BuildKit.
func (s *steps) record(status *client.SolveStatus) {
	for _, step := range status.Vertexes {
		s.names[step.Digest] = step.Name
		// The steps beside the one that fails are cancelled, and a cache that
		// is not there yet fails nothing.
		cancelled := strings.Contains(step.Error, "context canceled") || strings.HasPrefix(step.Name, "importing cache manifest")
		if step.Error != "" && s.failed == "" && !cancelled {
			s.failed, s.reason = step.Digest, step.Error
		}
	}
	for _, log := range status.Logs {
		output := append(s.output[log.Vertex], log.Data...)
		s.output[log.Vertex] = output[max(0, len(output)-keptOutput):]
	}
}

// failure returns the step that failed, why, and the last lines it printed.
func (s *steps) failure() (name, reason string, log []string) {
	output := strings.TrimRight(string(s.output[s.failed]), "\r\n")
	if output != "" {
		log = strings.Split(output, "\n")
	}
	for i, line := range log {
		line = strings.TrimRight(line, "\r")
		log[i] = line[strings.LastIndex(line, "\r")+1:] // of a progress bar, its last state
	}
	return shorten(s.names[s.failed]), shortReason(s.reason), log[max(0, len(log)-keptLines):]
}

// shorten keeps a step's name on one line of a terminal; a RUN may be a
// script.
func shorten(name string) string {
	const width = 72
	name = strings.Join(strings.Fields(name), " ")
	if runes := []rune(name); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return name
}

// shortReason leaves out the command, which BuildKit repeats: `process
// "/bin/sh -c …" did not complete successfully: exit code: 1`.
func shortReason(reason string) string {
	const before = " did not complete successfully: "
	if i := strings.LastIndex(reason, before); i >= 0 {
		return reason[i+len(before):]
	}
	return reason
}

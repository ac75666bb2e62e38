package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/deployer"
)

// TestEvents shows each kind of event as machines get it.
func TestEvents(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out strings.Builder
	told := newEvents(func() time.Time { return at }, newEventWriter(&out).write)
	log := plainLog(&strings.Builder{})
	log.Now, log.Tell = func() time.Time { return at }, told.logged

	_, err := runSteps(t.Context(), log, []step{
		{name: "build", run: func(context.Context) error {
			told.built(builder.Vertex{ID: "sha256:1", Name: "[1/2] FROM <debian>", Started: &at})
			return nil
		}},
		{name: "backup", skip: func(context.Context) (string, error) { return "none", nil }},
		{name: "roll", run: func(context.Context) error {
			log.Line("web: 0 of 1 new pods available")
			_, _ = fmt.Fprintln(log.Quote(), "from a pod")
			told.rolled(deployer.Rollout{Deployment: "web", Replicas: 1, Pods: []deployer.Pod{
				{Name: "web-1", New: true, State: deployer.PodFailing, Reason: "CrashLoopBackOff", Restarts: 2, Created: at},
			}})
			return errors.New("broken")
		}},
	})
	require.Error(t, err)
	told.ended(result{Outcome: "failed"})

	const stamp = `{"at":"2026-01-02T03:04:05Z","event":`
	assert.Equal(t, []string{
		stamp + `"step-started","step":"build"}`,
		stamp + `"vertex","step":"build","vertex":{"id":"sha256:1","name":"[1/2] FROM <debian>","started":"2026-01-02T03:04:05Z"}}`,
		stamp + `"step-ended","step":"build","outcome":"done","seconds":0}`,
		stamp + `"step-skipped","step":"backup","reason":"none"}`,
		stamp + `"step-started","step":"roll"}`,
		stamp + `"line","step":"roll","line":"web: 0 of 1 new pods available"}`,
		stamp + `"log","step":"roll","line":"from a pod"}`,
		stamp + `"rollout","step":"roll","rollout":{"deployment":"web","replicas":1,"available":0,"pods":[` +
			`{"name":"web-1","new":true,"state":"failing","reason":"CrashLoopBackOff","restarts":2,"created":"2026-01-02T03:04:05Z"}]}}`,
		stamp + `"step-ended","step":"roll","outcome":"failed","seconds":0}`,
	}, strings.Split(out.String(), "\n")[:9])
	assert.True(t, strings.HasPrefix(strings.Split(out.String(), "\n")[9], stamp+`"result","result":{"outcome":"failed",`))
}

// TestEventsAfterTheirReaderHasGone is a pipe that was closed: the work goes
// on, and the first error is the one that is reported.
func TestEventsAfterTheirReaderHasGone(t *testing.T) {
	closed := errors.New("broken pipe")
	writer := newEventWriter(failingWriter{closed})
	told := newEvents(time.Now, writer.write)
	told.ended(result{})
	writer.encoder = nil // is not asked again
	told.ended(result{})
	require.ErrorIs(t, writer.err, closed)
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

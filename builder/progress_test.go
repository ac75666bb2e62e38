package builder

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func step(name, failure string) *client.SolveStatus {
	return &client.SolveStatus{Vertexes: []*client.Vertex{{Digest: digest.FromString(name), Name: name, Error: failure}}}
}

func output(name, text string) *client.SolveStatus {
	return &client.SolveStatus{Logs: []*client.VertexLog{{Vertex: digest.FromString(name), Data: []byte(text)}}}
}

func TestStepsRememberWhatFailed(t *testing.T) {
	run := "[2/3] RUN composer install"
	tests := map[string]struct {
		reports []*client.SolveStatus
		name    string
		reason  string
		log     []string
	}{
		"nothing failed": {
			reports: []*client.SolveStatus{step(run, ""), output(run, "fine\n")},
		},
		"a command": {
			reports: []*client.SolveStatus{
				step(run, ""), step("[1/3] FROM debian", ""), output("[1/3] FROM debian", "not of this step\n"),
				output(run, "Loading"), output(run, " packages\nProblem 1\r\n"),
				step(run, `process "/bin/sh -c composer install" did not complete successfully: exit code: 2`),
			},
			name: run, reason: "exit code: 2", log: []string{"Loading packages", "Problem 1"},
		},
		"its neighbours are cancelled": {
			reports: []*client.SolveStatus{step("[1/3] COPY", "context canceled"), step(run, "exit code: 1"), step("[3/3] X", "later")},
			name:    run, reason: "exit code: 1",
		},
		"a progress bar": {
			reports: []*client.SolveStatus{output(run, "10%\r50%\r100%\nfailed"), step(run, "exit code: 1")},
			name:    run, reason: "exit code: 1", log: []string{"100%", "failed"},
		},
		"a script of many lines": {
			reports: []*client.SolveStatus{step("[2/3] RUN set -eu;     "+strings.Repeat("echo x;  ", 100), "exit code: 1")},
			name:    "[2/3] RUN set -eu; " + strings.Repeat("echo x; ", 6) + "echo…", reason: "exit code: 1",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			steps := newSteps()
			for _, report := range test.reports {
				steps.record(report)
			}
			name, reason, log := steps.failure()
			assert.Equal(t, test.name, name)
			assert.Equal(t, test.reason, reason)
			assert.Equal(t, test.log, log)
		})
	}
}

func TestStepsRememberTheEndOfMuch(t *testing.T) {
	steps := newSteps()
	for i := range 10_000 {
		steps.record(output("run", fmt.Sprintf("line %d\n", i)))
	}
	steps.record(step("run", "exit code: 1"))
	assert.LessOrEqual(t, len(steps.output[digest.FromString("run")]), keptOutput)
	_, _, log := steps.failure()
	require.Len(t, log, keptLines)
	assert.Equal(t, "line 9999", log[keptLines-1])
	assert.Equal(t, "line 9980", log[0])
}

func TestBuildFailure(t *testing.T) {
	b := newBuilder(t, Options{})
	registry, err := b.repository(phpSite().Image)
	require.NoError(t, err)
	failed := newSteps()
	failed.record(output("[2/2] RUN make", "cc: not found\n"))
	failed.record(step("[2/2] RUN make", "exit code: 127"))

	t.Run("a step", func(t *testing.T) {
		err := solveFailure(t.Context(), "site", registry, failed, errors.New("failed to solve: exit code: 127"))
		var build *BuildError
		require.ErrorAs(t, err, &build)
		assert.Equal(t, "build step \"[2/2] RUN make\" failed: exit code: 127\n  cc: not found", err.Error())
	})
	t.Run("the push", func(t *testing.T) {
		push := newSteps()
		push.record(step("exporting to image", "failed to push registry.example.com/agency/example-com:1: unexpected status from PUT request to https://registry.example.com/v2/agency/example-com/blobs/uploads/1?_state=signed: 403 Forbidden"))
		err := solveFailure(t.Context(), "site", registry, push, errors.New("failed to solve: failed to push registry.example.com/agency/example-com:1: unexpected status from PUT request to https://registry.example.com/v2/agency/example-com/blobs/uploads/1?_state=signed: 403 Forbidden"))
		var refused *RegistryError
		require.ErrorAs(t, err, &refused)
		assert.ErrorContains(t, err, "403 Forbidden")
		assert.NotContains(t, err.Error(), "signed")
		assert.Contains(t, refused.Hint(), "docker login registry.example.com")
	})
	t.Run("no step", func(t *testing.T) {
		err := solveFailure(t.Context(), "site", registry, newSteps(), errors.New("failed to solve: dockerfile parse error on line 1"))
		var build *BuildError
		require.ErrorAs(t, err, &build)
		assert.ErrorContains(t, err, "dockerfile parse error on line 1")
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := errors.New("stopped by a person")
		cancel(stopped)
		err := solveFailure(ctx, "site", registry, failed, errors.New("rpc error: code = Canceled"))
		require.ErrorIs(t, err, stopped)
		var build *BuildError
		assert.NotErrorAs(t, err, &build)
	})
}

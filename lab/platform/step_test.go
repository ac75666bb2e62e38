package platform

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// journal is a Progress that remembers.
type journal struct {
	mu       sync.Mutex
	started  []string
	finished []string
}

func (j *journal) Started(step string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.started = append(j.started, step)
}

func (j *journal) Note(string, string) {}

func (j *journal) Finished(step, outcome string, _ time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.finished = append(j.finished, step+" "+outcome)
}

func succeeds(context.Context) (string, error) { return "done", nil }

func TestStepsRunAfterWhatTheyNeed(t *testing.T) {
	var progress journal
	err := runSteps(t.Context(), []step{
		{name: "c", needs: []string{"a", "b"}, run: succeeds},
		{name: "b", needs: []string{"a"}, run: succeeds},
		{name: "a", run: succeeds},
	}, &progress)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c"}, progress.started)
	assert.Equal(t, []string{"a done", "b done", "c done"}, progress.finished)
}

func TestAFailedStepCancelsTheOthers(t *testing.T) {
	var progress journal
	broken := errors.New("broken")
	err := runSteps(t.Context(), []step{
		{name: "a", run: func(context.Context) (string, error) { return "", broken }},
		{name: "b", needs: []string{"a"}, run: succeeds},
		{name: "c", run: func(ctx context.Context) (string, error) { <-ctx.Done(); return "", context.Cause(ctx) }},
	}, &progress)
	assert.ErrorIs(t, err, broken)
	assert.Empty(t, progress.finished)
	assert.NotContains(t, progress.started, "b")
}

func TestAStepThatIsMissingIsAnError(t *testing.T) {
	err := runSteps(t.Context(), []step{{name: "a", needs: []string{"z"}, run: succeeds}}, &journal{})
	assert.ErrorContains(t, err, `step "a" needs "z"`)
}

// A cycle would hang, and a missing name is an error only at run time.
func TestStepsOfUpCanRun(t *testing.T) {
	lab, err := New("..")
	require.NoError(t, err)
	steps := lab.steps("/self", map[string]string{}, &journal{})
	for i := range steps {
		steps[i].run = succeeds
	}
	var progress journal
	require.NoError(t, runSteps(t.Context(), steps, &progress))
	assert.Len(t, progress.finished, len(steps))
}

func TestElapsed(t *testing.T) {
	assert.Equal(t, "0.3s", Elapsed(310*time.Millisecond))
	assert.Equal(t, "5m08s", Elapsed(5*time.Minute+8*time.Second+900*time.Millisecond))
}

package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/ci"
)

func TestRunSteps(t *testing.T) {
	broken := errors.New("broken")
	var ran []string
	do := func(name string, err error) step {
		return step{name: name, run: func(context.Context) error {
			ran = append(ran, name)
			return err
		}}
	}
	skip := func(name, reason string, err error) step {
		s := do(name, nil)
		s.skip = func(context.Context) (string, error) { return reason, err }
		return s
	}
	for name, test := range map[string]struct {
		steps []step
		ran   []string
		want  []stepReport
		err   error
	}{
		"all in order": {
			steps: []step{do("build", nil), do("roll", nil)},
			ran:   []string{"build", "roll"},
			want:  []stepReport{{Name: "build", Seconds: 1}, {Name: "roll", Seconds: 1}},
		},
		"a step with nothing to do": {
			steps: []step{skip("build", "it is there", nil), skip("roll", "", nil)},
			ran:   []string{"roll"},
			want:  []stepReport{{Name: "build", Skipped: "it is there"}, {Name: "roll", Seconds: 1}},
		},
		"the first failure ends it": {
			steps: []step{do("build", broken), do("roll", nil)},
			ran:   []string{"build"},
			want:  []stepReport{{Name: "build", Seconds: 1, Failed: true}},
			err:   broken,
		},
		"not knowing whether to skip is a failure": {
			steps: []step{skip("build", "", broken), do("roll", nil)},
			want:  []stepReport{{Name: "build", Failed: true}},
			err:   broken,
		},
	} {
		t.Run(name, func(t *testing.T) {
			ran = nil
			reports, err := runSteps(t.Context(), plainLog(&strings.Builder{}), test.steps)
			require.ErrorIs(t, err, test.err)
			assert.Equal(t, test.ran, ran)
			assert.Equal(t, test.want, reports)
		})
	}
}

func TestRunStepsStopsBetweenStepsWhenCancelled(t *testing.T) {
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	steps := []step{
		{name: "build", run: func(context.Context) error { cancel(why); return nil }},
		{name: "roll", run: func(context.Context) error { panic("must not run") }, stopped: "nothing has changed"},
	}
	reports, err := runSteps(ctx, plainLog(&strings.Builder{}), steps)
	require.ErrorIs(t, err, why)
	var failed *stepError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, "nothing has changed", failed.step.stopped)
	assert.Equal(t, []stepReport{{Name: "build", Seconds: 1}, {Name: "roll", Failed: true}}, reports)
}

// plainLog has a clock that goes on by a second each time it is asked.
func plainLog(out *strings.Builder) *ci.Log {
	now := time.Unix(1700000000, 0)
	return &ci.Log{Platform: ci.Plain, Out: out, Now: func() time.Time {
		now = now.Add(time.Second)
		return now
	}}
}

package ci_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/ci"
)

func TestDetect(t *testing.T) {
	for name, test := range map[string]struct {
		environment map[string]string
		terminal    bool
		want        ci.Platform
	}{
		"GitLab":                       {map[string]string{"GITLAB_CI": "true", "CI": "true"}, false, ci.GitLab},
		"GitHub":                       {map[string]string{"GITHUB_ACTIONS": "true", "CI": "true"}, false, ci.GitHub},
		"terminal":                     {nil, true, ci.Terminal},
		"pipe":                         {nil, false, ci.Plain},
		"another CI":                   {map[string]string{"CI": "true"}, false, ci.Plain},
		"a CI job with a pseudo tty":   {map[string]string{"GITLAB_CI": "true"}, true, ci.GitLab},
		"a variable that says nothing": {map[string]string{"GITLAB_CI": ""}, true, ci.Terminal},
	} {
		t.Run(name, func(t *testing.T) {
			getenv := func(key string) string { return test.environment[key] }
			assert.Equal(t, test.want, ci.Detect(getenv, test.terminal))
		})
	}
}

func TestJob(t *testing.T) {
	for name, test := range map[string]struct {
		environment map[string]string
		want        string
	}{
		"GitLab": {map[string]string{
			"GITLAB_CI": "true", "CI_JOB_URL": "https://gitlab.example.com/agency/site/-/jobs/7",
		}, "https://gitlab.example.com/agency/site/-/jobs/7"},
		"GitHub": {map[string]string{
			"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com",
			"GITHUB_REPOSITORY": "agency/site", "GITHUB_RUN_ID": "7",
		}, "https://github.com/agency/site/actions/runs/7"},
		"laptop": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, ci.Job(func(key string) string { return test.environment[key] }))
		})
	}
}

func TestSection(t *testing.T) {
	for name, test := range map[string]struct {
		platform ci.Platform
		color    bool
		want     string
	}{
		"GitLab": {ci.GitLab, false, "\x1b[0Ksection_start:1700000000:build\r\x1b[0K==> build\n    a line\n" +
			"\x1b[0Ksection_end:1700000012:build\r\x1b[0K\n    build: 12.0 s\n"},
		"GitHub":               {ci.GitHub, false, "::group::build\n    a line\n::endgroup::\n    build: 12.0 s\n"},
		"terminal":             {ci.Terminal, false, "==> build\n    a line\n    build: 12.0 s\n"},
		"terminal with colour": {ci.Terminal, true, "\x1b[1m==> build\x1b[0m\n    a line\n    build: 12.0 s\n"},
		"plain":                {ci.Plain, false, "==> build\n    a line\n    build: 12.0 s\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			log := &ci.Log{Platform: test.platform, Color: test.color, Out: &out, Now: clock()}
			took, err := log.Section("build", func() error {
				log.Line("a line")
				return nil
			})
			require.NoError(t, err)
			assert.Equal(t, 12*time.Second, took)
			assert.Equal(t, test.want, out.String())
		})
	}
}

func TestSectionThatFailsIsClosedAndSaysSo(t *testing.T) {
	for outcome, cause := range map[string]error{
		"failed":    errors.New("broken"),
		"cancelled": fmt.Errorf("read pods: %w", context.Canceled),
	} {
		var out strings.Builder
		log := &ci.Log{Platform: ci.GitHub, Out: &out, Now: clock()}
		_, err := log.Section("roll", func() error { return cause })
		require.ErrorIs(t, err, cause)
		assert.Equal(t, "::group::roll\n::endgroup::\n    roll "+outcome+": 12.0 s\n", out.String())
	}
}

func TestSkipped(t *testing.T) {
	var out strings.Builder
	log := &ci.Log{Platform: ci.Plain, Out: &out, Now: clock()}
	log.Skipped("build", "the image is already in the registry")
	assert.Equal(t, "==> build skipped: the image is already in the registry\n", out.String())
}

func TestQuoteTakesTheMeaningOutOfOthersWords(t *testing.T) {
	var out strings.Builder
	log := &ci.Log{Platform: ci.GitHub, Out: &out, Now: clock()}
	w := log.Quote()
	for _, part := range []string{"one\ntw", "o\n", "::add-mask::x\n", "\x1b[31mred\x1b[0m\ttab\r\n", "unfinished"} {
		n, err := fmt.Fprint(w, part)
		require.NoError(t, err)
		assert.Equal(t, len(part), n)
	}
	assert.Equal(t, "    | one\n    | two\n    | ::add-mask::x\n    | [31mred[0m\ttab\n", out.String())
}

func TestLogTellsWhatItPrints(t *testing.T) {
	at := func(clock int64) time.Time { return time.Unix(1700000000+12*clock, 0) }
	broken := errors.New("broken")
	var told []ci.Entry
	log := &ci.Log{Platform: ci.GitHub, Out: &strings.Builder{}, Now: clock(), Tell: func(e ci.Entry) { told = append(told, e) }}
	log.Skipped("build", "it is there")
	_, err := log.Section("migrate", func() error {
		log.Line("a line")
		_, err := fmt.Fprint(log.Quote(), "::warning::no\nunfinished")
		require.NoError(t, err)
		return broken
	})
	require.ErrorIs(t, err, broken)
	log.Line("the end")
	assert.Equal(t, []ci.Entry{
		{Kind: ci.SectionSkipped, Section: "build", Text: "it is there", At: at(0)},
		{Kind: ci.SectionStarted, Section: "migrate", At: at(1)},
		{Kind: ci.LineSaid, Section: "migrate", Text: "a line", At: at(2)},
		{Kind: ci.LineQuoted, Section: "migrate", Text: "::warning::no", At: at(3)},
		{Kind: ci.SectionEnded, Section: "migrate", At: at(4), Took: 36 * time.Second, Err: broken},
		{Kind: ci.LineSaid, Text: "the end", At: at(5)},
	}, told)
}

// clock goes on by twelve seconds each time it is asked.
func clock() func() time.Time {
	now := time.Unix(1700000000-12, 0)
	return func() time.Time {
		now = now.Add(12 * time.Second)
		return now
	}
}

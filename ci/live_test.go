package ci_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/sitectl/sitectl/ci"
)

func TestLive(t *testing.T) {
	var out strings.Builder
	log := &ci.Log{Platform: ci.Terminal, Out: &out, Now: clock(), Width: func() int { return 11 }}
	log.Live([]string{"pod one", "\x1b[32mpod two is long\x1b[0m"})
	log.Line("news")
	log.Live([]string{"pod three"})
	log.Settle()
	log.Line("the end")
	const clear = "\x1b[2A\x1b[J"
	assert.Equal(t, "pod one\n\x1b[32mpod two is\x1b[0m\x1b[0m\n"+
		clear+"    news\npod one\n\x1b[32mpod two is\x1b[0m\x1b[0m\n"+
		clear+"pod three\n"+
		"    the end\n", out.String())
}

func TestLiveWithoutATerminal(t *testing.T) {
	for name, log := range map[string]*ci.Log{
		"a pipe":                         {Platform: ci.Plain, Width: func() int { return 80 }},
		"a job":                          {Platform: ci.GitLab, Width: func() int { return 80 }},
		"a terminal with plain progress": {Platform: ci.Terminal},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			log.Out, log.Now = &out, clock()
			log.Live([]string{"pod"})
			log.Line("news")
			log.Settle()
			assert.Equal(t, "    news\n", out.String())
		})
	}
}

func TestColors(t *testing.T) {
	for name, test := range map[string]struct {
		choice      string
		environment map[string]string
		terminal    bool
		want        bool
	}{
		"a terminal":                    {"auto", nil, true, true},
		"a pipe":                        {"auto", nil, false, false},
		"a person who wants none":       {"auto", map[string]string{"NO_COLOR": "1"}, true, false},
		"NO_COLOR that is empty":        {"auto", map[string]string{"NO_COLOR": ""}, true, true},
		"a terminal that has none":      {"auto", map[string]string{"TERM": "dumb"}, true, false},
		"always, into a pipe":           {"always", nil, false, true},
		"always wins over NO_COLOR":     {"always", map[string]string{"NO_COLOR": "1"}, true, true},
		"never, at a terminal that has": {"never", nil, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			getenv := func(name string) string { return test.environment[name] }
			assert.Equal(t, test.want, ci.Colors(test.choice, getenv, test.terminal))
		})
	}
}

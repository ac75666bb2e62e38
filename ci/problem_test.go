package ci_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/sitectl/sitectl/ci"
)

func TestAnnotate(t *testing.T) {
	file, err := filepath.Abs("site.yaml")
	assert.NoError(t, err)
	workspace := filepath.Dir(filepath.Dir(file))
	here := filepath.Base(filepath.Dir(file))
	for name, test := range map[string]struct {
		problem        ci.Problem
		people, github string
	}{
		"a line": {
			ci.Problem{Title: "sitectl", Message: "broken"},
			"sitectl: broken\n",
			"::error title=sitectl::broken\n",
		},
		"lines and a hint": {
			ci.Problem{Title: "sitectl: roll", Message: "broken\npod: 100%", Hint: "mend it"},
			"sitectl: broken\n  pod: 100%\n  hint: mend it\n",
			"::error title=sitectl%3A roll::broken%0A  pod: 100%25%0A  hint: mend it\n",
		},
		"a place in a file": {
			ci.Problem{Title: "sitectl", Message: "unknown key", File: "site.yaml", Line: 3, Column: 5},
			"sitectl: unknown key\n",
			"::error title=sitectl,file=" + here + "/site.yaml,line=3,col=5::unknown key\n",
		},
		"a file of somewhere else": {
			ci.Problem{Title: "sitectl", Message: "unknown key", File: "/elsewhere/site.yaml"},
			"sitectl: unknown key\n",
			"::error title=sitectl,file=/elsewhere/site.yaml::unknown key\n",
		},
		"words that want to be a command": {
			ci.Problem{Title: "a::b,c\r\n", Message: "no\r::warning::x\n::add-mask::y", File: "a,b:c\n"},
			"sitectl: no::warning::x\n  ::add-mask::y\n",
			"::error title=a%3A%3Ab%2Cc,file=" + here + "/a%2Cb%3Ac::no::warning::x%0A  ::add-mask::y\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			getenv := func(name string) string { return map[string]string{"GITHUB_WORKSPACE": workspace}[name] }
			for platform, want := range map[ci.Platform]string{
				ci.GitHub: test.github, ci.GitLab: test.people, ci.Terminal: test.people, ci.Plain: test.people,
			} {
				var out strings.Builder
				platform.Annotate(&out, test.problem, getenv)
				assert.Equal(t, want, out.String(), platform)
			}
		})
	}
}

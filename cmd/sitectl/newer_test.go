package main

import (
	"bytes"
	"flag"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

func TestRefuseOlder(t *testing.T) {
	dir := t.TempDir()
	git := func(arguments ...string) string {
		command := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=Ada", "-c", "user.email=ada@example.com"}, arguments...)...)
		out, err := command.CombinedOutput()
		require.NoError(t, err, string(out))
		return strings.TrimSpace(string(out))
	}
	commit := func(subject string) site.Commit {
		git("commit", "-q", "--allow-empty", "-m", subject)
		return site.Commit{SHA: git("rev-parse", "HEAD"), Tag: git("rev-parse", "--short", "HEAD"), Subject: subject}
	}
	git("init", "-q", "-b", "main")
	first := commit("first")
	second := commit("second")
	git("checkout", "-q", "-b", "other", first.SHA)
	other := commit("other")
	repository, err := site.OpenRepository(t.Context(), dir)
	require.NoError(t, err)

	unknown := site.Commit{SHA: strings.Repeat("0", 40), Tag: "0000000"}
	for name, test := range map[string]struct {
		commit, running site.Commit
		flag            string
		refused         bool
		says            string
	}{
		"older":               {commit: first, running: second, refused: true},
		"older, and meant":    {commit: first, running: second, flag: "--allow-older"},
		"newer":               {commit: second, running: first},
		"the same":            {commit: second, running: second},
		"of another branch":   {commit: second, running: other, says: "of another branch"},
		"not in a deep clone": {commit: second, running: unknown, says: "this clone does not have"},
	} {
		t.Run(name, func(t *testing.T) {
			flags := flag.NewFlagSet("ship", flag.ContinueOnError)
			require.NoError(t, allowOlderFlag().Apply(flags))
			if test.flag != "" {
				require.NoError(t, flags.Parse([]string{test.flag}))
			}
			var stderr bytes.Buffer
			s := newShipment(options{own: cli.NewContext(nil, flags, nil), stderr: &stderr}, "shipped")
			s.source = source{repository: repository, commit: test.commit}
			err := s.refuseOlder(t.Context(), &deployer.Release{Commit: test.running, By: "grace@ship"})
			assert.Contains(t, stderr.String(), test.says)
			if !test.refused {
				require.NoError(t, err)
				return
			}
			assert.Equal(t, statusLocked, exitStatus(t.Context(), err))
			assert.ErrorContains(t, err, `a newer release is already out: `+second.Tag+` "second"`)
			assert.Contains(t, hint(err), "--allow-older")
		})
	}
	s := newShipment(options{}, "shipped")
	assert.NoError(t, s.refuseOlder(t.Context(), nil), "nothing is running")
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

func TestExitStatus(t *testing.T) {
	var (
		build    = &builder.BuildError{Err: errors.New("exit code: 1")}
		registry = &builder.RegistryError{Err: errors.New("denied")}
		cluster  = &deployer.UnreachableError{Server: "https://127.0.0.1:1", Err: errors.New("refused")}
	)
	for name, test := range map[string]struct {
		err  error
		want status
	}{
		"no error":                    {nil, statusDone},
		"any error":                   {io.ErrUnexpectedEOF, statusFailed},
		"wrong flag":                  {&usageError{message: "unknown flag"}, statusUsage},
		"bad site file":               {site.Problems{{File: "site.yaml"}}, statusUsage},
		"dirty tree":                  {&site.DirtyError{}, statusUsage},
		"not a repository":            {&site.RepositoryError{Err: site.ErrNotRepository}, statusUsage},
		"build":                       {build, statusBuild},
		"registry":                    {registry, statusRegistry},
		"no image to deploy":          {&missingImageError{}, statusRegistry},
		"migration":                   {&deployer.MigrationError{}, statusMigration},
		"backup":                      {&deployer.BackupError{}, statusMigration},
		"cron":                        {&deployer.CronError{}, statusMigration},
		"rollout":                     {&deployer.RolloutError{}, statusRollout},
		"locked":                      {&deployer.LockedError{}, statusLocked},
		"older than what is running":  {errors.Join(&deployer.PreflightError{}, &newerError{}), statusLocked},
		"a lock that was lost":        {&deployer.LockLostError{Err: io.ErrUnexpectedEOF}, statusFailed},
		"verification":                {&deployer.VerifyError{}, statusRollout},
		"no such release":             {&deployer.NoReleaseError{}, statusUsage},
		"cluster":                     {cluster, statusFailed},
		"wrapped":                     {fmt.Errorf("ship: %w", &stepError{err: registry}), statusRegistry},
		"the earliest of several":     {errors.Join(cluster, registry, build), statusBuild},
		"a context that nobody ended": {context.DeadlineExceeded, statusFailed},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, exitStatus(t.Context(), test.err)) })
	}
}

func TestInterruption(t *testing.T) {
	var stderr bytes.Buffer
	ctx, stop := untilInterrupted(t.Context(), &stderr)
	defer stop()
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGINT))
	<-ctx.Done()

	// Whatever the work makes of it, a package that lost the cause included.
	err := &stepError{
		step: step{name: "roll", stopped: "The site serves."},
		err:  &deployer.RolloutError{Reason: "context canceled"},
	}
	assert.Equal(t, statusCancelled, exitStatus(ctx, err))
	assert.Equal(t, statusDone, exitStatus(ctx, nil), "what was done in time is done")

	stderr.Reset()
	reportFailure(ctx, &stderr, nil, err)
	assert.Equal(t, `sitectl: cancelled by interrupt in step roll
  The site serves.
  The next ship of this commit finishes it, as does sitectl recover; the next ship of another one takes its place.
`, stderr.String())
}

func TestReportFailure(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"nothing": {nil, ""},
		"one with a hint": {
			&missingImageError{"registry.example.com/site:1a2b3c4"},
			"sitectl: registry.example.com/site:1a2b3c4 is not in the registry\n  hint: build it: sitectl build\n",
		},
		"all that is wrong, each once": {
			errors.Join(
				site.Problems{
					{File: "site.yaml", Line: 2, Column: 1, Key: "a", Message: "unknown key"},
					{File: "site.yaml", Line: 3, Column: 1, Key: "b", Message: "unknown key"},
				},
				errors.New("one"), errors.New("one"),
				&deployer.PreflightError{Findings: []deployer.Finding{{About: "Secret smtp", Message: "missing", Hint: "make it"}}},
			),
			"sitectl: site.yaml:2:1: a: unknown key\nsitectl: site.yaml:3:1: b: unknown key\n" +
				"sitectl: one\nsitectl: Secret smtp: missing\n  hint: make it\n",
		},
		"an error that wraps two stays whole": {
			fmt.Errorf("write %w: %w", errors.New("one"), errors.New("two")), "sitectl: write one: two\n",
		},
		"words of others": {
			&stepError{step: step{failed: "Nothing was deployed."}, err: errors.New("exit code: 1\n  \x1b[2Jlast line\r\n")},
			"sitectl: exit code: 1\n    [2Jlast line\nNothing was deployed.\n",
		},
		"what became of the site": {
			&stepError{step: step{failed: "The site was not put back:\n  forward: sitectl ship"}, err: errors.New("it crashes")},
			"sitectl: it crashes\nThe site was not put back:\n  forward: sitectl ship\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			reportFailure(t.Context(), &stderr, nil, test.err)
			assert.Equal(t, test.want, stderr.String())
		})
	}
}

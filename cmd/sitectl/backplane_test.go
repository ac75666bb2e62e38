package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/deployer"
)

func TestLogLine(t *testing.T) {
	assert.Equal(t, "web-1 | a line\n", logLine(deployer.LogLine{Pod: "web-1", Container: "web", Main: true, Text: "a line"}))
	assert.Equal(t, "web-1/varnish | a line\n", logLine(deployer.LogLine{Pod: "web-1", Container: "varnish", Text: "a line"}))
	assert.NotContains(t, logLine(deployer.LogLine{Pod: "web-1", Main: true, Text: "\x1b[2J"}), "\x1b")
}

func TestBackupsText(t *testing.T) {
	assert.Equal(t, "there is no backup\n", backupsText(nil))
	text := backupsText([]deployer.Backup{{Name: "20260102-030405-a1b2c3d", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local), Release: "a1b2c3d", Bytes: 2_500_000}})
	assert.Equal(t, "BACKUP                   MADE                 RELEASE  SIZE\n"+
		"20260102-030405-a1b2c3d  2026-01-02 03:04:05  a1b2c3d  2.5 MB\n", text)
}

func TestCronText(t *testing.T) {
	assert.Equal(t, "the site has no CronJob that runs\n", cronText(nil))
	text := cronText([]deployer.CronStatus{
		{Name: "hourly", Schedule: "7 * * * *", Active: 1},
		{Name: "nightly", Schedule: "0 3 * * *", Suspended: true, Paused: true},
	})
	assert.Equal(t, "CRON     SCHEDULE   SUSPENDED  RUNNING  LAST START  LAST SUCCESS\n"+
		"hourly   7 * * * *  false      1                    \n"+
		"nightly  0 3 * * *  by a ship  0                    \n", text)
}

// The exit status of a command in the cluster is passed on.
func TestExitStatusOfACommand(t *testing.T) {
	failed := &deployer.CommandError{JobError: deployer.JobError{ExitCode: 42}}
	assert.Equal(t, status(42), exitStatus(t.Context(), failed))
	assert.Equal(t, statusFailed, exitStatus(t.Context(), &deployer.CommandError{}), "it never ran")
	assert.Equal(t, status(3), exitStatus(t.Context(), &deployer.ExitError{Code: 3}))
}

func TestBackplaneUsage(t *testing.T) {
	for _, test := range []struct {
		says      string
		arguments []string
	}{
		{"run takes a command", []string{"run"}},
		{"--timeout cannot be 0s", []string{"run", "--timeout", "0s", "true"}},
		{"--since cannot be -1m", []string{"logs", "--since", "-1m"}},
		{"cron run takes the name", []string{"cron", "run"}},
		{"cron suspend takes the name", []string{"cron", "suspend", "a", "b"}},
		{"restore-db takes the name", []string{"restore-db"}},
		{`unknown command "rnu"`, []string{"cron", "rnu"}},
	} {
		var stderr bytes.Buffer
		assert.Equal(t, int(statusUsage), run(append([]string{"sitectl"}, test.arguments...), &bytes.Buffer{}, &stderr), test.arguments)
		assert.Contains(t, stderr.String(), test.says)
	}
}

// -f is --follow after logs, and --file everywhere else.
func TestShortFlagOfLogs(t *testing.T) {
	command := logsCommand()
	require.NotNil(t, flagNamed(command.Flags, "file"))
	assert.Equal(t, []string{"follow", "f"}, flagNamed(command.Flags, "f").Names())
	assert.Equal(t, []string{"file", "f"}, flagNamed(runCommand().Flags, "f").Names())
}

package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

func TestHistoryText(t *testing.T) {
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.Local)
	releases := []deployer.Release{
		{Number: 4, Commit: site.Commit{Tag: "1a2b3c4", Subject: "Greet"}, At: at, By: "ada@laptop", Outcome: deployer.Shipped, Back: 2},
		{Number: 3, Commit: site.Commit{Tag: "2b3c4d5", Subject: "Crash"}, At: at, By: "ada@laptop", Outcome: deployer.Failed, Migrated: true, Message: "roll out Deployment web: CrashLoopBackOff"},
		{Number: 2, Commit: site.Commit{Tag: "1a2b3c4", Subject: "Greet"}, At: at, By: "ada@laptop", Outcome: deployer.Shipped, Migrated: true, Reversible: true},
	}
	assert.Equal(t, `RELEASE  COMMIT   OUTCOME  WHEN                 BY          MIGRATED    ABOUT
4        1a2b3c4  shipped  2026-01-02 15:04:05  ada@laptop              back to release 2: Greet
3        2b3c4d5  failed   2026-01-02 15:04:05  ada@laptop  yes         roll out Deployment web: CrashLoopBackOff
2        1a2b3c4  shipped  2026-01-02 15:04:05  ada@laptop  reversible  Greet
`, historyText(releases))
	assert.Equal(t, "nothing was shipped yet\n", historyText(nil))
}

func TestCommandLine(t *testing.T) {
	assert.Equal(t, "sitectl ship", options{file: "site.yaml"}.commandLine("ship"))
	o := options{file: "site/site.yaml", environment: "staging", context: "unstable"}
	assert.Equal(t, "sitectl rollback --file site/site.yaml --environment staging --context unstable --keep-database 4",
		o.commandLine("rollback", "--keep-database", "4"))
}

package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// lockWaitFlag is for commands that take the lock of the site.
func lockWaitFlag() cli.Flag {
	return &cli.DurationFlag{
		Name: "lock-wait", DefaultText: "not at all", EnvVars: []string{"SITECTL_LOCK_WAIT"},
		Usage: "how long to wait for whoever holds the lock of the site and lives: 10m",
	}
}

// claim is what a command takes the lock of the site for.
func (o options) claim(commit site.Commit) deployer.Claim {
	return deployer.Claim{Doing: o.own.Command.Name, Commit: commit, Wait: o.own.Duration("lock-wait")}
}

func unlockCommand() *cli.Command {
	return page{
		name:  "unlock",
		usage: "free the lock of a ship that is dead",
		description: "A ship holds the lock of its site and renews it every ten seconds. What is killed does not: the next " +
			"ship sees so within 30 seconds, takes the lock over and finishes the work, so that there is seldom a need " +
			"for this command. It frees the lock of a holder that it has seen to be dead, and no other without --force. " +
			"A ship that lives and loses its lock stops.",
		examples: `
			sitectl unlock
			sitectl unlock --force           # from one that hangs, or that must not go on
			sitectl unlock --output json | jq .freed.by
		`,
		own:      []cli.Flag{&cli.BoolFlag{Name: "force", DisableDefaultText: true, Usage: "free the lock even if its holder lives"}},
		flags:    []string{"file", "environment", "kubeconfig", "context", "progress", "output"},
		statuses: []status{statusDone, statusFailed, statusUsage, statusLocked, statusCancelled},
	}.command(runUnlock)
}

// unlockResult is what unlock prints with --output json.
type unlockResult struct {
	Freed *deployer.Holder `json:"freed"` // who held the lock; null if nobody did
}

func runUnlock(ctx context.Context, o options) error {
	d, s, err := o.backplane()
	if err != nil {
		return err
	}
	holder, err := d.Unlock(ctx, o.own.Bool("force"))
	if err != nil {
		return err
	}
	if o.output == "json" {
		return writeJSON(o.stdout, unlockResult{Freed: holder})
	}
	if holder == nil {
		return write(o.stdout, s.Namespace+" is not locked\n")
	}
	return write(o.stdout, s.Namespace+" was locked by "+holder.String()+", and is not any more\n")
}

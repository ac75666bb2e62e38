package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/lab/platform"
)

func upCommand() *cli.Command {
	return &cli.Command{
		Name:  "up",
		Usage: "start the lab, or whatever of it does not run",
		UsageText: `lab up

Installs missing Debian packages, builds missing programs, starts what does not
run and waits until all of it answers. What runs is left alone, so it can be
repeated; after a crash it cleans up and keeps the cluster's state.

   sudo lab up`,
		Before: noArguments,
		Action: withProgress("start the lab", (*platform.Lab).Up, "The lab is up after %s. To use it: eval \"$(lab env)\"\n"),
	}
}

// withProgress runs what takes its time, shows how far it is, and says in the
// end how long it took.
func withProgress(doing string, run func(*platform.Lab, context.Context, platform.Progress) error, done string) cli.ActionFunc {
	return func(c *cli.Context) error {
		lab, err := open(c)
		if err != nil {
			return err
		}
		began := time.Now()
		progress := newProgress(os.Stderr)
		err = run(lab, c.Context, progress)
		progress.close()
		if err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		fmt.Fprintf(os.Stderr, done, platform.Elapsed(time.Since(began)))
		return nil
	}
}

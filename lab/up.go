package main

import (
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
		Action: func(c *cli.Context) error {
			lab, err := open(c)
			if err != nil {
				return err
			}
			began := time.Now()
			progress := newProgress(os.Stderr)
			err = lab.Up(c.Context, progress)
			progress.close()
			if err != nil {
				return fmt.Errorf("start the lab: %w", err)
			}
			fmt.Fprintf(os.Stderr, "The lab is up after %s. To use it: eval \"$(lab env)\"\n", platform.Elapsed(time.Since(began)))
			return nil
		},
	}
}

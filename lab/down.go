package main

import (
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/lab/platform"
)

func downCommand() *cli.Command {
	return &cli.Command{
		Name:  "down",
		Usage: "end the lab and remove everything of it but the cache",
		UsageText: `lab down

Ends the lab's processes and removes its containers, volumes, images, mounts,
networks and files. Built programs and images stay in the cache.

   sudo lab down`,
		Before: noArguments,
		Action: func(c *cli.Context) error {
			lab, err := open(c)
			if err != nil {
				return err
			}
			began := time.Now()
			progress := newProgress(os.Stderr)
			err = lab.Down(c.Context, progress)
			progress.close()
			if err != nil {
				return fmt.Errorf("end the lab: %w", err)
			}
			fmt.Fprintf(os.Stderr, "The lab is down after %s.\n", platform.Elapsed(time.Since(began)))
			return nil
		},
	}
}

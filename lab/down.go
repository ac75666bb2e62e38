package main

import (
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
		Action: withProgress("end the lab", (*platform.Lab).Down, "The lab is down after %s.\n"),
	}
}

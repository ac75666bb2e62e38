package main

import (
	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/lab/provisioner"
)

// provisionerCommand is what `lab up` starts as one of the parts.
func provisionerCommand() *cli.Command {
	return &cli.Command{
		Name:   "provisioner",
		Hidden: true,
		Usage:  "provision volumes as folders of this machine, until stopped",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "kubeconfig", Required: true},
			&cli.StringFlag{Name: "folder", Required: true},
		},
		Before: noArguments,
		Action: func(c *cli.Context) error {
			return provisioner.Run(c.Context, c.String("kubeconfig"), c.String("folder"))
		},
	}
}

package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"
)

func programCommand() *cli.Command {
	return &cli.Command{
		Name:      "program",
		Usage:     "print where a program is that the lab is made of, or that is used with it",
		ArgsUsage: "NAME",
		UsageText: `lab program NAME

Those that the lab itself does not need, act, kubectl and rclone, are built unless they are there.

   $(lab program kubectl) get nodes`,
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return errors.New("name one program")
			}
			lab, err := open(c)
			if err != nil {
				return err
			}
			path, err := lab.Program(c.Args().First())
			if err != nil {
				var toolErr error
				if path, toolErr = lab.Tool(c.Context, c.Args().First()); toolErr != nil {
					return errors.Join(err, toolErr)
				}
			}
			_, err = fmt.Fprintln(c.App.Writer, path)
			return err
		},
	}
}

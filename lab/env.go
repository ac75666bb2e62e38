package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/lab/platform"
)

func envCommand() *cli.Command {
	return &cli.Command{
		Name:  "env",
		Usage: "print what others need to use the lab",
		UsageText: `lab env [--output shell|json]

   eval "$(lab env)"
   lab env --output json | jq -r .KUBECONFIG`,
		Flags:  []cli.Flag{outputFlag("shell")},
		Before: noArguments,
		Action: func(c *cli.Context) error {
			lab, err := open(c)
			if err != nil {
				return err
			}
			return printEnvironment(c.App.Writer, lab.Environment(), c.String("output"))
		},
	}
}

// printEnvironment writes the values without quotes: none has a character that
// means something to a shell.
func printEnvironment(out io.Writer, variables []platform.Variable, format string) error {
	if format == "json" {
		values := map[string]string{}
		for _, v := range variables {
			values[v.Name] = v.Value
		}
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(values)
	}
	for _, v := range variables {
		if _, err := fmt.Fprintf(out, "export %s=%s\n", v.Name, v.Value); err != nil {
			return err
		}
	}
	return nil
}

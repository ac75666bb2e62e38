package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/lab/platform"
)

// errDown makes the exit status 1; the table has said the rest.
var errDown = errors.New("not all parts run and answer: start them with `lab up`")

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show the parts and whether they answer",
		UsageText: `lab status [--output text|json]

Exit status 1 if any part is down or does not answer.

   sudo lab status
   sudo lab status --output json | jq '.[] | select(.state != "running")'`,
		Flags:  []cli.Flag{outputFlag("text")},
		Before: noArguments,
		Action: func(c *cli.Context) error {
			lab, err := open(c)
			if err != nil {
				return err
			}
			parts, err := lab.Status(c.Context)
			if err != nil {
				return fmt.Errorf("look at the lab: %w", err)
			}
			if err := printStatus(c.App.Writer, parts, c.String("output")); err != nil {
				return err
			}
			if slices.ContainsFunc(parts, func(p platform.PartStatus) bool { return p.State != platform.StateRunning }) {
				return errDown
			}
			return nil
		},
	}
}

func printStatus(out io.Writer, parts []platform.PartStatus, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(parts)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PART\tSTATE\tPID\tSINCE\tADDRESS")
	for _, p := range parts {
		pid, since := "-", "-"
		if p.PID != 0 {
			pid, since = strconv.Itoa(p.PID), p.Since.Format(time.DateTime)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", p.Name, p.State, pid, since, p.Address)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, p := range parts {
		if p.Problem != "" {
			fmt.Fprintf(out, "\n%s does not answer: %s\nsee %s\n", p.Name, p.Problem, p.Log)
		}
	}
	return nil
}

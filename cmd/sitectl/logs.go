package main

import (
	"context"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
)

func logsCommand() *cli.Command {
	return page{
		name:  "logs",
		usage: "print the logs of all web pods, each line with the name of its pod",
		description: "Prints the last lines of every pod, in the order of their times. With --follow it goes on, also with pods that come " +
			"later, as those of the next release. The name of a container stands after that of its pod unless it is the one with the site's code.",
		examples: `
			sitectl logs
			sitectl logs -f --since 10m
			sitectl logs --release 1a2b3c4 --tail -1 | grep ' 500 '
			sitectl logs --of migrate
			sitectl logs --of mysql -f
		`,
		own: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, DisableDefaultText: true, Usage: "go on until Ctrl-C"},
			&cli.StringFlag{Name: "of", Value: "web", Usage: "`WHAT` the pods are of: web, migrate, cron, run, mysql, …, as sitectl status names it"},
			&cli.StringFlag{Name: "release", Usage: "`TAG` of a release, for its pods alone"},
			&cli.StringFlag{Name: "container", Aliases: []string{"c"}, Usage: "`NAME` of a container, for its log alone"},
			&cli.DurationFlag{Name: "since", DefaultText: "all", Usage: "how far back: 10m"},
			&cli.Int64Flag{Name: "tail", Value: 100, Usage: "how many of the last lines of each container; -1 for all"},
		},
		flags:    backplaneFlags,
		statuses: []status{statusDone, statusFailed, statusUsage, statusCancelled},
	}.command(runLogs)
}

func runLogs(ctx context.Context, o options) error {
	wanted := deployer.LogOptions{
		Of:        o.own.String("of"),
		Release:   o.own.String("release"),
		Container: o.own.String("container"),
		Follow:    o.own.Bool("follow"),
		Since:     o.own.Duration("since"),
		Tail:      o.own.Int64("tail"),
	}
	if wanted.Since < 0 {
		return &usageError{message: "--since cannot be " + wanted.Since.String(), hint: "it is a time span: 10m"}
	}
	d, _, err := o.backplane()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	return d.Logs(ctx, wanted, func(line deployer.LogLine) {
		// Whoever has read enough, as head does, ends it.
		if _, err := io.WriteString(o.stdout, logLine(line)); err != nil {
			stop(fmt.Errorf("write standard output: %w", err))
		}
	})
}

// logLine is a line of a log with where it is from. What pods write cannot
// steer the terminal.
func logLine(line deployer.LogLine) string {
	from := line.Pod
	if !line.Main {
		from += "/" + line.Container
	}
	return from + " | " + ci.Printable(line.Text) + "\n"
}

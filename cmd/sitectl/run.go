package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"
)

// backplaneFlags are those of commands that look after what runs.
var backplaneFlags = []string{"file", "environment", "kubeconfig", "context", "progress"}

func runCommand() *cli.Command {
	return page{
		name:      "run",
		arguments: "[--] COMMAND [ARGUMENT...]",
		verbatim:  true,
		usage:     "run a command once, in a pod of its own, with the image and configuration of the release that runs",
		description: "Starts a Job like the web pods, with the same files, Secrets and configuration, and prints what the command " +
			"prints, on standard output. Its exit status is that of the command. Ctrl-C ends the command. The Job is deleted " +
			"when the command has succeeded, and stays for a day when it has not.",
		examples: `
			sitectl run -- drush status
			sitectl run -e staging -- php bin/import.php --all
			sitectl run --timeout 6h -- sh -c 'php bin/reindex.php && php bin/warm.php'
		`,
		own: []cli.Flag{
			&cli.DurationFlag{Name: "timeout", Value: time.Hour, Usage: "how long the command may take"},
		},
		flags:    backplaneFlags,
		statuses: []status{statusDone, statusFailed, statusUsage, statusCancelled},
	}.command(runRun)
}

func runRun(ctx context.Context, o options) error {
	if len(o.arguments) == 0 {
		return &usageError{message: "run takes a command", hint: "write it after two dashes: sitectl run -- php bin/import.php"}
	}
	timeout := o.own.Duration("timeout")
	if timeout < time.Second {
		return &usageError{message: "--timeout cannot be " + timeout.String(), hint: "it is a second at least: 30m"}
	}
	d, _, err := o.backplane()
	if err != nil {
		return err
	}
	return d.Run(ctx, o.arguments, timeout, o.stdout)
}

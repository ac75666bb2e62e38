package main

import (
	"context"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/sitectl/sitectl/deployer"
)

func execCommand() *cli.Command {
	return page{
		name:      "exec",
		arguments: "[-- COMMAND [ARGUMENT...]]",
		verbatim:  true,
		usage:     "run a command, or a shell, in a pod that serves",
		description: "Takes the newest web pod that is ready, unless one is named. At a terminal the command has a terminal, too. Its exit " +
			"status is passed on. What takes long, or needs much memory, is better off in a pod of its own: see sitectl run.",
		examples: `
			sitectl exec                                     # a shell
			sitectl exec -- drush cache:rebuild
			sitectl exec --pod mysql-0 -- mariadb --version
			sitectl exec -- cat /config/release/commit
		`,
		own: []cli.Flag{
			&cli.StringFlag{Name: "pod", Usage: "`NAME` of a pod, as sitectl status prints it"},
			&cli.StringFlag{Name: "container", Aliases: []string{"c"}, Usage: "`NAME` of a container of the pod (default: the one with the site's code)"},
		},
		flags:    backplaneFlags,
		statuses: []status{statusDone, statusFailed, statusUsage, statusCancelled},
	}.command(runExec)
}

func runExec(ctx context.Context, o options) error {
	d, _, err := o.backplane()
	if err != nil {
		return err
	}
	streams := deployer.Streams{In: o.stdin, Out: o.stdout, Err: o.stderr}
	in, out := terminalOf(o.stdin), terminalOf(o.stdout)
	if in != nil && out != nil {
		leave, err := enterRaw(in)
		if err != nil {
			return err
		}
		defer leave()
		sizes, stop := watchSize(out)
		defer stop()
		streams.Sizes = sizes
	}
	return d.Exec(ctx, o.own.String("pod"), o.own.String("container"), o.arguments, streams)
}

// terminalOf is the file behind a stream if that is a terminal, else nil.
func terminalOf(stream any) *os.File {
	if file, ok := stream.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return file
	}
	return nil
}

// enterRaw has the terminal pass every key on, Ctrl-C included: it is the
// terminal in the pod that makes something of them.
func enterRaw(terminal *os.File) (leave func(), err error) {
	before, err := term.MakeRaw(int(terminal.Fd()))
	if err != nil {
		return nil, fmt.Errorf("prepare the terminal: %w", err)
	}
	return func() { _ = term.Restore(int(terminal.Fd()), before) }, nil
}

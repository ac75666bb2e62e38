// Command lab runs a one-node Kubernetes of real upstream parts, with a
// private registry and BuildKit, for sitectl's demo and tests and for who has
// no cluster at hand.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/lab/platform"
)

// errInterrupted is the cause of a context that a signal cancelled.
var errInterrupted = errors.New("interrupted")

func main() {
	ctx, stop := signalContext()
	err := app().RunContext(ctx, os.Args)
	interrupted := errors.Is(context.Cause(ctx), errInterrupted)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "lab:", err)
	if interrupted {
		os.Exit(130)
	}
	os.Exit(1)
}

// signalContext is cancelled by the first signal; the second one ends the
// program at once.
func signalContext() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		cancel(errInterrupted)
	}()
	return ctx, func() { cancel(nil) }
}

func app() *cli.App {
	return &cli.App{
		Name:  "lab",
		Usage: "a one-node Kubernetes, a private registry and BuildKit, on this machine",
		UsageText: `lab up | down | status | env | logs | program

The lab is made of upstream programs, built from their Go modules and Debian
packages and started as plain processes of root. The first start builds them,
which can take a quarter of an hour on two processors; the next takes seconds.
Its files are in /var/lib/sitectl-lab, which down removes, and in
$XDG_CACHE_HOME/sitectl-lab, which stays.

   sudo lab up
   eval "$(lab env)"
   kubectl get nodes`,
		HideVersion: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "source", EnvVars: []string{"SITECTL_LAB_SOURCE"}, Usage: "the lab's source `folder`, which holds parts/ (default: looked for from here and from the executable upwards)"},
		},
		Commands: []*cli.Command{upCommand(), downCommand(), statusCommand(), envCommand(), logsCommand(), programCommand(), provisionerCommand()},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return fmt.Errorf("unknown command %q: it is one of up, down, status, env, logs, program", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
		// main prints errors and chooses the exit status.
		ExitErrHandler: func(*cli.Context, error) {},
	}
}

func open(c *cli.Context) (*platform.Lab, error) { return platform.New(c.String("source")) }

// noArguments is the Before of commands that take none.
func noArguments(c *cli.Context) error {
	if c.Args().Present() {
		return fmt.Errorf("unexpected argument %q", c.Args().First())
	}
	return nil
}

func outputFlag(forPeople string) *cli.StringFlag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: forPeople, Usage: "`format`: " + forPeople + " or json", Action: func(_ *cli.Context, value string) error {
		if value != forPeople && value != "json" {
			return fmt.Errorf("--output %q: it is %s or json", value, forPeople)
		}
		return nil
	}}
}

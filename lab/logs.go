package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

func logsCommand() *cli.Command {
	return &cli.Command{
		Name:      "logs",
		Usage:     "print what the parts have printed",
		ArgsUsage: "[PART]",
		UsageText: `lab logs [--follow] [PART]

Without a part, the end of the log of each.

   sudo lab logs kubelet
   sudo lab logs -f buildkitd`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with what comes, until interrupted"},
		},
		Action: logs,
	}
}

func logs(c *cli.Context) error {
	lab, err := open(c)
	if err != nil {
		return err
	}
	if c.NArg() > 1 {
		return fmt.Errorf("unexpected argument %q: options go before the part", c.Args().Get(1))
	}
	name := c.Args().First()
	if name == "" {
		if c.Bool("follow") {
			return fmt.Errorf("--follow needs a part: one of %s", strings.Join(lab.Names(), ", "))
		}
		for _, name := range lab.Names() {
			if err := printEnd(c.App.Writer, name, lab.Log(name)); err != nil {
				return err
			}
		}
		return nil
	}
	if !slices.Contains(lab.Names(), name) {
		return fmt.Errorf("unknown part %q: it is one of %s", name, strings.Join(lab.Names(), ", "))
	}
	err = printLog(c.Context, c.App.Writer, lab.Log(name), c.Bool("follow"))
	if errors.Is(err, errInterrupted) {
		return nil // the way to stop following
	}
	return err
}

// printEnd writes the last ten lines, at most 4096 bytes of them.
func printEnd(out io.Writer, name, path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has not been started
	}
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	end, err := io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-4096), 4096))
	if err != nil {
		return fmt.Errorf("read the log of %s: %w", name, err)
	}
	lines := strings.Split(strings.TrimSpace(string(end)), "\n")
	lines = lines[max(0, len(lines)-10):]
	_, err = fmt.Fprintf(out, "==> %s <==\n%s\n\n", path, strings.Join(lines, "\n"))
	return err
}

// printLog copies the log; to follow, it looks for more ten times a second.
func printLog(ctx context.Context, out io.Writer, path string, follow bool) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	defer file.Close()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := io.Copy(out, file); err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		if !follow {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

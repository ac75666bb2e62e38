package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
)

func historyCommand() *cli.Command {
	return page{
		name:  "history",
		usage: "print the releases of the site, the latest first",
		description: "Lists the last ten releases that were shipped, and those that were begun since and were not: failed, put back " +
			"(restored), cancelled, or only begun, which is what is under way or was killed. It needs no git repository.",
		examples: `
			sitectl history
			sitectl history -e production
			sitectl history --output json | jq -r '.releases[] | select(.outcome == "shipped") | .image'
		`,
		flags:    []string{"file", "environment", "kubeconfig", "context", "output"},
		statuses: []status{statusDone, statusFailed, statusUsage, statusCancelled},
	}.command(runHistory)
}

// historyResult is what history prints with --output json.
type historyResult struct {
	Site        string             `json:"site"`
	Environment string             `json:"environment,omitempty"`
	Namespace   string             `json:"namespace"`
	Releases    []deployer.Release `json:"releases"` // the latest first
}

func runHistory(ctx context.Context, o options) error {
	d, s, err := o.backplane()
	if err != nil {
		return err
	}
	releases, err := d.History(ctx)
	if err != nil {
		return err
	}
	if o.output == "json" {
		return writeJSON(o.stdout, historyResult{s.Address, s.Environment, s.Namespace, releases})
	}
	return write(o.stdout, historyText(releases))
}

// historyText is a history for people.
func historyText(releases []deployer.Release) string {
	if len(releases) == 0 {
		return "nothing was shipped yet\n"
	}
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintln(table, ci.Printable(strings.Join(cells, "\t"))) }
	row("RELEASE", "COMMIT", "OUTCOME", "WHEN", "BY", "MIGRATED", "ABOUT")
	for _, r := range releases {
		row(fmt.Sprint(r.Number), r.Commit.Tag, string(r.Outcome), moment(&r.At), r.By, migrated(r), about(r))
	}
	_ = table.Flush()
	return out.String()
}

func migrated(r deployer.Release) string {
	switch {
	case !r.Migrated:
		return ""
	case r.Reversible:
		return "reversible"
	default:
		return "yes"
	}
}

// about says what a release is about: why it was not shipped, or else what
// its commit says.
func about(r deployer.Release) string {
	switch {
	case r.Message != "":
		return r.Message
	case r.Back > 0:
		return fmt.Sprintf("back to release %d: %s", r.Back, r.Commit.Subject)
	default:
		return r.Commit.Subject
	}
}

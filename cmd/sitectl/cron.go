package main

import (
	"context"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
)

func cronCommand() *cli.Command {
	return page{
		name:  "cron",
		usage: "list, run, suspend and resume the site's CronJobs",
		description: "They are those of site.yaml, of .sitectl/manifests and, in patch mode, those that deploy.cronJobs names. " +
			"A ship sets what they run; what a person has suspended stays so.",
		examples: `
			sitectl cron list
			sitectl cron run newsletter
		`,
		statuses: []status{statusDone, statusFailed, statusUsage, statusCancelled},
	}.group(
		page{
			name:        "list",
			usage:       "print the CronJobs",
			description: "Asks the cluster for the CronJobs of the site: when they run, whether they are suspended, and how they did.",
			examples: `
				sitectl cron list
				sitectl cron list --output json | jq -r '.[] | select(.suspended) | .name'
			`,
			flags:    append([]string{"output"}, backplaneFlags...),
			statuses: []status{statusDone, statusFailed, statusUsage, statusCancelled},
		}.command(runCronList),
		page{
			name:      "run",
			arguments: "NAME",
			usage:     "run a CronJob once, now",
			description: "Starts a Job of the CronJob, also if that is suspended, and prints what its command prints, on standard output. " +
				"The exit status is that of the command. One that runs already is not run a second time. Ctrl-C ends the command.",
			examples: `
				sitectl cron run newsletter
				sitectl cron run newsletter -e staging
			`,
			flags:    backplaneFlags,
			statuses: []status{statusDone, statusFailed, statusUsage, statusCancelled},
		}.command(runCronRun),
		suspendCommand("suspend", "start no Jobs of a CronJob until it is resumed; no ship changes that", true),
		suspendCommand("resume", "let a CronJob run again that was suspended", false),
	)
}

func suspendCommand(name, usage string, suspend bool) *cli.Command {
	return page{
		name:        name,
		arguments:   "NAME",
		usage:       usage,
		description: "A Job that runs is not touched. While a ship has the CronJobs paused, it is what this one will be afterwards.",
		examples:    "sitectl cron " + name + " newsletter",
		flags:       backplaneFlags,
		statuses:    []status{statusDone, statusFailed, statusUsage, statusCancelled},
	}.command(func(ctx context.Context, o options) error {
		cron, d, err := o.cronJob(name)
		if err != nil {
			return err
		}
		return d.SuspendCron(ctx, cron, suspend)
	})
}

// cronJob is the one argument of a command about a CronJob.
func (o options) cronJob(command string) (string, *deployer.Deployer, error) {
	if len(o.arguments) != 1 {
		return "", nil, &usageError{message: "cron " + command + " takes the name of one CronJob", hint: "sitectl cron list prints them"}
	}
	d, _, err := o.backplane()
	return o.arguments[0], d, err
}

func runCronList(ctx context.Context, o options) error {
	d, _, err := o.backplane()
	if err != nil {
		return err
	}
	crons, err := d.CronJobs(ctx)
	if err != nil {
		return err
	}
	if o.output == "json" {
		return writeJSON(o.stdout, crons)
	}
	return write(o.stdout, cronText(crons))
}

func cronText(crons []deployer.CronStatus) string {
	if len(crons) == 0 {
		return "the site has no CronJob that runs\n"
	}
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	cronRows(func(cells ...string) { _, _ = table.Write([]byte(ci.Printable(strings.Join(cells, "\t")) + "\n")) }, crons)
	_ = table.Flush()
	return out.String()
}

func runCronRun(ctx context.Context, o options) error {
	name, d, err := o.cronJob("run")
	if err != nil {
		return err
	}
	return d.RunCron(ctx, name, o.stdout)
}

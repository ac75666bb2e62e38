package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
)

func statusCommand() *cli.Command {
	return page{
		name:  "status",
		usage: "print what runs now, since when, from which commit",
		description: "Asks the cluster for the release that was shipped last, the pods and the CronJobs. It needs no " +
			"git repository. A site that is not deployed is no error.",
		examples: `
			sitectl status
			sitectl status -e staging
			sitectl status --output json | jq -r .release.commit.sha
		`,
		flags:    []string{"file", "environment", "kubeconfig", "context", "output"},
		statuses: []status{statusDone, statusFailed, statusUsage, statusCancelled},
	}.command(runStatus)
}

func runStatus(ctx context.Context, o options) error {
	d, _, err := o.backplane()
	if err != nil {
		return err
	}
	status, err := d.Status(ctx)
	if err != nil {
		return err
	}
	if o.output == "json" {
		return writeJSON(o.stdout, status)
	}
	return write(o.stdout, statusText(status))
}

// statusText is a status for people: tables, with what is not known left out.
func statusText(s deployer.Status) string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintln(table, ci.Printable(strings.Join(cells, "\t"))) }

	row("site", s.Site)
	if s.Environment != "" {
		row("environment", s.Environment)
	}
	row("namespace", s.Namespace)
	row("url", s.URL)
	if !s.Deployed {
		row("release", "none, it is not deployed")
		_ = table.Flush()
		return out.String()
	}
	if r := s.Release; r != nil {
		row("release", fmt.Sprintf("%s %q by %s", r.Commit.Tag, r.Commit.Subject, r.Commit.Author))
		row("shipped", strings.TrimSuffix(moment(&r.At)+" by "+r.By, " by "))
	} else {
		row("release", "none was shipped to its end")
	}
	if s.Lock != nil {
		row("locked", fmt.Sprintf("by %s; renewed %s", s.Lock, moment(&s.Lock.Renewed)))
	}
	row("image", s.Image)
	row("pods", fmt.Sprintf("%d of %d available%s", s.Replicas.Available, s.Replicas.Wanted, rolling(s)))

	podTable(row, s.Pods)
	cronTable(row, s.CronJobs)
	_ = table.Flush()
	return out.String()
}

func rolling(s deployer.Status) string {
	if !s.Rolling {
		return ""
	}
	return fmt.Sprintf(", %d of this image: a rollout is under way or has failed", s.Replicas.Updated)
}

func podTable(row func(...string), pods []deployer.PodStatus) {
	if len(pods) == 0 {
		return
	}
	row()
	row("POD", "RELEASE", "STATE", "READY", "RESTARTS", "SINCE")
	for _, p := range pods {
		row(p.Name, p.Release, p.State, fmt.Sprint(p.Ready), fmt.Sprint(p.Restarts), moment(p.Started))
	}
}

func cronTable(row func(...string), crons []deployer.CronStatus) {
	if len(crons) == 0 {
		return
	}
	row()
	cronRows(row, crons)
}

func cronRows(row func(...string), crons []deployer.CronStatus) {
	row("CRON", "SCHEDULE", "SUSPENDED", "RUNNING", "LAST START", "LAST SUCCESS")
	for _, c := range crons {
		suspended := fmt.Sprint(c.Suspended)
		if c.Paused {
			suspended = "by a ship"
		}
		row(c.Name, c.Schedule, suspended, fmt.Sprint(c.Active), moment(c.LastStart), moment(c.LastDone))
	}
}

// moment writes a time in the reader's zone; nothing for none.
func moment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

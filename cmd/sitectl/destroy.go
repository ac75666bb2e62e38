package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

func destroyCommand() *cli.Command {
	return page{
		name:  "destroy",
		usage: "take a site out of the cluster; its data stays unless told otherwise",
		description: "Lists what goes and what stays, and asks for the site's address before anything is touched. What a ship can " +
			"make anew goes: Deployments, StatefulSets, CronJobs, Services, the ingress, configuration and the history. Data stays, " +
			"and with it the namespace: volumes, with the database, uploads and dumps in them, and Secrets. The next ship finds " +
			"them again. With --delete-data they go, too, and the whole namespace, whoever made what is in it; nobody can bring that back.\n\n" +
			"In production the address has to be typed: --confirm does not stand for it. No git repository is needed.",
		examples: `
			sitectl destroy -e review
			sitectl destroy -e review --delete-data --confirm example.com
			sitectl destroy -e review --output json --confirm example.com | jq -r '.kept[].name'
		`,
		own: []cli.Flag{
			&cli.BoolFlag{Name: "delete-data", DisableDefaultText: true, Usage: "also remove volumes and Secrets, and the namespace with all that is in it"},
			confirmFlag(),
			lockWaitFlag(),
		},
		flags:    []string{"file", "environment", "kubeconfig", "context", "progress", "output"},
		statuses: []status{statusDone, statusFailed, statusUsage, statusLocked, statusCancelled},
	}.command(runDestroy)
}

func runDestroy(ctx context.Context, o options) error {
	d, s, err := o.backplane()
	if err != nil {
		return err
	}
	plan, err := d.PlanDestroy(ctx, o.own.Bool("delete-data"))
	if err != nil {
		return err
	}
	if plan == nil {
		return o.destroyed(&deployer.Destruction{Namespace: s.Namespace, Removed: []deployer.Thing{}, Kept: []deployer.Thing{}})
	}
	if err := o.confirmDestroy(s, plan); err != nil {
		return err
	}
	held, unlock, err := d.Lock(ctx, o.claim(site.Commit{}))
	if err != nil {
		return err
	}
	defer unlock()
	// What a ship has made while the question was open goes as well.
	if plan, err = d.PlanDestroy(held, plan.Whole); err != nil {
		return err
	}
	if err := d.Destroy(held, plan); err != nil {
		return err
	}
	return o.destroyed(plan)
}

// confirmDestroy shows what goes and what stays, and asks. A site file
// without environments is one of production.
func (o options) confirmDestroy(s site.Site, plan *deployer.Destruction) error {
	where := s.Address
	if s.Environment != "" {
		where += " (" + s.Environment + ")"
	}
	consequence := where + ", namespace " + plan.Namespace + "\n" + things("goes:", plan.Removed) + things("stays:", plan.Kept)
	if plan.Whole {
		consequence += "Its data is lost for good, and so is whatever else is in the namespace."
	} else {
		consequence += "The site is off the net until it is shipped again."
	}
	if s.Environment == "" || s.Environment == "production" {
		return o.ask(consequence, s.Address, "type it when asked: in production --confirm does not stand for it")
	}
	return o.confirm(consequence, s.Address)
}

func things(title string, list []deployer.Thing) string {
	if len(list) == 0 {
		return ""
	}
	var out strings.Builder
	out.WriteString(title + "\n")
	for _, thing := range list {
		out.WriteString("    " + thing.String() + "\n")
	}
	return out.String()
}

// destroyed reports what has gone.
func (o options) destroyed(plan *deployer.Destruction) error {
	switch {
	case o.output == "json":
		return writeJSON(o.stdout, plan)
	case len(plan.Removed) == 0:
		return write(o.stdout, "there is nothing to remove in "+plan.Namespace+"\n")
	case plan.Whole:
		return write(o.stdout, plan.Namespace+" is gone\n")
	default:
		return write(o.stdout, fmt.Sprintf("%d objects of %s are gone, %d with its data stay\n", len(plan.Removed), plan.Namespace, len(plan.Kept)))
	}
}

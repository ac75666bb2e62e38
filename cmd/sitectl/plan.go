package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/deployer"
)

func planCommand() *cli.Command {
	return page{
		name:  "plan",
		usage: "print what ship would change, object by object, without changing it",
		description: "Has the cluster try out every object of the commit you are on, and prints what would be created (+), " +
			"changed (~) and deleted (-), field by field. Nothing is built, pushed or changed. Values of Secrets are not shown.",
		examples: `
			sitectl plan
			sitectl plan -e production --allow-dirty
			sitectl plan --output json | jq '.changes[] | select(.action != "unchanged")'
		`,
		flags:    append([]string{"file", "environment", "kubeconfig", "context", "output", "allow-dirty"}, registryFlags...),
		statuses: []status{statusDone, statusFailed, statusUsage, statusRegistry, statusCancelled},
	}.command(runPlan)
}

// planResult is what plan prints with --output json.
type planResult struct {
	Build bool `json:"build"` // the image would be built: the registry does not have it
	deployer.Plan
}

func runPlan(ctx context.Context, o options) error {
	s := newShipment(o, "")
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := errors.Join(s.find(ctx), s.connect()); err != nil {
		return err
	}
	plan, err := s.deployer.Plan(ctx, s.image)
	if err != nil {
		return err
	}
	result := planResult{Build: s.image.Digest == "", Plan: plan}
	if o.output == "json" {
		return writeJSON(o.stdout, result)
	}
	return write(o.stdout, planText(result))
}

// planText is a plan for people.
func planText(p planResult) string {
	var out strings.Builder
	line := func(format string, arguments ...any) { _, _ = fmt.Fprintf(&out, format+"\n", arguments...) }
	if p.Build {
		line("build %s", p.Image)
	}
	if len(p.Migration) > 0 {
		line("migrate: %s", strings.Join(p.Migration, ", "))
	}
	unchanged := 0
	for _, change := range p.Changes {
		if change.Action == deployer.ActionNone {
			unchanged++
			continue
		}
		restarts := ""
		if change.Restarts {
			restarts = " (its pods are replaced)"
		}
		line("%s %s %s%s", marks[change.Action], change.Kind, change.Name, restarts)
		for _, field := range change.Fields {
			line("    %s: %s", field.Path, transition(field))
		}
	}
	line("%d objects of namespace %s change, %d do not", len(p.Changes)-unchanged, p.Namespace, unchanged)
	return out.String()
}

var marks = map[deployer.Action]string{
	deployer.ActionCreate: "+",
	deployer.ActionChange: "~",
	deployer.ActionDelete: "-",
}

func transition(f deployer.FieldChange) string {
	switch {
	case f.Before == "":
		return "+ " + f.After
	case f.After == "":
		return "- " + f.Before
	default:
		return f.Before + " -> " + f.After
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
)

func planCommand() *cli.Command {
	return page{
		name:  "plan",
		usage: "print what ship would change, object by object, without changing it",
		description: "Has the cluster try out every object of the commit you are on, and prints what would be created (+), " +
			"changed (~) and deleted (-), field by field, which pods are replaced because of what, and which fields that somebody " +
			"else has set are taken over. Nothing is built, pushed or changed. Values of Secrets are not shown.",
		examples: `
			sitectl plan
			sitectl plan -e production --allow-dirty
			sitectl plan --output json | jq '.changes[] | select(.action != "unchanged")'
			sitectl plan --output json | jq -r '.changes[] | select(.restart) | "\(.kind) \(.name): \(.restart.because | join(", "))"'
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
	return write(o.stdout, planText(result, colors(ci.Colors(o.color, os.Getenv, isTerminal(o.stdout)))))
}

// planStep compares, for the report, what there is with what is shipped,
// before anything of it changes. A ship can do without.
func (s *shipment) planStep() step {
	const untouched = "The site serves what it served before."
	return step{
		name: "plan",
		run: func(ctx context.Context) error {
			plan, err := s.deployer.Plan(ctx, s.image)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				s.log.Line(fmt.Sprintf("the report will not tell what changes: %v", err))
				return nil
			}
			s.recorder.plan = &planResult{Plan: plan}
			return nil
		},
		stopped: untouched,
		failed:  untouched,
	}
}

package main

import (
	"context"

	"github.com/urfave/cli/v2"
)

func deployCommand() *cli.Command {
	return page{
		name:  "deploy",
		usage: "migrate, roll, verify and record an image that is built: the second half of ship",
		description: "Makes the image of the commit you are on the running site. The image must be in the registry, where " +
			"sitectl build has put it; no builder is needed.",
		examples: `
			sitectl deploy
			sitectl deploy -e production --context stable
		`,
		own:   []cli.Flag{lockWaitFlag(), allowOlderFlag(), reportFlag()},
		flags: append([]string{"file", "environment", "kubeconfig", "context", "progress", "output", "allow-dirty"}, registryFlags...),
		ships: true,
		statuses: []status{
			statusDone, statusFailed, statusUsage, statusRegistry,
			statusMigration, statusRollout, statusLocked, statusCancelled,
		},
	}.command(runDeploy)
}

func runDeploy(ctx context.Context, o options) error {
	s := newShipment(o, "deployed")
	err := s.do(ctx, s.checkStep(s.checkDeploy))
	if err == nil && !s.running {
		err = s.deploy(ctx, s.lookAgain, s.deploySteps())
	}
	return s.finish(ctx, err)
}

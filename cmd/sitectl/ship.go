package main

import (
	"context"
	"slices"

	"github.com/urfave/cli/v2"
)

func shipCommand() *cli.Command {
	return page{
		name:  "ship",
		usage: "build, push, migrate, roll, verify, record: make this commit the running site",
		description: "Takes the commit you are on and makes it the running site. What is done already is not done again: " +
			"a commit that is running costs two requests, an image that is in the registry is not built.\n\n" +
			"Nothing is touched before everything is checked. If a step fails, the site goes on serving what it served before.",
		examples: `
			sitectl ship
			sitectl ship -e staging
			sitectl ship --report ship.html  # a page that tells how it went, whatever the end
			sitectl ship --lock-wait 10m     # for another ship to be done
			sitectl ship --output json | jq -r .image.reference
			sitectl ship --allow-dirty       # the working tree as it is, with a tag that says so
		`,
		own:      []cli.Flag{lockWaitFlag(), allowOlderFlag(), reportFlag()},
		flags:    slices.Concat([]string{"file", "environment", "kubeconfig", "context", "progress", "output", "allow-dirty", "rebuild", "explain", "secret", "ssh"}, builderFlags, registryFlags),
		ships:    true,
		statuses: allStatuses,
	}.command(runShip)
}

func runShip(ctx context.Context, o options) error {
	s := newShipment(o, "shipped")
	err := s.do(ctx, s.checkStep(s.checkShip))
	if err == nil && !s.running {
		err = s.do(ctx, s.buildStep())
	}
	if err == nil && !s.running {
		err = s.deploy(ctx, s.lookAgain, s.deploySteps())
	}
	return s.finish(ctx, err)
}

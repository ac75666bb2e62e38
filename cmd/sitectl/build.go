package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"
)

func buildCommand() *cli.Command {
	return page{
		name:  "build",
		usage: "build and push the image of this commit: the first half of ship",
		description: "Builds the image of the commit you are on, pushes it, and prints its reference with the digest on " +
			"standard output. An image that is in the registry already is not built again.",
		examples: `
			sitectl build
			image=$(sitectl build --progress quiet)
			sitectl build --rebuild          # for example to take in security updates of the base image
		`,
		own:      []cli.Flag{reportFlag()},
		flags:    slices.Concat([]string{"file", "environment", "progress", "output", "allow-dirty", "rebuild", "explain", "secret", "ssh"}, builderFlags, registryFlags),
		ships:    true,
		statuses: []status{statusDone, statusFailed, statusUsage, statusBuild, statusRegistry, statusCancelled},
	}.command(runBuild)
}

func runBuild(ctx context.Context, o options) error {
	s := newShipment(o, "built")
	err := s.do(ctx, s.checkStep(s.checkBuild), s.buildStep())
	if err == nil && o.output == "text" {
		_, err = fmt.Fprintln(o.stdout, s.image.Reference())
	}
	return s.finish(ctx, err)
}

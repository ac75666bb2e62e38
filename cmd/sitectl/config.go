package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"
	"sigs.k8s.io/yaml"

	"github.com/sitectl/sitectl/site"
)

func configCommand() *cli.Command {
	return page{
		name:  "config",
		usage: "print site.yaml in full, resolved for one environment",
		description: "Prints the site file with every default filled in, as it stands for one environment. The output is a " +
			"site file itself.\n\n" +
			"With --explain it says of one key what it means, what it may be, its default, its value here, and where that comes from: a line of " +
			"site.yaml, the section of an environment, the preset, or a default; derived is what follows from other keys. It needs no site.yaml.",
		examples: `
			sitectl config
			sitectl config -e staging
			sitectl config --output json | jq .web.replicas
			sitectl config --explain web.rollout.maxSurge
			sitectl config --explain cron.schedule -e staging
		`,
		own: []cli.Flag{
			&cli.StringFlag{Name: "explain", Usage: "`KEY` to explain: web.replicas, cron[0].schedule or cron.schedule, environments"},
		},
		flags:    []string{"file", "environment", "context", "output"},
		statuses: []status{statusDone, statusFailed, statusUsage},
	}.command(runConfig)
}

func runConfig(_ context.Context, o options) error {
	if o.own.IsSet("explain") {
		return explainKey(o, o.own.String("explain"))
	}
	s, err := readSite(o)
	if err != nil {
		return err
	}
	file, err := site.Marshal(s)
	if err != nil {
		return err
	}
	if o.output == "json" {
		document, err := yaml.YAMLToJSON(file)
		if err != nil {
			return fmt.Errorf("write site %s: %w", s.Address, err)
		}
		return writeJSON(o.stdout, json.RawMessage(document))
	}
	return write(o.stdout, string(file))
}

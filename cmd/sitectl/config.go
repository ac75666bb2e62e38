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
			"site file itself.",
		examples: `
			sitectl config
			sitectl config -e staging
			sitectl config --output json | jq .web.replicas
		`,
		flags:    []string{"file", "environment", "context", "output"},
		statuses: []status{statusDone, statusFailed, statusUsage},
	}.command(runConfig)
}

func runConfig(_ context.Context, o options) error {
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

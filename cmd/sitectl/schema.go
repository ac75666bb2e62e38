package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/site"
)

func schemaCommand() *cli.Command {
	return page{
		name:  "schema",
		usage: "print the JSON schema of site.yaml",
		description: "Prints the JSON schema (draft 7) by which editors complete and check a site file. An editor with a YAML language " +
			"server finds it by itself if the first line of site.yaml is\n\n   # yaml-language-server: $schema=" + site.SchemaURL,
		examples: `
			sitectl schema
			sitectl schema > .vscode/site.schema.json # for who is offline
		`,
		statuses: []status{statusDone, statusFailed, statusUsage},
	}.command(runSchema)
}

func runSchema(_ context.Context, o options) error {
	return write(o.stdout, string(site.SchemaJSON()))
}

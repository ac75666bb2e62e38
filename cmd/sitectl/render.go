package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/deployer"
)

func renderCommand() *cli.Command {
	return page{
		name:  "render",
		usage: "print the Dockerfile and the manifests that ship would use",
		description: "Prints the Dockerfile and the Kubernetes objects of the commit you are on, as YAML documents on " +
			"standard output; the Dockerfile is in a comment at the top. It asks no builder, no registry and no cluster: " +
			"the image is named by its tag, because the digest is known only after the build. Secrets are not part of it: " +
			"their values are made in the cluster.",
		examples: `
			sitectl render | kubectl apply --dry-run=server -f -
			sitectl render -e staging --allow-dirty
			sitectl render --output json | jq -r .dockerfile
		`,
		flags:    []string{"file", "environment", "context", "output", "allow-dirty"},
		statuses: []status{statusDone, statusFailed, statusUsage},
	}.command(runRender)
}

// renderResult is what render prints with --output json.
type renderResult struct {
	Dockerfile string            `json:"dockerfile"`
	Objects    []deployer.Object `json:"objects"` // in the order in which they are applied
}

func runRender(ctx context.Context, o options) error {
	src, err := readSource(ctx, o)
	if err != nil {
		return err
	}
	var r renderResult
	if r.Dockerfile, err = dockerfile(ctx, src); err != nil {
		return err
	}
	if r.Objects, err = deployer.AllObjects(src.site, src.own, src.unbuilt()); err != nil {
		return err
	}
	if o.output == "json" {
		return writeJSON(o.stdout, r)
	}
	manifests, err := deployer.Manifests(r.Objects)
	if err != nil {
		return err
	}
	return write(o.stdout, comment("Dockerfile\n\n"+r.Dockerfile)+"---\n"+string(manifests))
}

// dockerfile is the site's own, as it is in the commit, or the generated one.
func dockerfile(ctx context.Context, src source) (string, error) {
	path := src.site.Build.Dockerfile
	if path == "" {
		return builder.Dockerfile(src.site)
	}
	tree, err := src.repository.Tree(ctx, src.commit.Tree)
	if err != nil {
		return "", err
	}
	defer tree.Close()
	content, err := tree.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read build.dockerfile: %w", err)
	}
	return string(content), nil
}

// comment makes a YAML comment of text.
func comment(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.TrimRight("# "+line, " \n") + "\n")
	}
	return out.String()
}

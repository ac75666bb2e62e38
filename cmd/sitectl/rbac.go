package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sitectl/sitectl/deployer"
)

func rbacCommand() *cli.Command {
	return page{
		name:  "rbac",
		usage: "print the account for a pipeline, with what a ship needs and nothing more",
		description: "Prints, as YAML for kubectl apply, a ServiceAccount in the site's namespace, the least Role for it, and a ClusterRole " +
			"for what the check looks at outside of the namespace: storage classes, ingress classes and issuers. The namespace " +
			"itself is there, too, because the account cannot make it, unless it is told to. The permissions are the very list that " +
			"the check of a ship asks for. It asks no cluster.",
		examples: `
			sitectl rbac -e production | kubectl apply -f -
			kubectl -n example-com create token sitectl --duration 720h    # for the kubeconfig of the pipeline
			sitectl rbac --account deploy --create-namespace
		`,
		flags: []string{"file", "environment", "output"},
		own: []cli.Flag{
			&cli.StringFlag{Name: "account", Value: "sitectl", Usage: "`NAME` of the ServiceAccount"},
			&cli.BoolFlag{Name: "create-namespace", DisableDefaultText: true, Usage: "let the account make namespaces"},
		},
		statuses: []status{statusDone, statusFailed, statusUsage},
	}.command(runRBAC)
}

// objectList is what kubectl takes for several objects in one JSON document.
type objectList struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Items      []deployer.Object `json:"items"`
}

func runRBAC(_ context.Context, o options) error {
	opts := deployer.AccessOptions{Account: o.own.String("account"), CreateNamespace: o.own.Bool("create-namespace")}
	if reasons := validation.IsDNS1123Subdomain(opts.Account); len(reasons) > 0 {
		return &usageError{fmt.Sprintf("--account cannot be %q", opts.Account), "it is the name of a ServiceAccount, such as deploy"}
	}
	s, err := readSite(o)
	if err != nil {
		return err
	}
	objects, err := deployer.Access(s, opts)
	if err != nil {
		return err
	}
	if o.output == "json" {
		return writeJSON(o.stdout, objectList{APIVersion: "v1", Kind: "List", Items: objects})
	}
	manifests, err := deployer.Manifests(objects)
	if err != nil {
		return err
	}
	return write(o.stdout, string(manifests))
}

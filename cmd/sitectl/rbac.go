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
			"the check of a ship asks for. It asks no cluster.\n\n" +
			"With --user or --group the same is for whom the cluster knows otherwise, and no ServiceAccount is made: by identity tokens " +
			"of a pipeline, by a cloud, or through GitLab's agent.",
		examples: `
			sitectl rbac -e production | kubectl apply -f -
			kubectl -n example-com create token sitectl --duration 720h    # for the kubeconfig of the pipeline
			sitectl rbac --account deploy --create-namespace
			sitectl rbac --group gitlab:project:150        # jobs of a project, through GitLab's agent with access_as: {ci_job: {}}
			sitectl rbac --user 'oidc:repo:agency/site:ref:refs/heads/main'    # GitHub's identity token; the prefix is the cluster's
		`,
		flags: []string{"file", "environment", "output"},
		own: []cli.Flag{
			&cli.StringFlag{Name: "account", Value: "sitectl", Usage: "`NAME` of the ServiceAccount, and of the roles"},
			&cli.StringSliceFlag{Name: "user", Usage: "`NAME` of a user that gets the roles instead (may be repeated)"},
			&cli.StringSliceFlag{Name: "group", Usage: "`NAME` of a group that gets the roles instead (may be repeated)"},
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
	opts := deployer.AccessOptions{
		Account:         o.own.String("account"),
		Users:           o.own.StringSlice("user"),
		Groups:          o.own.StringSlice("group"),
		CreateNamespace: o.own.Bool("create-namespace"),
	}
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

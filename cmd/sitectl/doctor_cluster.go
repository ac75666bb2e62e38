package main

import (
	"context"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

func (d *doctor) clusterChecks() []*examined {
	const mend = "kubectl cluster-info, with the same kubeconfig and context, finds out more"
	checks := []*examined{
		{name: "kubeconfig", needs: []string{"site file"}, after: []string{"commit"}, look: d.lookAtKubeconfig, mend: "name one that works with --kubeconfig or KUBECONFIG; kubectl config get-contexts lists its contexts"},
		{name: "cluster", needs: []string{"kubeconfig"}, look: d.lookAtCluster, mend: mend},
	}
	for _, part := range deployer.Parts() {
		checks = append(checks, &examined{
			name: part.Name, needs: []string{"cluster"}, mend: "sitectl render prints what is applied: correct site.yaml, or what the cluster lacks",
			look: func(ctx context.Context) []diagnosis { return d.lookAtPart(ctx, part) },
		})
	}
	return grouped("cluster", statusFailed, checks...)
}

// lookAtKubeconfig makes no request.
func (d *doctor) lookAtKubeconfig(context.Context) []diagnosis {
	var err error
	d.deployer, err = deployer.Connect(d.site, deployer.Options{Kubeconfig: d.kubeconfig, Own: d.own, By: shippedBy()})
	if err != nil {
		return wrong("kubeconfig", err)
	}
	identity := d.deployer.Identity()
	if identity.Kind == "" {
		return fine("kubeconfig: no credentials for %s, which is asked as nobody", d.deployer.Server())
	}
	return d.judgeExpiry("kubeconfig: "+identity.Kind, identity.Expires, identity.Renewed, deployer.RenewHint(d.site.Namespace))
}

func (d *doctor) lookAtCluster(ctx context.Context) []diagnosis {
	tag := d.commit.Tag
	if tag == "" {
		tag = "unknown" // there is no commit; what an image is called makes no difference
	}
	d.cluster = d.deployer.Examine(site.Image{Repository: d.site.Image, Tag: tag, Commit: d.commit})
	found, err := d.cluster.Reach(ctx)
	if err != nil {
		return wrong("cluster", err)
	}
	d.reached = found[0].Well
	return diagnoses(found)
}

func (d *doctor) lookAtPart(ctx context.Context, part deployer.Part) []diagnosis {
	found, err := part.Look(d.cluster, ctx)
	if err != nil {
		return wrong(part.Name, err)
	}
	return diagnoses(found)
}

// diagnoses are what the deployer has found, in the words of the doctor.
func diagnoses(found []deployer.Diagnosis) []diagnosis {
	var list []diagnosis
	for _, f := range found {
		one := diagnosis{Result: checkFailed, Message: f.About + ": " + f.Message, Mend: f.Hint}
		switch {
		case f.Well:
			one.Result = checkOK
		case f.Unseen:
			one.Result = checkSkipped
		case f.Warning:
			one.Result = checkWarning
		}
		list = append(list, one)
	}
	return list
}

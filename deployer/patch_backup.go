package deployer

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/sitectl/sitectl/site"
)

// patchedStore is the place for backups, if there are any: the one object that
// is rendered in patch mode.
func patchedStore(s site.Site) ([]Object, error) {
	v, err := newView(s, site.Image{})
	if err != nil || v.Backup == nil {
		return nil, err
	}
	store, err := render(rendering{StageFoundation, backupTemplate(v.Backup), v})
	return []Object{store}, err
}

// checkStore makes sure that the place for backups is not something else of
// that name, in a namespace that somebody else has laid out.
func (d *Deployer) checkStore(ctx context.Context, p preflight) ([]Finding, error) {
	if !d.patching() {
		return nil, nil
	}
	stores := in(StageFoundation, p.objects)
	return each(ctx, len(stores), parallel, func(ctx context.Context, i int) ([]Finding, error) {
		live, err := d.visible(ctx, stores[i])
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", stores[i], err)
		}
		if live == nil || carries(live.GetLabels(), d.ownership()) {
			return nil, nil
		}
		return []Finding{{
			About:   stores[i].String(),
			Message: "is in the namespace already, and is not the place for backups that sitectl would make",
			Hint:    "give it another name, or leave migrate.backup out",
		}}, nil
	})
}

// placeAsWeb has the pod of a Job run where those of the Deployment web may,
// and pull its images with the logins that these have: in a namespace that
// somebody else has laid out, nothing else is known.
func (d *Deployer) placeAsWeb(ctx context.Context, job Object) error {
	web, err := d.client.AppsV1().Deployments(d.site.Namespace).Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return err
	}
	like, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&web.Spec.Template.Spec)
	if err != nil {
		return err
	}
	pod := section(section(section(job.Object, "spec"), "template"), "spec")
	delete(pod, "imagePullSecrets")
	for _, field := range [][]string{{"imagePullSecrets"}, {"nodeSelector"}, {"tolerations"}, {"affinity", "nodeAffinity"}} {
		value, found, err := unstructured.NestedFieldNoCopy(like, field...)
		if err == nil && found {
			err = unstructured.SetNestedField(pod, value, field...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

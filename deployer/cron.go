package deployer

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sitectl/sitectl/site"
)

// Cron points the CronJobs at the image, resumes those that PauseCron has
// suspended, and removes those that are no longer in the site file.
func (d *Deployer) Cron(ctx context.Context, image site.Image) error {
	objects, err := d.objects(ctx, image)
	if err != nil {
		return err
	}
	for _, object := range in(StageCron, objects) {
		live, err := d.apply(ctx, object)
		if err != nil {
			return err
		}
		if err := d.forgetPause(ctx, object, live); err != nil {
			return fmt.Errorf("resume %s: %w", object, err)
		}
	}
	dropped, err := d.droppedCronJobs(ctx, objects)
	if err != nil {
		return err
	}
	for _, name := range dropped {
		// In the background: Jobs that run are ended with their CronJob.
		policy := metav1.DeletePropagationBackground
		err := d.client.BatchV1().CronJobs(d.site.Namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &policy})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete CronJob %s: %w", name, err)
		}
		d.progress(fmt.Sprintf("CronJob %s deleted, the release does not have it", name))
	}
	return d.ResumeCron(ctx)
}

// droppedCronJobs names the CronJobs that sitectl made for this site and that
// are not among the objects any more.
func (d *Deployer) droppedCronJobs(ctx context.Context, objects []Object) ([]string, error) {
	list, err := d.client.BatchV1().CronJobs(d.site.Namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.FormatLabels(d.ownership())})
	if err != nil {
		return nil, fmt.Errorf("list CronJobs: %w", err)
	}
	var dropped []string
	for _, job := range list.Items {
		if !isKept(&job) && !slices.ContainsFunc(objects, func(o Object) bool { return o.GetKind() == "CronJob" && o.GetName() == job.Name }) {
			dropped = append(dropped, job.Name)
		}
	}
	slices.Sort(dropped)
	return dropped, nil
}

// ownLabels selects what sitectl made in a namespace under one name.
func ownLabels(namespace, name string) string {
	return fmt.Sprintf("app.kubernetes.io/managed-by=%s,app.kubernetes.io/instance=%s,app.kubernetes.io/name=%s", fieldManager, namespace, name)
}

package deployer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Status is what runs now.
type Status struct {
	Site        string       `json:"site"`
	Environment string       `json:"environment,omitempty"`
	Namespace   string       `json:"namespace"`
	URL         string       `json:"url"`
	Deployed    bool         `json:"deployed"`          // there is a Deployment web
	Release     *Release     `json:"release,omitempty"` // shipped last; nil if none was
	Image       string       `json:"image,omitempty"`   // what the pods are to run; not that of Release if a ship failed or is under way
	Rolling     bool         `json:"rolling"`           // not all pods are of that image and available
	Replicas    Replicas     `json:"replicas"`
	Pods        []PodStatus  `json:"pods"`
	CronJobs    []CronStatus `json:"cronJobs"`
	Lock        *Holder      `json:"lock,omitempty"` // who ships now, or was killed; nil for nobody
}

// Replicas counts the web pods.
type Replicas struct {
	Wanted    int32 `json:"wanted"`
	Updated   int32 `json:"updated"` // of the image
	Available int32 `json:"available"`
}

// PodStatus is one pod of the namespace.
type PodStatus struct {
	Name     string     `json:"name"`
	Of       string     `json:"of"`                // web, mysql, memcache, migrate or cron
	Release  string     `json:"release,omitempty"` // tag; empty for database and cache
	State    string     `json:"state"`             // phase, or the reason why it does not run: "CrashLoopBackOff"
	Ready    bool       `json:"ready"`
	Restarts int32      `json:"restarts"`
	Started  *time.Time `json:"started,omitempty"`
	Node     string     `json:"node,omitempty"`
}

// CronStatus is one CronJob.
type CronStatus struct {
	Name      string     `json:"name"`
	Schedule  string     `json:"schedule"`
	Suspended bool       `json:"suspended"`
	Paused    bool       `json:"paused,omitempty"` // by a ship, which resumes it, as it was before
	Active    int        `json:"active"`           // Jobs that run now
	LastStart *time.Time `json:"lastStart,omitempty"`
	LastDone  *time.Time `json:"lastDone,omitempty"` // last success
}

// Status reads what runs now. It takes four requests.
func (d *Deployer) Status(ctx context.Context) (Status, error) {
	status := Status{
		Site:        d.site.Address,
		Environment: d.site.Environment,
		Namespace:   d.site.Namespace,
		URL:         address(d.site),
		Pods:        []PodStatus{},
		CronJobs:    []CronStatus{},
	}
	err := d.reach(ctx, func(ctx context.Context) error { return d.webStatus(ctx, &status) })
	if err != nil {
		return Status{}, fmt.Errorf("read Deployment web: %w", err)
	}
	own := metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=" + fieldManager}
	if d.patching() {
		own = metav1.ListOptions{}
	}
	pods, err := d.client.CoreV1().Pods(d.site.Namespace).List(ctx, own)
	if err != nil {
		return Status{}, fmt.Errorf("list pods: %w", err)
	}
	for _, pod := range pods.Items {
		status.Pods = append(status.Pods, podStatus(&pod))
	}
	slices.SortFunc(status.Pods, func(a, b PodStatus) int { return strings.Compare(a.Name, b.Name) })
	crons, err := d.cronJobs(ctx)
	if err != nil {
		return Status{}, err
	}
	for _, cron := range crons {
		status.CronJobs = append(status.CronJobs, cronStatus(cron))
	}
	status.Lock, err = d.LockHolder(ctx)
	return status, err
}

func (d *Deployer) webStatus(ctx context.Context, status *Status) error {
	web, err := d.client.AppsV1().Deployments(d.site.Namespace).Get(ctx, "web", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	status.Deployed = true
	status.Release = recorded(web)
	status.Image = runningImage(web, d.container())
	status.Rolling = !available(web)
	status.Replicas = webReplicas(web)
	return nil
}

func webReplicas(web *appsv1.Deployment) Replicas {
	return Replicas{
		Wanted:    replicas(web.Spec.Replicas),
		Updated:   web.Status.UpdatedReplicas,
		Available: web.Status.AvailableReplicas,
	}
}

func podStatus(pod *corev1.Pod) PodStatus {
	status := PodStatus{
		Name:    pod.Name,
		Of:      cmp.Or(pod.Labels["app.kubernetes.io/name"], pod.Labels["app"]),
		Release: releaseTag(pod),
		State:   string(pod.Status.Phase),
		Ready:   podReady(pod),
		Node:    pod.Spec.NodeName,
	}
	if pod.Status.StartTime != nil {
		status.Started = &pod.Status.StartTime.Time
	}
	for _, container := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		status.Restarts += container.RestartCount
		if waiting := container.State.Waiting; waiting != nil && !over(pod) {
			status.State = waiting.Reason
		}
	}
	if pod.DeletionTimestamp != nil {
		status.State = "Terminating"
	}
	return status
}

func cronStatus(cron batchv1.CronJob) CronStatus {
	status := CronStatus{
		Name:      cron.Name,
		Schedule:  cron.Spec.Schedule,
		Suspended: suspended(&cron),
		Active:    len(cron.Status.Active),
	}
	_, status.Paused = cron.Annotations[pausedAnnotation]
	if start := cron.Status.LastScheduleTime; start != nil {
		status.LastStart = &start.Time
	}
	if done := cron.Status.LastSuccessfulTime; done != nil {
		status.LastDone = &done.Time
	}
	return status
}

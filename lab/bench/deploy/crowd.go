package deploy

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// crowdSize is how many more pods there are in the namespace of a site.
const crowdSize = 500

// crowd measures a rollout in a namespace with many pods. No node runs them:
// they are made with the status of pods that run, which is all that sitectl
// sees of any.
func (b *bench) crowd(ctx context.Context, r *Results) error {
	b.Say("deploy: a rollout beside %d pods", crowdSize)
	s, err := newSite(ctx, b.Folder, "crowd", b.image("crowd"), map[string]any{
		"replicas": 1, "resources": map[string]any{"cpu": "10m", "memory": "64Mi"},
	}, nil)
	if err != nil {
		return err
	}
	if err := b.images.push(ctx, s.reference(), "/pod", "serve"); err != nil {
		return err
	}
	b.spaces = append(b.spaces, s.namespace(bySitectl))
	if err := must(b.sitectl(ctx, s, nil, "deploy")); err != nil {
		return err
	}
	web, err := b.cluster.AppsV1().Deployments(s.namespace(bySitectl)).Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return err
	}
	makers, making := errgroup.WithContext(ctx)
	makers.SetLimit(8)
	for i := range crowdSize {
		makers.Go(func() error { return b.makePod(making, web, i) })
	}
	if err := makers.Wait(); err != nil {
		return err
	}
	if err := s.commit(ctx); err != nil {
		return err
	}
	if err := b.images.push(ctx, s.reference(), "/pod", "serve"); err != nil {
		return err
	}
	cost := b.sitectl(ctx, s, nil, "deploy")
	r.Crowd = Crowd{Pods: crowdSize, Cost: cost}
	return must(cost)
}

// makePod makes a pod like those of the site, but for whom it belongs to.
func (b *bench) makePod(ctx context.Context, web *appsv1.Deployment, number int) error {
	pods := b.cluster.CoreV1().Pods(web.Namespace)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:        fmt.Sprintf("crowd-%d", number),
			Labels:      map[string]string{"app.kubernetes.io/name": "crowd"},
			Annotations: web.Spec.Template.Annotations,
		},
		Spec: *web.Spec.Template.Spec.DeepCopy(),
	}
	pod.Spec.SchedulerName = "nobody"
	pod, err := pods.Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	now := metav1.Now()
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &now}
	for _, condition := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: now})
	}
	for _, container := range pod.Spec.Containers {
		started := true
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: container.Name, Image: container.Image, ImageID: container.Image, Ready: true, Started: &started,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
		})
	}
	_, err = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return err
}

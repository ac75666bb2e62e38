package deployer

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// checkQuotas looks whether the namespace has room for the pods that a deploy
// adds to those that run: the migration, then the surge of the rollout. The
// dry run of a Deployment does not tell, since only its pods count.
func (d *Deployer) checkQuotas(ctx context.Context, p preflight) ([]Finding, error) {
	if !p.exists {
		return nil, nil
	}
	quotas, err := d.client.CoreV1().ResourceQuotas(d.site.Namespace).List(ctx, metav1.ListOptions{})
	switch {
	case apierrors.IsForbidden(err):
		return unseen("quota", "list resourcequotas"), nil
	case err == nil && len(quotas.Items) == 0:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("list ResourceQuotas: %w", err)
	}
	more, err := d.additional(ctx, p.objects)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, quota := range quotas.Items {
		findings = append(findings, judgeQuota(quota, more)...)
	}
	return findings, nil
}

// additional is what the pods take that a deploy adds, at its peak.
func (d *Deployer) additional(ctx context.Context, objects []Object) (corev1.ResourceList, error) {
	stays, passes := corev1.ResourceList{}, corev1.ResourceList{}
	for _, object := range objects {
		spec := podSpecOf(object.Unstructured)
		if spec == nil || object.GetKind() == "CronJob" {
			continue
		}
		live, err := d.visible(ctx, object)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", object, err)
		}
		pod := demand(spec)
		switch count, surge := added(object.Unstructured, live); object.GetKind() {
		case "Job":
			passes = most(passes, times(pod, 1))
		default:
			stays = sum(stays, times(pod, count))
			passes = most(passes, times(pod, surge))
		}
	}
	return sum(stays, passes), nil
}

// added is how many pods a workload gets in addition to those it has: for
// good, and besides while its pods are replaced.
func added(wanted, live *unstructured.Unstructured) (count, surge int64) {
	count, set, _ := unstructured.NestedInt64(wanted.Object, "spec", "replicas")
	if !set {
		count = 1
	}
	desired := count
	if live != nil {
		there, _, _ := unstructured.NestedInt64(live.Object, "status", "replicas")
		count = max(0, count-there)
	}
	if wanted.GetKind() != "Deployment" || live == nil {
		return count, 0 // a StatefulSet replaces a pod after it has gone
	}
	if strategy, _, _ := unstructured.NestedString(wanted.Object, "spec", "strategy", "type"); strategy == "Recreate" {
		return count, 0
	}
	value, _, _ := unstructured.NestedFieldNoCopy(wanted.Object, "spec", "strategy", "rollingUpdate", "maxSurge")
	number := intstr.Parse(fmt.Sprint(value))
	pods, err := intstr.GetScaledValueFromIntOrPercent(&number, int(desired), true)
	if err != nil {
		return count, 0
	}
	return count, int64(pods)
}

// demand is what one pod takes of a quota, by the names that quotas have for
// it (https://kubernetes.io/docs/concepts/policy/resource-quotas/).
func demand(pod *corev1.PodSpec) corev1.ResourceList {
	requests, limits := corev1.ResourceList{}, corev1.ResourceList{}
	for _, container := range pod.Containers {
		requests, limits = sum(requests, container.Resources.Requests), sum(limits, container.Resources.Limits)
	}
	// Init containers run one after the other and before the containers, but
	// for sidecars, which stay.
	for _, container := range pod.InitContainers {
		if container.RestartPolicy != nil && *container.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			requests, limits = sum(requests, container.Resources.Requests), sum(limits, container.Resources.Limits)
		} else {
			requests, limits = most(requests, container.Resources.Requests), most(limits, container.Resources.Limits)
		}
	}
	demand := corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(1, resource.DecimalSI)}
	for name, quantity := range requests {
		demand[name] = quantity
		demand["requests."+name] = quantity
	}
	for name, quantity := range limits {
		demand["limits."+name] = quantity
	}
	return demand
}

func sum(a, b corev1.ResourceList) corev1.ResourceList {
	total := maps.Clone(a)
	for name, quantity := range b {
		value := total[name].DeepCopy()
		value.Add(quantity)
		total[name] = value
	}
	return total
}

func most(a, b corev1.ResourceList) corev1.ResourceList {
	larger := maps.Clone(a)
	for name, quantity := range b {
		if value, ok := larger[name]; !ok || quantity.Cmp(value) > 0 {
			larger[name] = quantity
		}
	}
	return larger
}

func times(list corev1.ResourceList, count int64) corev1.ResourceList {
	product := corev1.ResourceList{}
	for name, quantity := range list {
		value := quantity.DeepCopy()
		value.Mul(count)
		product[name] = value
	}
	return product
}

// judgeQuota compares what is needed with what is left:
//
//	spec:
//	  hard: {requests.memory: 2Gi}
//	status:
//	  hard: {requests.memory: 2Gi}
//	  used: {requests.memory: 1536Mi}
func judgeQuota(quota corev1.ResourceQuota, more corev1.ResourceList) []Finding {
	if len(quota.Spec.Scopes) > 0 || quota.Spec.ScopeSelector != nil {
		return nil // for some pods only
	}
	var findings []Finding
	for _, name := range slices.Sorted(maps.Keys(quota.Spec.Hard)) {
		needed, left := more[name], quota.Spec.Hard[name].DeepCopy()
		left.Sub(quota.Status.Used[name])
		if needed.Sign() <= 0 || needed.Cmp(left) <= 0 {
			continue
		}
		hard, used := quota.Spec.Hard[name], quota.Status.Used[name]
		findings = append(findings, Finding{
			About: "ResourceQuota " + quota.Name,
			Message: fmt.Sprintf("has no room for the rollout: it adds %s of %s to %s, and %s is the limit",
				needed.String(), name, used.String(), hard.String()),
			Hint: "have the quota raised, or replace pods in place (web.rollout: maxSurge: 0, maxUnavailable: 1)",
		})
	}
	return findings
}

package deployer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// templatePrefix is where the pods of a Deployment and a StatefulSet are
// described. Any change there replaces them; one of a CronJob counts for its
// next Job.
const templatePrefix = "spec.template."

// restart says whether changes of an object replace its pods, and why.
func restart(live *unstructured.Unstructured, fields []FieldChange) *Restart {
	switch live.GetKind() {
	case "Deployment", "StatefulSet", "DaemonSet":
	default:
		return nil
	}
	var because []string
	for _, field := range fields {
		path, found := strings.CutPrefix(field.Path, templatePrefix)
		if reason := restartReason(path); found && !slices.Contains(because, reason) {
			because = append(because, reason)
		}
	}
	if len(because) == 0 {
		return nil
	}
	// The release is that of the image; alone, it is a commit with the same one.
	if len(because) > 1 {
		because = slices.DeleteFunc(because, func(reason string) bool { return reason == releaseReason })
	}
	pods, _, _ := unstructured.NestedInt64(live.Object, "status", "replicas")
	return &Restart{Pods: pods, Because: because}
}

// releaseReason is why pods are replaced that differ in nothing but the
// commit they say they are of.
const releaseReason = "release"

// markReasons are the words for labels and annotations of pods.
var markReasons = map[string]string{
	"metadata.annotations.sitectl.dev/image":    releaseReason,
	"metadata.labels.app.kubernetes.io/version": releaseReason,
	"metadata.annotations.sitectl.dev/config":   "configuration",
	"metadata.annotations.sitectl.dev/secrets":  "Secrets",
}

// containerField matches a field of a container, such as
// "spec.containers[web].readinessProbe.httpGet.path".
var containerField = regexp.MustCompile(`^spec\.(?:initC|c)ontainers\[([^\]]+)\](?:\.(\w+))?`)

// restartReason names what changes of a pod, in the words of its fields.
func restartReason(path string) string {
	if reason, known := markReasons[path]; known {
		return reason
	}
	if match := containerField.FindStringSubmatch(path); match != nil {
		if match[2] == "" {
			return "container " + match[1]
		}
		return fmt.Sprintf("%s of %s", match[2], match[1])
	}
	field := strings.TrimPrefix(path, "spec.")
	if i := strings.IndexAny(field, ".["); i > 0 && !strings.HasPrefix(path, "metadata.") {
		field = field[:i]
	}
	return field
}

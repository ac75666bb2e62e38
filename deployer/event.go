package deployer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// newest returns the latest event about an object; with reasons, the latest
// that has one of them. It is nil if there is none.
func newest(events []*corev1.Event, about types.UID, reasons ...string) *corev1.Event {
	var latest *corev1.Event
	for _, event := range events {
		if event.InvolvedObject.UID != about || len(reasons) > 0 && !slices.Contains(reasons, event.Reason) {
			continue
		}
		if latest == nil || !eventTime(event).Before(eventTime(latest)) {
			latest = event
		}
	}
	return latest
}

// newestWarning returns what Kubernetes last complained of about a pod, but
// for what the statuses of its containers say in better words.
func newestWarning(events []*corev1.Event, about types.UID) string {
	complaints := slices.DeleteFunc(slices.Clone(events), func(e *corev1.Event) bool {
		return e.Type != corev1.EventTypeWarning || e.Reason == "BackOff" || e.Reason == "Failed"
	})
	event := newest(complaints, about)
	if event == nil {
		return ""
	}
	return fmt.Sprintf("%s: %s", event.Reason, strings.TrimSpace(event.Message))
}

// eventTime is when an event was last seen. Which field says so depends on
// the API that its sender used.
func eventTime(event *corev1.Event) time.Time {
	switch {
	case event.Series != nil:
		return event.Series.LastObservedTime.Time
	case !event.LastTimestamp.IsZero():
		return event.LastTimestamp.Time
	default:
		return event.EventTime.Time
	}
}

// eventContainer reads the container from a field path such as
// "spec.containers{web}".
func eventContainer(event *corev1.Event) string {
	_, rest, found := strings.Cut(event.InvolvedObject.FieldPath, "{")
	if !found {
		return ""
	}
	return strings.TrimSuffix(rest, "}")
}

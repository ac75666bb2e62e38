package deployer

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/version"
)

// fixed says what an object has to keep: what Kubernetes cannot change and
// what would cost data, each with what to do instead. Live is nil for an
// object that is not there yet.
func fixed(live *unstructured.Unstructured, object Object) []Finding {
	if live == nil {
		return nil
	}
	switch object.GetKind() {
	case "PersistentVolumeClaim":
		return claimFixed(object, live.Object, object.Object, "kubectl -n "+object.GetNamespace()+" get persistentvolumeclaim "+object.GetName())
	case "StatefulSet":
		return slices.Concat(volumesFixed(live, object), keptFields(live, object, "selector", "serviceName", "podManagementPolicy"), versionsFixed(live, object))
	case "Deployment":
		return keptFields(live, object, "selector")
	case "Service":
		return headless(live, object)
	default:
		return nil
	}
}

// claimFixed compares two claims:
//
//	spec:
//	  accessModes: [ReadWriteMany]
//	  storageClassName: cephfs
//	  resources:
//	    requests:
//	      storage: 10Gi
func claimFixed(object Object, live, wanted map[string]any, look string) []Finding {
	keep := "set the old value (" + look + "), or move the data to another volume by hand"
	var findings []Finding
	finding := func(message, hint string) {
		findings = append(findings, Finding{About: object.String(), Message: message, Hint: hint})
	}
	class, _, _ := unstructured.NestedString(wanted, "spec", "storageClassName")
	liveClass, _, _ := unstructured.NestedString(live, "spec", "storageClassName")
	if class != "" && liveClass != "" && class != liveClass {
		finding(fmt.Sprintf("its volume is of storage class %s and cannot change to %s", liveClass, class), keep)
	}
	modes, _, _ := unstructured.NestedStringSlice(wanted, "spec", "accessModes")
	liveModes, _, _ := unstructured.NestedStringSlice(live, "spec", "accessModes")
	if !slices.Equal(modes, liveModes) {
		finding(fmt.Sprintf("its volume is %s and cannot change to %s", strings.Join(liveModes, ", "), strings.Join(modes, ", ")), keep)
	}
	if size, liveSize := storage(wanted), storage(live); size.Cmp(liveSize) < 0 {
		finding(fmt.Sprintf("its volume has %s and cannot shrink to %s", liveSize.String(), size.String()), keep)
	}
	return findings
}

func storage(claim map[string]any) resource.Quantity {
	text, _, _ := unstructured.NestedString(claim, "spec", "resources", "requests", "storage")
	size, err := resource.ParseQuantity(text)
	if err != nil {
		return resource.Quantity{}
	}
	return size
}

// volumesFixed compares the claims of a StatefulSet. They cannot be changed
// at all, but grow by hand while the database runs.
func volumesFixed(live *unstructured.Unstructured, object Object) []Finding {
	wanted, there := volumeTemplates(object.Unstructured), volumeTemplates(live)
	if !slices.Equal(slices.Sorted(maps.Keys(wanted)), slices.Sorted(maps.Keys(there))) {
		return []Finding{{
			About:   object.String(),
			Message: fmt.Sprintf("has the volumes %v and cannot change to %v", slices.Sorted(maps.Keys(there)), slices.Sorted(maps.Keys(wanted))),
			Hint:    anew(object),
		}}
	}
	var findings []Finding
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		look := fmt.Sprintf("kubectl -n %s get persistentvolumeclaim %s-%s-0", object.GetNamespace(), name, object.GetName())
		refused := claimFixed(object, there[name], wanted[name], look)
		size, liveSize := storage(wanted[name]), storage(there[name])
		if len(refused) == 0 && size.Cmp(liveSize) > 0 {
			refused = []Finding{{
				About:   object.String(),
				Message: fmt.Sprintf("its volume has %s, and does not grow to %s by itself", liveSize.String(), size.String()),
				Hint: fmt.Sprintf(`kubectl -n %s patch persistentvolumeclaim %s-%s-0 -p '{"spec":{"resources":{"requests":{"storage":"%s"}}}}' && %s`,
					object.GetNamespace(), name, object.GetName(), size.String(), anew(object)),
			}}
		}
		findings = append(findings, refused...)
	}
	return findings
}

// anew has a workload made anew around the pods and volumes that it has. A
// Deployment of other labels would leave its pods behind.
func anew(object Object) string {
	if object.GetKind() == "Deployment" {
		return fmt.Sprintf("leave the layout to whoever made it (deploy: {mode: patch}), or kubectl -n %s delete deployment %s, and ship again",
			object.GetNamespace(), object.GetName())
	}
	return fmt.Sprintf("kubectl -n %s delete %s %s --cascade=orphan, which leaves its pods and volumes, and ship again",
		object.GetNamespace(), strings.ToLower(object.GetKind()), object.GetName())
}

// keptFields are those of the spec that stay as they were made.
func keptFields(live *unstructured.Unstructured, object Object, fields ...string) []Finding {
	var findings []Finding
	for _, field := range fields {
		wanted, set, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", field)
		there, _, _ := unstructured.NestedFieldNoCopy(live.Object, "spec", field)
		if !set || reflect.DeepEqual(wanted, there) {
			continue
		}
		findings = append(findings, Finding{
			About:   object.String(),
			Message: fmt.Sprintf("spec.%s is %s and cannot change to %s: somebody else has laid it out", field, written(there), written(wanted)),
			Hint:    anew(object),
		})
	}
	return findings
}

// headless tells a Service with an address from one without: neither becomes
// the other.
func headless(live *unstructured.Unstructured, object Object) []Finding {
	address := func(service *unstructured.Unstructured) string {
		ip, _, _ := unstructured.NestedString(service.Object, "spec", "clusterIP")
		if ip != "None" {
			return "an address"
		}
		return "none"
	}
	wanted, there := address(object.Unstructured), address(live)
	if wanted == there {
		return nil
	}
	return []Finding{{
		About:   object.String(),
		Message: fmt.Sprintf("spec.clusterIP is %s and cannot change to %s", there, wanted),
		Hint:    fmt.Sprintf("kubectl -n %s delete service %s, and ship again, which makes it anew", object.GetNamespace(), object.GetName()),
	}}
}

// versionsFixed refuses an older version of a program that keeps data: a
// database does not read the files of its successor.
func versionsFixed(live *unstructured.Unstructured, object Object) []Finding {
	wanted, there := podSpecOf(object.Unstructured), podSpecOf(live)
	if wanted == nil || there == nil || len(volumeTemplates(live)) == 0 {
		return nil
	}
	var findings []Finding
	for _, container := range wanted.Containers {
		for _, other := range there.Containers {
			if container.Name == other.Name && older(container.Image, other.Image) {
				findings = append(findings, Finding{
					About:   object.String(),
					Message: fmt.Sprintf("its data is that of %s, and %s cannot read it", other.Image, container.Image),
					Hint:    "keep the version, or load a dump into an empty database of the older one",
				})
			}
		}
	}
	return findings
}

// older compares two images by the version in their tags, as far as both are
// given, but no further than the second number: what comes after it does not
// change how data is kept. Different programs cannot be compared.
func older(image, than string) bool {
	program, number := versionOf(image)
	otherProgram, other := versionOf(than)
	if program != otherProgram || number == nil || other == nil {
		return false
	}
	for i := range min(2, len(number), len(other)) {
		if number[i] != other[i] {
			return number[i] < other[i]
		}
	}
	return false
}

// versionOf takes "docker.io/library/mariadb:11.8-noble@sha256:…" for
// mariadb, [11 8], and "mariadb:11" for mariadb, [11].
func versionOf(image string) (string, []uint) {
	image, _, _ = strings.Cut(image, "@")
	name, tag, _ := strings.Cut(path.Base(image), ":")
	tag, _, _ = strings.Cut(tag, "-")
	parsed, err := version.ParseGeneric(tag + ".0") // it wants two numbers at least
	if err != nil {
		return name, nil
	}
	return name, parsed.Components()[:strings.Count(tag, ".")+1]
}

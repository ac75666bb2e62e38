package deployer

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/sitectl/sitectl/site"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// readSite reads testdata/sites/<name>.yaml.
func readSite(t *testing.T, name, environment string) site.Site {
	t.Helper()
	file := filepath.Join("testdata", "sites", name+".yaml")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	s, err := site.Parse(file, data, environment)
	require.NoError(t, err)
	return s
}

func testImage(s site.Site) site.Image {
	return site.Image{
		Repository: s.Image,
		Tag:        "a1b2c3d",
		Digest:     "sha256:" + strings.Repeat("0123456789abcdef", 4),
		Commit: site.Commit{
			SHA:     "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678",
			Tag:     "a1b2c3d",
			Time:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			Author:  "Ada",
			Subject: "Greet in French",
		},
	}
}

func mustObjects(t *testing.T, s site.Site) []Object {
	t.Helper()
	objects, err := Objects(s, testImage(s))
	require.NoError(t, err)
	return objects
}

func TestObjectsGolden(t *testing.T) {
	tests := []struct{ site, environment string }{
		{"plain", ""},
		{"everything", "production"},
		{"everything", "staging"},
		{"wordpress", ""},
		{"drupal", ""},
		{"mediawiki", ""},
		{"database", ""},
		{"gateway", ""},
		{"shop", ""},
	}
	for _, test := range tests {
		name := strings.Trim(test.site+"-"+test.environment, "-")
		t.Run(name, func(t *testing.T) {
			s := readSite(t, test.site, test.environment)
			objects, err := Objects(s, testImage(s))
			require.NoError(t, err)
			manifests, err := Manifests(objects)
			require.NoError(t, err)
			golden(t, filepath.Join("kubernetes", name+".yaml"), manifests)
		})
	}
}

// golden compares with testdata/golden/<name>, or writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
}

func TestObjectsBeforeTheBuildNameTheTag(t *testing.T) {
	s := readSite(t, "plain", "")
	image := testImage(s)
	image.Digest = ""
	objects, err := Objects(s, image)
	require.NoError(t, err)
	containers, _, err := unstructured.NestedSlice(find(t, objects, "Deployment").Object, "spec", "template", "spec", "containers")
	require.NoError(t, err)
	assert.Equal(t, "registry.example.com/agency/plain:a1b2c3d", containers[0].(map[string]any)["image"])
}

func find(t *testing.T, objects []Object, kind string) Object {
	t.Helper()
	i := slices.IndexFunc(objects, func(o Object) bool { return o.GetKind() == kind })
	require.NotEqual(t, -1, i, "no %s", kind)
	return objects[i]
}

// hostile has everything that ends a value in one of the languages a value
// passes through: YAML, Mustache, JSON.
const hostile = "x\"'`\\\n---\nkind: Pod\n{{Namespace}}{{{Image}}}{{#Varnish}} # &a *a !!int ? - : {[]},|>%@\t\u0000\u007f\u0085\u2028\ufeff\U0001f600$(id) ${HOME}"

// TestHostileValues fills every string of a site with what could break out
// of a value. The objects must have the structure of benign ones, and hold
// the values as they are.
func TestHostileValues(t *testing.T) {
	hostileObjects(t, "shop")
	hostileObjects(t, "database")
	got := hostileObjects(t, "everything")

	deployment := find(t, got, "Deployment")
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	require.NoError(t, err)
	assert.Equal(t, hostile+":"+hostile+"@"+hostile, containers[0].(map[string]any)["image"])
	assert.Equal(t, hostile, deployment.GetNamespace())
	rules, _, err := unstructured.NestedSlice(find(t, got, "Ingress").Object, "spec", "rules")
	require.NoError(t, err)
	assert.Equal(t, hostile, rules[0].(map[string]any)["host"])
	assert.Equal(t, hostile, find(t, got, "CronJob").GetName())
}

// hostileObjects returns the objects of a site of which every text is hostile.
func hostileObjects(t *testing.T, name string) []Object {
	t.Helper()
	benign, hostileSite := readSite(t, name, ""), readSite(t, name, "")
	fill(reflect.ValueOf(&hostileSite).Elem(), "")
	image := testImage(benign)
	hostileImage := image
	fill(reflect.ValueOf(&hostileImage).Elem(), "")

	want, err := Objects(benign, image)
	require.NoError(t, err)
	got, err := Objects(hostileSite, hostileImage)
	require.NoError(t, err)
	require.Len(t, got, len(want))
	for i := range want {
		assert.Equal(t, structure(want[i].Object), structure(got[i].Object), want[i].String())
		assert.Equal(t, want[i].GroupVersionKind(), got[i].GroupVersionKind())
	}
	return got
}

// unrenderable are numbers to Kubernetes, or texts in configuration that has no
// quotes for everything: a hostile one is an error, before it becomes an
// object.
var unrenderable = map[string][]string{
	"everything": {
		".Ingress.UploadSize", ".Ingress.Redirects.From", ".Ingress.Redirects.To",
		".Web.Resources.CPU", ".Web.Resources.Memory", ".Web.Varnish.Memory",
		".Database.MariaDB.Memory", ".Database.MariaDB.Storage",
		".Cache.Memcached.Memory", ".Files.Volume.Size", ".Migrate.Backup.Size",
	},
	"shop": {".Cache.Redis.Memory"},
}

func isUnrenderable(path string) bool {
	return slices.Contains(slices.Concat(slices.Collect(maps.Values(unrenderable))...), path)
}

// choices are words that are looked at and never rendered.
var choices = []string{".Secrets.For"}

// fill sets every string that is set to hostile.
func fill(value reflect.Value, path string) {
	switch value.Kind() {
	case reflect.String:
		if value.String() != "" && !isUnrenderable(path) && !slices.Contains(choices, path) {
			value.SetString(hostile)
		}
	case reflect.Pointer:
		if !value.IsNil() {
			fill(value.Elem(), path)
		}
	case reflect.Struct:
		if value.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range value.NumField() {
			fill(value.Field(i), path+"."+value.Type().Field(i).Name)
		}
	case reflect.Slice:
		for i := range value.Len() {
			fill(value.Index(i), path)
		}
	}
}

// structure is what remains of JSON without the text of its strings. Keys
// with a hostile value in them would not be equal.
func structure(value any) any {
	switch value := value.(type) {
	case map[string]any:
		fields := map[string]any{}
		for key, element := range value {
			fields[key] = structure(element)
		}
		return fields
	case []any:
		var elements []any
		for _, element := range value {
			elements = append(elements, structure(element))
		}
		return elements
	case string:
		return "text"
	default:
		return value
	}
}

func TestHostileValuesAreRefused(t *testing.T) {
	for name, paths := range unrenderable {
		for _, path := range paths {
			t.Run(path, func(t *testing.T) {
				s := readSite(t, name, "")
				field := reflect.ValueOf(&s)
				for name := range strings.SplitSeq(strings.TrimPrefix(path, "."), ".") {
					field = reflect.Indirect(field).FieldByName(name)
					if field.Kind() == reflect.Slice {
						field = field.Index(0)
					}
				}
				field.SetString(hostile)
				_, err := Objects(s, testImage(s))
				require.Error(t, err)
			})
		}
	}
}

// TestPods asserts what every pod template must have, whatever it is for.
func TestPods(t *testing.T) {
	seen := 0
	for _, object := range slices.Concat(siteObjects(t, "everything"), siteObjects(t, "shop")) {
		spec := podSpec(object)
		if spec == nil {
			continue
		}
		seen++
		t.Run(object.String(), func(t *testing.T) {
			assert.Equal(t, false, spec["automountServiceAccountToken"])
			assert.Equal(t, false, spec["enableServiceLinks"])
			assert.Equal(t, []any{map[string]any{"name": "registry"}}, spec["imagePullSecrets"])
			security := spec["securityContext"].(map[string]any)
			assert.Equal(t, true, security["runAsNonRoot"])
			assert.NotZero(t, security["runAsUser"])
			assert.Equal(t, map[string]any{"type": "RuntimeDefault"}, security["seccompProfile"])
			for _, container := range containersOf(spec) {
				assertRestricted(t, container)
			}
		})
	}
	assert.Equal(t, 9, seen) // web, mysql, memcache, migrate, two CronJobs; web, redis, migrate
}

func siteObjects(t *testing.T, name string) []Object {
	t.Helper()
	s := readSite(t, name, "")
	objects, err := Objects(s, testImage(s))
	require.NoError(t, err)
	return objects
}

func assertRestricted(t *testing.T, container map[string]any) {
	t.Helper()
	security := container["securityContext"].(map[string]any)
	assert.Equal(t, false, security["allowPrivilegeEscalation"])
	assert.Equal(t, true, security["readOnlyRootFilesystem"])
	assert.Equal(t, map[string]any{"drop": []any{"ALL"}}, security["capabilities"])
	resources := container["resources"].(map[string]any)
	assert.Contains(t, resources["requests"], "memory")
	assert.Contains(t, resources["limits"], "memory")
	for _, variable := range toSlice(container["env"]) {
		value := variable.(map[string]any)
		assert.NotContains(t, value, "valueFrom", "a secret has no place in the environment")
	}
}

// TestSecretsAreWhereTheyAreRead, and in no other container: Varnish speaks
// to everybody and has no need of any.
func TestSecretsAreWhereTheyAreRead(t *testing.T) {
	s := readSite(t, "everything", "production")
	objects, err := Objects(s, testImage(s))
	require.NoError(t, err)
	found := map[string][]string{}
	for _, object := range objects {
		if object.Stage == StageFoundation || podSpec(object) == nil {
			continue
		}
		for _, container := range containersOf(podSpec(object)) {
			name := object.GetLabels()["app.kubernetes.io/name"] + "/" + container["name"].(string)
			found[name] = nil
			for _, mount := range toSlice(container["volumeMounts"]) {
				if path, ok := strings.CutPrefix(mount.(map[string]any)["mountPath"].(string), "/secrets/"); ok {
					found[name] = append(found[name], path)
				}
			}
		}
	}
	assert.Equal(t, map[string][]string{
		"web/varnish":      nil,
		"web/web":          {"database", "smtp", "payment"},
		"migrate/database": {"database", "smtp", "search"},
		"migrate/search":   {"database", "smtp", "search"},
		"cron/cron":        {"database", "smtp", "payment"},
	}, found)
}

// podSpec returns the pod template's spec of an object, nil if it has none.
func podSpec(object Object) map[string]any {
	for _, path := range [][]string{
		{"spec", "template", "spec"},
		{"spec", "jobTemplate", "spec", "template", "spec"},
	} {
		if spec, found, _ := unstructured.NestedMap(object.Object, path...); found {
			return spec
		}
	}
	return nil
}

func containersOf(spec map[string]any) []map[string]any {
	var containers []map[string]any
	for _, container := range slices.Concat(toSlice(spec["initContainers"]), toSlice(spec["containers"])) {
		containers = append(containers, container.(map[string]any))
	}
	return containers
}

func toSlice(value any) []any {
	list, _ := value.([]any)
	return list
}

// TestDataIsNotRestartedByAShip: what differs between two commits must not
// be in the pods of the database and the cache.
func TestDataIsNotRestartedByAShip(t *testing.T) {
	s := readSite(t, "everything", "production")
	first := testImage(s)
	second := first
	second.Tag, second.Digest, second.Commit.Subject = "ffffff0", "sha256:"+strings.Repeat("f", 64), "Another"
	before, err := Objects(s, first)
	require.NoError(t, err)
	after, err := Objects(s, second)
	require.NoError(t, err)
	for i := range before {
		if before[i].Stage == StageFoundation {
			assert.Equal(t, before[i].Object, after[i].Object, before[i].String())
		}
	}
}

// Kubernetes reads $$ as $ and $(NAME) as a variable, so that a command with
// neither in it arrives as it was written.
func TestCommandsAreNotExpanded(t *testing.T) {
	assert.Equal(t,
		[]string{"sh", "-c", "echo $$(HOSTNAME) $$$$ $${PATH}"},
		verbatim([]string{"sh", "-c", "echo $(HOSTNAME) $$ ${PATH}"}))
}

func TestJobNamesFitALabel(t *testing.T) {
	assert.Equal(t, "migrate-a1b2c3d-1", jobName("a1b2c3d", 1))
	long := jobName("a1b2c3d-dirty-"+strings.Repeat("0123456789", 10), 1000)
	assert.LessOrEqual(t, len(long), 63)
	assert.True(t, strings.HasSuffix(long, "-1000"))
	assert.NotContains(t, jobName(strings.Repeat("a", 47)+"-bbbb", 1), "--")
}

func TestStagesComeInOrder(t *testing.T) {
	s := readSite(t, "everything", "production")
	objects, err := Objects(s, testImage(s))
	require.NoError(t, err)
	var names []string
	for _, object := range objects {
		names = append(names, fmt.Sprintf("%s: %s", object.Stage, object))
	}
	assert.Equal(t, []string{
		"foundation: Namespace example-com",
		"foundation: ConfigMap site",
		"foundation: NetworkPolicy web",
		"foundation: NetworkPolicy acme",
		"foundation: NetworkPolicy site",
		"foundation: ConfigMap apache",
		"foundation: ConfigMap varnish",
		"foundation: PersistentVolumeClaim files",
		"foundation: Service mysql",
		"foundation: StatefulSet mysql",
		"foundation: Service memcache",
		"foundation: StatefulSet memcache",
		"foundation: PodDisruptionBudget memcache",
		"foundation: PersistentVolumeClaim backup",
		"migrate: Job migrate-a1b2c3d-1",
		"web: Service web",
		"web: Deployment web",
		"web: PodDisruptionBudget web",
		"web: Ingress web",
		"cron: CronJob newsletter",
		"cron: CronJob report",
	}, names)
}

package deployer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/site"
)

// readOwn reads testdata/own as the manifests of a site.
func readOwn(t *testing.T) site.Own {
	t.Helper()
	var own site.Own
	for _, name := range []string{"search.yaml", "worker.yaml"} {
		content, err := os.ReadFile(filepath.Join("testdata", "own", name))
		require.NoError(t, err)
		own.Manifests = append(own.Manifests, site.OwnFile{Path: site.ManifestsDir + "/" + name, Content: content})
	}
	return own
}

func TestOwnManifestsGolden(t *testing.T) {
	s := readSite(t, "database", "")
	rendered, err := Objects(s, testImage(s))
	require.NoError(t, err)
	objects, err := AllObjects(s, readOwn(t), testImage(s))
	require.NoError(t, err)
	own := objects[len(rendered):]
	manifests, err := Manifests(own)
	require.NoError(t, err)
	golden(t, filepath.Join("kubernetes", "own.yaml"), manifests)
	var stages []string
	for _, object := range own {
		stages = append(stages, string(object.Stage)+": "+object.String())
	}
	assert.Equal(t, []string{"web: Service solr", "web: StatefulSet solr", "cron: CronJob reindex", "web: ServiceMonitor solr", "web: Deployment worker"}, stages)
}

// TestOwnDataIsNotRestartedByAShip: what does not run the site's image is the
// same for the next commit.
func TestOwnDataIsNotRestartedByAShip(t *testing.T) {
	s := readSite(t, "database", "")
	first := testImage(s)
	second := first
	second.Tag, second.Digest = "ffffff0", "sha256:"+strings.Repeat("f", 64)
	before, err := AllObjects(s, readOwn(t), first)
	require.NoError(t, err)
	after, err := AllObjects(s, readOwn(t), second)
	require.NoError(t, err)
	for i := range before {
		switch before[i].String() {
		case "StatefulSet solr":
			assert.Equal(t, before[i].Object, after[i].Object)
		case "Deployment worker", "CronJob reindex":
			assert.NotEqual(t, before[i].Object, after[i].Object)
		}
	}
}

func TestOwnManifestsAreRefused(t *testing.T) {
	const deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: worker}\nspec: {selector: {matchLabels: {a: b}}, template: "
	tests := []struct{ name, manifest, message string }{
		{"unknown field", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndatas: {}", `unknown field "datas"`},
		{"key twice", "apiVersion: example.com/v1\nkind: Thing\nkind: Thing", `key "kind" already set`},
		{"no kind", "metadata: {name: a}", "Object 'Kind' is missing"},
		{"no name", "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}", "ConfigMap has no name"},
		{"another namespace", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: kube-system}", "ConfigMap a is in the namespace kube-system, and the site in shop-example-com"},
		{"the whole cluster", "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}", "ClusterRole a does not belong to the site alone"},
		{"a secret", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {password: hunter2}", "Secret a would be readable"},
		{"a job", "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}", "Job a cannot be changed once it is there"},
		{"sitectl's own", "apiVersion: v1\nkind: Service\nmetadata: {name: web}", "Service web is rendered by sitectl"},
		{"twice", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}", "ConfigMap a is there twice"},
		{"labels of somebody else", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {app.kubernetes.io/managed-by: Helm}}", "ConfigMap a has the label app.kubernetes.io/managed-by: Helm"},
		{"pods that the Service web would find", deployment + "{metadata: {labels: {app.kubernetes.io/name: web}}, spec: {containers: [{name: a, image: a}]}}}", "would be taken for those of sitectl's own web"},
		{"a tag of the site's image", deployment + `{spec: {containers: [{name: a, image: "registry.example.com/agency/shop:latest"}]}}}`, "is not the one of the release"},
		{"half a marker", deployment + `{spec: {containers: [{name: a, image: "${SITE_IMAGE}-debug"}]}}}`, "is not the one of the release"},
	}
	s := readSite(t, "database", "")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			own := site.Own{Manifests: []site.OwnFile{{Path: site.ManifestsDir + "/a.yaml", Content: []byte(test.manifest)}}}
			_, err := AllObjects(s, own, testImage(s))
			require.ErrorContains(t, err, test.message)
			require.ErrorContains(t, err, ".sitectl/manifests/a.yaml")
			assert.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestOwnManifestsAreReportedTogether(t *testing.T) {
	s := readSite(t, "plain", "")
	own := site.Own{Manifests: []site.OwnFile{
		{Path: ".sitectl/manifests/a.yaml", Content: []byte("kind: Nothing\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}")},
		{Path: ".sitectl/manifests/b.yaml", Content: []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: b}")},
	}}
	_, err := AllObjects(s, own, testImage(s))
	require.ErrorContains(t, err, ".sitectl/manifests/a.yaml: ")
	require.ErrorContains(t, err, ".sitectl/manifests/a.yaml, document 2: Pod a")
	require.ErrorContains(t, err, ".sitectl/manifests/b.yaml: Secret b")
}

func TestOwnTemplates(t *testing.T) {
	s := readSite(t, "everything", "production")
	replace := func(name, text string) site.Own {
		return site.Own{Templates: []site.OwnFile{{Path: site.TemplatesDir + "/" + name, Content: []byte(text)}}}
	}
	service := "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: {{Namespace}}\n" +
		"  annotations: {example.com/pool: fast}\n  labels:\n    app.kubernetes.io/name: web\n    {{> labels.yaml}}\n"
	objects, err := AllObjects(s, replace("kubernetes/web.service.yaml.mustache", service), testImage(s))
	require.NoError(t, err)
	var found Object
	for _, object := range objects {
		if object.String() == "Service web" {
			found = object
		}
	}
	assert.Equal(t, map[string]string{"example.com/pool": "fast"}, found.GetAnnotations())

	objects, err = AllObjects(s, replace("config/varnish.vcl.mustache", "vcl 4.1; # ours\n"), testImage(s))
	require.NoError(t, err)
	manifests, err := Manifests(objects)
	require.NoError(t, err)
	assert.Contains(t, string(manifests), "vcl 4.1; # ours")

	_, err = AllObjects(s, replace("kubernetes/web.service.yaml.mustache", strings.Replace(service, "name: web", "name: www", 1)), testImage(s))
	require.ErrorContains(t, err, "a template makes Service www")
	_, err = AllObjects(s, replace("kubernetes/partials/labels.yaml.mustache", "a: b\n"), testImage(s))
	require.ErrorContains(t, err, "lacks labels by which sitectl knows it")
	_, err = AllObjects(s, replace("kubernetes/web.service.yml.mustache", service), testImage(s))
	var refused *ManifestError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "did you mean .sitectl/templates/kubernetes/web.service.yaml.mustache?", refused.Hint())
	_, err = AllObjects(s, replace("build/Dockerfile.mustache", "FROM scratch"), testImage(s))
	require.ErrorContains(t, err, "there is no template of this name to replace")
}

// Package judge has others judge the Kubernetes objects of sample sites:
// kubeconform, whether they are what Kubernetes takes, and kube-score, whether
// they are good. It is a module of its own, because nothing that sitectl or the
// lab is made of should depend on either.
package judge

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yannh/kubeconform/pkg/validator"
	"github.com/zegl/kube-score/config"
	"github.com/zegl/kube-score/domain"
	"github.com/zegl/kube-score/parser"
	"github.com/zegl/kube-score/score"
	"github.com/zegl/kube-score/score/checks"
	"github.com/zegl/kube-score/scorecard"
)

// goldenSites are the objects of every sample site, each a file as `sitectl
// render` prints them, without own.yaml: what a site brings itself is as its
// author wants it.
func goldenSites(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../deployer/testdata/golden/kubernetes/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return slices.DeleteFunc(files, func(file string) bool { return filepath.Base(file) == "own.yaml" })
}

func TestKubeconform(t *testing.T) {
	judge, err := validator.New([]string{writeSchemas(t)}, validator.Opts{Strict: true})
	require.NoError(t, err)
	for _, file := range goldenSites(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.Open(file)
			require.NoError(t, err)
			results := judge.ValidateWithContext(t.Context(), file, content)
			require.NotEmpty(t, results)
			for _, result := range results {
				signature, err := result.Resource.Signature()
				require.NoError(t, err)
				assert.NoError(t, result.Err, "%s %s", signature.Kind, signature.Name)
				assert.Equal(t, validator.Valid, result.Status, "%s %s", signature.Kind, signature.Name)
			}
		})
	}
}

// TestKubeconformRefuses shows that the schemas are those of the objects, and
// strict.
func TestKubeconformRefuses(t *testing.T) {
	judge, err := validator.New([]string{writeSchemas(t)}, validator.Opts{Strict: true})
	require.NoError(t, err)
	for name, manifest := range map[string]string{
		"a field that is not there": "spec: {replica: 1, selector: {}, template: {}}",
		"a field that is missing":   "spec: {template: {}}",
		"a wrong type":              "spec: {replicas: three, selector: {}, template: {}}",
		"a field further down":      "spec: {selector: {}, template: {spec: {containers: [{name: web, imag: web}]}}}",
	} {
		manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n" + manifest
		results := judge.Validate(name, io.NopCloser(strings.NewReader(manifest)))
		require.Len(t, results, 1)
		assert.Equal(t, validator.Invalid, results[0].Status, name)
	}
}

// exception is a critical finding of kube-score that stands.
type exception struct {
	check string
	of    []string // objects and containers; nil for all
}

var exceptions = []exception{
	// The site's image has a digest and cannot change. To ask for it at every
	// start would make each restart of a site depend on the registry.
	{"container-image-pull-policy", nil},
	// The user of the public image, to whom its files and the volume belong.
	{"container-security-context-user-group-id", []string{"mysql", "redis", "varnish", "backup", "restore", "rclone"}},
	// A connection is all that can be asked of an image without a client.
	{"pod-probes-identical", []string{"memcache"}},
	// The pods that answer a certificate authority are cert-manager's, and
	// there for moments only.
	{"networkpolicy-targets-pod", []string{"acme"}},
}

// TestKubeScore asserts that nothing is critical but what is listed, and that
// nothing is listed that is not.
func TestKubeScore(t *testing.T) {
	used := map[string]bool{}
	for _, file := range goldenSites(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			for _, object := range scores(t, file) {
				for _, check := range object.Checks {
					if check.Skipped || check.Grade > scorecard.GradeCritical {
						continue
					}
					assert.NotEmpty(t, check.Comments, check.Check.ID)
					for _, comment := range check.Comments {
						if excepted(check.Check.ID, object.ObjectMeta.Name, comment.Path) {
							used[check.Check.ID] = true
							continue
						}
						assert.Fail(t, check.Check.ID, "%s %s %s: %s", object.TypeMeta.Kind, object.ObjectMeta.Name, comment.Path, comment.Summary)
					}
				}
			}
		})
	}
	for _, exception := range exceptions {
		assert.True(t, used[exception.check], "%s is no exception any more", exception.check)
	}
}

// excepted says whether a finding about an object, or a container of it,
// stands.
func excepted(check, object, container string) bool {
	return slices.ContainsFunc(exceptions, func(e exception) bool {
		return e.check == check && (e.of == nil || slices.Contains(e.of, object) || slices.Contains(e.of, container))
	})
}

// scores judges the objects of a site together: one that is rendered by
// itself, for a command, is part of the site that has everything.
func scores(t *testing.T, file string) scorecard.Scorecard {
	t.Helper()
	files := []string{file}
	switch filepath.Base(file) {
	case "backup.yaml":
		files = append(files, filepath.Join(filepath.Dir(file), "everything-production.yaml"))
	case "backup-external.yaml":
		files = append(files, filepath.Join(filepath.Dir(file), "shop.yaml"))
	case "backup-s3.yaml":
		files = append(files, filepath.Join(filepath.Dir(file), "database.yaml"))
	}
	var contents []domain.NamedReader
	for _, file := range files {
		content, err := os.Open(file)
		require.NoError(t, err)
		defer content.Close()
		contents = append(contents, content)
	}
	reader, err := parser.New(nil)
	require.NoError(t, err)
	objects, err := reader.ParseFiles(contents)
	require.NoError(t, err)
	run := &config.RunConfiguration{
		KubernetesVersion: config.Semver{Major: 1, Minor: 33},
		// Throttling a server makes every request slow to save nothing.
		IgnoreContainerCpuLimitRequirement: true,
	}
	card, err := score.Score(objects, score.RegisterAllChecks(objects, &checks.Config{}, run), run)
	require.NoError(t, err)
	return *card
}

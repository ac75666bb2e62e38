package deployer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/site"
)

func TestKubeconfigErrors(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("KUBECONFIG", "")
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	good := file("good", "apiVersion: v1\nkind: Config\ncontexts:\n- {name: stable, context: {cluster: c}}\n- {name: review, context: {cluster: c}}\n"+
		"clusters:\n- {name: c, cluster: {server: \"https://127.0.0.1:1\"}}\n")
	for name, test := range map[string]struct{ path, context, message, hint string }{
		"none":                 {"", "", "no cluster is named", "log in to the cluster"},
		"an empty one":         {file("empty", ""), "", "no cluster is named", "log in to the cluster"},
		"not there":            {filepath.Join(dir, "nowhere"), "", "no such file", "--kubeconfig or the variable KUBECONFIG"},
		"no YAML":              {file("broken", "clusters: ["), "", "yaml", "--kubeconfig or the variable KUBECONFIG"},
		"a context too many":   {file("bare", "apiVersion: v1\nkind: Config\n"), "stable", `it has no context "stable"`, "there is no context in it"},
		"a misspelled context": {good, "stabel", `it has no context "stabel"`, `did you mean "stable"?`},
		"an unknown context":   {good, "production", `it has no context "production"`, "there is: review, stable; name one with --context"},
		"a certificate that is gone": {
			file("half", "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts:\n- {name: a, context: {cluster: c}}\n"+
				"clusters:\n- {name: c, cluster: {server: \"https://127.0.0.1:1\", certificate-authority: nowhere.pem}}\n"), "",
			"unable to read certificate-authority", "kubectl config view",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Connect(site.Site{Context: test.context}, Options{Kubeconfig: test.path})
			var wrong *KubeconfigError
			require.ErrorAs(t, err, &wrong)
			assert.Contains(t, err.Error(), "read kubeconfig: ")
			assert.Contains(t, err.Error(), test.message)
			assert.Contains(t, wrong.Hint(), test.hint)
		})
	}
	assert.Equal(t, []string{"review", "stable"}, Contexts(good))
	assert.Empty(t, Contexts(filepath.Join(dir, "nowhere")))
}

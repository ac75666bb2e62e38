package site

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

const siteFiles = "../testdata/site-files"

// golden compares a text with a golden file, or writes it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func siteFilePaths(t testing.TB, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(siteFiles, folder, "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	return paths
}

// TestProblems compares what is said about every bad file, word by word.
func TestProblems(t *testing.T) {
	for _, path := range siteFilePaths(t, "bad") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			_, err = Parse("site.yaml", data, "")
			var problems Problems
			require.ErrorAs(t, err, &problems)
			for _, problem := range problems {
				assert.Equal(t, "site.yaml", problem.File)
				assert.Equal(t, 1, strings.Count(problem.String()+"\n", "\n"), "one line: %q", problem)
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".problems", err.Error()+"\n")
		})
	}
}

// TestResolved compares the good files in full, each for all environments.
func TestResolved(t *testing.T) {
	environments := map[string][]string{
		"full.yaml":         {"production", "staging", "review"},
		"environments.yaml": {"production", "staging"},
		"external.yaml":     {"production", "staging"},
		"backup-s3.yaml":    {"production", "staging"},
		"patch.yaml":        {"production", "staging"},
	}
	for _, path := range siteFilePaths(t, "good") {
		names := environments[filepath.Base(path)]
		if names == nil {
			names = []string{""}
		}
		for _, environment := range names {
			t.Run(filepath.Base(path)+" "+environment, func(t *testing.T) {
				site, err := Read(path, environment)
				require.NoError(t, err)
				text, err := Marshal(site)
				require.NoError(t, err)
				golden(t, strings.TrimSuffix(strings.TrimSuffix(path, "yaml")+environment, ".")+".resolved", string(text))

				again, err := Parse("resolved.yaml", text, "")
				require.NoError(t, err)
				assert.Equal(t, site, again, "the output of Marshal reads back to the same site")
			})
		}
	}
}

func TestReadUnreadableFile(t *testing.T) {
	folder := t.TempDir()
	large := filepath.Join(folder, "large.yaml")
	require.NoError(t, os.WriteFile(large, []byte(strings.Repeat("# comment\n", maxFileSize/10+1)), 0o600))
	missing := filepath.Join(folder, "site.yaml")
	for path, want := range map[string]string{
		missing: missing + ": cannot read the site file: no such file or directory; write one: sitectl init, or name another one with --file",
		folder:  folder + ": cannot read the site file: is a directory; name the file in it: --file " + missing,
		large:   large + ": the file is larger than 1024 KiB",
	} {
		_, err := Read(path, "")
		var problems Problems
		require.ErrorAs(t, err, &problems)
		assert.EqualError(t, err, want)
	}
}

func TestChooseEnvironment(t *testing.T) {
	const head = "site: example.com\nimage: registry.example.com/example\n"
	for _, test := range []struct {
		name, environments, asked, want, problem string
	}{
		{name: "none declared", want: ""},
		{name: "none declared, one asked for", asked: "staging", problem: `site.yaml:1:1: there is no environment "staging", for the file declares none; leave the name out, or declare it under environments`},
		{name: "resolved file", environments: "environment: staging", asked: "staging", want: "staging"},
		{name: "resolved file, nothing asked for", environments: "environment: staging", want: "staging"},
		{name: "resolved file, another asked for", environments: "environment: staging", asked: "live", problem: `site.yaml:1:1: there is no environment "live", for the file declares none; leave the name out, or declare it under environments`},
		{name: "production by default", environments: "environments: {staging: {}, production: {}}", want: "production"},
		{name: "the only one by default", environments: "environments: {staging: {}}", want: "staging"},
		{name: "by name", environments: "environments: {staging: {}, production: {}}", asked: "staging", want: "staging"},
		{name: "none by default", environments: "environments: {staging: {}, live: {}}", problem: "site.yaml:3:1: environments: no environment is named and there is no production; name one: staging or live"},
		{name: "slip", environments: "environments: {staging: {}, live: {}}", asked: "stagign", problem: `site.yaml:3:1: environments: there is no environment "stagign"; did you mean "staging"?`},
		{name: "unknown", environments: "environments: {staging: {}, live: {}}", asked: "qa", problem: `site.yaml:3:1: environments: there is no environment "qa"; declared: staging or live`},
	} {
		t.Run(test.name, func(t *testing.T) {
			site, err := Parse("site.yaml", []byte(head+test.environments), test.asked)
			if test.problem != "" {
				assert.EqualError(t, err, test.problem)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, site.Environment)
		})
	}
}

// TestEnvironmentsAreChecked shows that a mistake is found whichever
// environment is asked for, and once.
func TestEnvironmentsAreChecked(t *testing.T) {
	const file = `site: example.com
image: registry.example.com/example
cron: [{name: Nightly, schedule: "@daily", command: [php]}]
environments:
  production: {web: {replicas: 0}}
  staging: {}
`
	for _, environment := range []string{"production", "staging"} {
		_, err := Parse("site.yaml", []byte(file), environment)
		assert.EqualError(t, err, `site.yaml:3:15: cron[0].name: expected a DNS label of at most 52 characters, found "Nightly"
site.yaml:5:32: environments.production.web.replicas: expected a number of at least 1, found 0`)
	}
}

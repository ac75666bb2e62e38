package ci

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func TestPlatformAndImageOfRepository(t *testing.T) {
	for source, want := range map[string]struct {
		platform Platform
		image    string
	}{
		"https://gitlab.com/agency/Sites/shop":      {GitLab, "registry.gitlab.com/agency/sites/shop"},
		"https://github.com/Agency/shop":            {GitHub, "ghcr.io/agency/shop"},
		"https://gitlab.example.com/agency/shop":    {GitLab, ""},
		"https://git.gitlab.example.com/agency/ssh": {GitLab, ""},
		"https://git.example.com/agency/shop":       {"", ""},
		"https://github.com/":                       {GitHub, ""},
		"":                                          {"", ""},
	} {
		assert.Equal(t, want.platform, PlatformOf(source), source)
		assert.Equal(t, want.image, ImageOf(source), source)
	}
}

func TestPipelineGitLab(t *testing.T) {
	for source, want := range map[string]string{
		"":                                 "  - component: \"gitlab.com/sitectl/sitectl/ship@v1\"\n",
		"https://gitlab.com/agency/shop":   "  - component: \"gitlab.com/sitectl/sitectl/ship@v1\"\n",
		"https://git.example.com/ag/shop/": "  - remote: \"https://raw.githubusercontent.com/sitectl/sitectl/v1/ci/gitlab/sitectl.gitlab-ci.yml\"\n",
	} {
		text, err := Pipeline{Source: source}.Write(GitLab)
		require.NoError(t, err)
		assert.Equal(t, "# Builds the site, shows on merge requests what they change, and ships the\n# default branch.\ninclude:\n"+want, text)
	}
	text, err := Pipeline{File: "sites/shop/site.yaml"}.Write(GitLab)
	require.NoError(t, err)
	assert.Contains(t, text, "    inputs:\n      site-file: \"sites/shop/site.yaml\"\n")
}

// TestPipelinesFit: what they say to the component and to the action is what
// these take.
func TestPipelinesFit(t *testing.T) {
	file := Pipeline{File: "sites/shop/site.yaml"}

	include, err := os.ReadFile("gitlab/sitectl.gitlab-ci.yml")
	require.NoError(t, err)
	head, _, _ := strings.Cut(string(include), "\n---\n")
	var component struct {
		Spec struct {
			Inputs map[string]any `json:"inputs"`
		} `json:"spec"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(head), &component))
	text, err := file.Write(GitLab)
	require.NoError(t, err)
	var pipeline struct {
		Include []struct {
			Inputs map[string]any `json:"inputs"`
		} `json:"include"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(text), &pipeline))
	require.Len(t, pipeline.Include, 1)
	assert.Subset(t, slices.Collect(maps.Keys(component.Spec.Inputs)), slices.Collect(maps.Keys(pipeline.Include[0].Inputs)))

	definition, err := os.ReadFile("github/action.yml")
	require.NoError(t, err)
	var taken struct {
		Inputs map[string]any `json:"inputs"`
	}
	require.NoError(t, yaml.Unmarshal(definition, &taken))
	text, err = file.Write(GitHub)
	require.NoError(t, err)
	for _, given := range stepsOf(t, text) {
		assert.Subset(t, slices.Collect(maps.Keys(taken.Inputs)), slices.Collect(maps.Keys(given)))
	}
}

// stepsOf are the inputs of the steps of a workflow that use the action.
func stepsOf(t *testing.T, text string) []map[string]string {
	t.Helper()
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				Uses string            `json:"uses"`
				With map[string]string `json:"with"`
			} `json:"steps"`
		} `json:"jobs"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(text), &workflow))
	var inputs []map[string]string
	for _, job := range workflow.Jobs {
		for _, step := range job.Steps {
			if step.Uses == action {
				inputs = append(inputs, step.With)
			}
		}
	}
	return inputs
}

func TestPipelineGitHub(t *testing.T) {
	text, err := Pipeline{Branch: "trunk", File: "sites/shop/site.yaml"}.Write(GitHub)
	require.NoError(t, err)
	assert.Contains(t, text, "    branches: [\"trunk\"]\n")
	assert.Contains(t, text, "url: ${{ steps.site.outputs.url }}\n")
	steps := stepsOf(t, text)
	require.Len(t, steps, 2)
	for _, given := range steps {
		assert.Equal(t, "sites/shop/site.yaml", given["file"])
		assert.Equal(t, "${{ secrets.KUBECONFIG }}", given["kubeconfig"])
	}
	_, err = Pipeline{}.Write(Terminal)
	assert.Error(t, err)
}

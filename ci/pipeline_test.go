package ci

import (
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
		"":                                 "  - component: \"gitlab.com/sitectl/sitectl/ship@1\"\n",
		"https://gitlab.com/agency/shop":   "  - component: \"gitlab.com/sitectl/sitectl/ship@1\"\n",
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

func TestPipelineGitHub(t *testing.T) {
	text, err := Pipeline{Branch: "trunk", File: "sites/shop/site.yaml"}.Write(GitHub)
	require.NoError(t, err)
	assert.Contains(t, text, "    branches: [\"trunk\"]\n")
	assert.Contains(t, text, "url: ${{ steps.site.outputs.url }}\n")
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct {
				Uses string            `json:"uses"`
				With map[string]string `json:"with"`
			} `json:"steps"`
		} `json:"jobs"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(text), &workflow))
	require.Len(t, workflow.Jobs, 2)
	for _, job := range workflow.Jobs {
		for _, step := range job.Steps {
			if step.Uses == action {
				assert.Equal(t, "sites/shop/site.yaml", step.With["file"])
				assert.Equal(t, "${{ secrets.KUBECONFIG }}", step.With["kubeconfig"])
			}
		}
	}
	_, err = Pipeline{}.Write(Terminal)
	assert.Error(t, err)
}

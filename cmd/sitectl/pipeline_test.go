package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

func TestOutputsOfAResult(t *testing.T) {
	r := result{
		Outcome: "shipped", URL: "https://example.com",
		Image:   &imageResult{Reference: "registry.example.com/site:1a2b3c4@sha256:0", Digest: "sha256:0"},
		Release: &deployer.Release{Number: 7},
	}
	assert.Equal(t, []ci.Output{
		{Name: "outcome", Value: "shipped"},
		{Name: "image", Value: "registry.example.com/site:1a2b3c4@sha256:0"},
		{Name: "digest", Value: "sha256:0"},
		{Name: "release", Value: "7"},
		{Name: "url", Value: "https://example.com"},
	}, r.outputs())
	assert.Equal(t, []ci.Output{{Name: "outcome", Value: "failed"}, {Name: "image"}, {Name: "digest"}, {Name: "release"}, {Name: "url"}},
		result{Outcome: "failed"}.outputs())
	assert.Empty(t, result{Site: "example.com"}.links(), "a site without an ingress")
}

func TestSummaryOfAShip(t *testing.T) {
	s := newShipment(options{stderr: os.Stderr}, "shipped")
	s.pods.take(sampleRollout)
	s.changed = []string{"Deployment web configured"}
	summary := s.summary(result{
		Outcome: "failed", Site: "example.com", Environment: "staging", URL: "https://example.com",
		Commit:   site.Commit{SHA: "1a2b3c4d", Tag: "1a2b3c4", Subject: "New front page"},
		Restored: &deployer.Release{Number: 4, Commit: site.Commit{Tag: "0000000"}},
		Steps:    []stepReport{{Name: "check", Seconds: 0.4}, {Name: "migrate", Skipped: "the site has no migration"}, {Name: "roll", Seconds: 11.6, Failed: true}},
		Error:    &errorResult{Problems: []problem{{Message: "broken", Hint: "mend it"}}, State: "The site was put back."},
	})
	assert.Equal(t, ci.Summary{
		Title: "example.com (staging): failed", Failed: true, State: "The site was put back.",
		Problems: []ci.Problem{{Message: "broken", Hint: "mend it"}},
		Facts: []ci.Fact{
			{Name: "site", Value: "https://example.com", URL: "https://example.com"},
			{Name: "commit", Value: "1a2b3c4 New front page"},
			{Name: "migration", Value: "skipped: the site has no migration"},
			{Name: "rollout", Value: "failed"},
			{Name: "pods", Value: "web 1/2"},
			{Name: "put back to", Value: "release 4 (0000000)"},
		},
		Changes: []string{"Deployment web configured"},
		Steps: []ci.Fact{
			{Name: "check", Value: "0.4 s"},
			{Name: "migrate", Value: "skipped: the site has no migration"},
			{Name: "roll", Value: "11.6 s, failed"},
		},
	}, summary)
}

func TestSummaryOfACancelledShip(t *testing.T) {
	s := newShipment(options{stderr: os.Stderr}, "shipped")
	summary := s.summary(result{Outcome: "cancelled", Site: "example.com", Steps: []stepReport{{Name: "roll", Seconds: 0.2, Failed: true}}})
	assert.Equal(t, []ci.Fact{{Name: "rollout", Value: "cancelled"}}, summary.Facts)
	assert.Equal(t, []ci.Fact{{Name: "roll", Value: "0.2 s, cancelled"}}, summary.Steps)
}

// TestColorless is a terminal without colours that BuildKit draws on.
func TestColorless(t *testing.T) {
	path := filepath.Join(t.TempDir(), "terminal")
	file, err := os.Create(path)
	require.NoError(t, err)
	text := []byte("\x1b[1A\x1b[0G\x1b[34m => step\x1b[0m\n")
	n, err := colorless{file}.Write(text)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	assert.Equal(t, len(text), n)
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "\x1b[1A\x1b[0G => step\n", string(written))
}

package ci_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/ci"
)

func TestOutputs(t *testing.T) {
	folder := t.TempDir()
	steps, dotenv, annotations := filepath.Join(folder, "steps"), filepath.Join(folder, "dotenv"), filepath.Join(folder, "annotations")
	outputs := []ci.Output{{"image", "registry.example.com/site:1a2b3c4@sha256:0"}, {"release", ""}, {"url", "https://example.com"}}
	require.NoError(t, os.WriteFile(steps, []byte("earlier=step\n"), 0o600))
	require.NoError(t, os.WriteFile(dotenv, []byte("SITECTL_URL=of-an-earlier-run\n"), 0o600))
	require.NoError(t, ci.WriteStepOutputs(steps, outputs))
	require.NoError(t, ci.WriteDotenv(dotenv, outputs))
	require.NoError(t, ci.WriteAnnotations(annotations, []ci.Link{{Label: "example.com", URL: "https://example.com"}}))
	assert.Equal(t, "earlier=step\nimage=registry.example.com/site:1a2b3c4@sha256:0\nurl=https://example.com\n", read(t, steps))
	assert.Equal(t, "SITECTL_IMAGE=registry.example.com/site:1a2b3c4@sha256:0\nSITECTL_URL=https://example.com\n", read(t, dotenv))
	assert.JSONEq(t, `{"sitectl": [{"external_link": {"label": "example.com", "url": "https://example.com"}}]}`, read(t, annotations))

	require.NoError(t, ci.WriteAnnotations(annotations, nil))
	assert.JSONEq(t, `{"sitectl": []}`, read(t, annotations))
}

func TestOutputsOfSeveralLinesAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outputs")
	hostile := []ci.Output{{"url", "https://example.com\nimage=another"}}
	require.ErrorContains(t, ci.WriteStepOutputs(path, hostile), "url has a line feed")
	require.ErrorContains(t, ci.WriteDotenv(path, hostile), "url has a line feed")
	assert.NoFileExists(t, path)
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

package ci_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/ci"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestSummary(t *testing.T) {
	for name, summary := range map[string]ci.Summary{
		"shipped": {
			Title: "example.com (staging): shipped",
			Facts: []ci.Fact{
				{Name: "site", Value: "https://staging.example.com", URL: "https://staging.example.com"},
				{Name: "commit", Value: "1a2b3c4 New front page"},
				{Name: "pods", Value: "web 3/3"},
			},
			Changes: []string{"Deployment web configured", "CronJob hourly created"},
			Steps:   []ci.Fact{{Name: "check", Value: "0.4 s"}, {Name: "build", Value: "skipped: it is there"}},
		},
		"failed": {
			Title: "example.com: failed", Failed: true,
			Problems: []ci.Problem{
				{Message: "CrashLoopBackOff: pod web-1\n  its last words", Hint: "sitectl logs"},
				{Message: "and another"},
			},
			State: "The site was put back: release 4 (1a2b3c4) serves.",
			Steps: []ci.Fact{{Name: "roll", Value: "11.6 s, failed"}},
		},
		"hostile": {
			Title: "example.com: shipped",
			Facts: []ci.Fact{{Name: "commit", Value: "1a2b3c4 | x | </td><script>alert(1)</script> [here](javascript:alert(2)) `a` **b** https://example.org &amp; \x1b[31m"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "summary.md")
			require.NoError(t, ci.WriteSummary(path, summary))
			golden := filepath.Join("testdata", name+".golden.md")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(read(t, path)), 0o600))
			}
			assert.Equal(t, read(t, golden), read(t, path))
		})
	}
}

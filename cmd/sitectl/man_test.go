package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/site"
)

func TestManualPages(t *testing.T) {
	pages := manualPages(newApp(nil, nil))
	assert.Equal(t, pages, manualPages(newApp(nil, nil)), "they are the same each time")

	want := []string{"man1/sitectl.1", "man5/site.yaml.5"}
	eachCommand(newApp(nil, nil).Commands, "", func(words string, c *cli.Command) {
		path := "man1/sitectl-" + strings.ReplaceAll(words, " ", "-") + ".1"
		want = append(want, path)
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", `"EXIT STATUS"`, `"SEE ALSO"`} {
			assert.Contains(t, pages[path], "\n.SH "+section+"\n", path)
		}
		for _, flag := range c.Flags {
			assert.Contains(t, pages[path], roff("--"+flag.Names()[0]), path)
		}
	})
	var got []string
	for path := range pages {
		got = append(got, path)
	}
	assert.ElementsMatch(t, want, got)
	for _, key := range site.Keys() {
		assert.Contains(t, pages["man5/site.yaml.5"], "\n\\fB"+roff(key)+"\\fR\n", key)
	}
	assert.Contains(t, pages["man1/sitectl-ship.1"], `\fB\-\-environment\fR, \fB\-e\fR \fINAME\fR`)
}

// TestManualPagesAreWellFormed has mandoc look at them, which knows more than
// man itself complains of.
func TestManualPagesAreWellFormed(t *testing.T) {
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		require.Empty(t, os.Getenv("CI"), "mandoc is needed: make shells")
		t.Skip("no mandoc: make shells installs it")
	}
	dir := t.TempDir()
	for path, text := range manualPages(newApp(nil, nil)) {
		file := filepath.Join(dir, filepath.Base(path))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		out, err := exec.Command(mandoc, "-T", "lint", "-W", "warning", file).CombinedOutput()
		lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(out)), "\n"), func(line string) bool {
			return line == "" || strings.Contains(line, "missing date") // there is none, on purpose
		})
		assert.Empty(t, lines, "%s: %v", path, err)
	}
}

func TestRoff(t *testing.T) {
	for text, want := range map[string]string{
		`a\b -x`:    `a\eb \-x`,
		".ci/run":   `\&.ci/run`,
		"'quoted'":  `\&'quoted'`,
		"one.two's": "one.two's",
	} {
		assert.Equal(t, want, roff(text), text)
	}
	word, plain := unquoteUsage("PEM `FILE` with it")
	assert.Equal(t, []string{"FILE", "PEM FILE with it"}, []string{word, plain})
}

package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/site"
)

// TestREADME keeps the README true where a program can tell.
func TestREADME(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	readme := string(data)

	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(readme, -1)
	require.Len(t, examples, 3)
	for _, example := range examples {
		_, err := site.Parse("README.md", []byte(example[1]), "")
		assert.NoError(t, err)
	}

	for _, s := range allStatuses {
		assert.Contains(t, readme, fmt.Sprintf("| %d | %s |", s, statusMeanings[s]))
	}
	app := newApp(nil, nil)
	for _, command := range app.VisibleCommands() {
		assert.Contains(t, readme, "`sitectl "+command.Name+"`")
	}
	for _, flag := range app.Flags {
		assert.Contains(t, readme, "`--"+flag.Names()[0]+"`")
	}
	help := strings.Join(strings.Fields(shipCommand().CustomHelpTemplate), " ")
	for _, s := range allStatuses {
		assert.Contains(t, help, fmt.Sprintf("%d %s", s, statusMeanings[s]))
	}
}

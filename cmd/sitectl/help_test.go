package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"
)

// eachCommand calls a function for every visible command, those of commands included,
// with its words: "cron list".
func eachCommand(commands []*cli.Command, words string, do func(words string, c *cli.Command)) {
	for _, command := range commands {
		if command.Hidden {
			continue
		}
		name := strings.TrimSpace(words + " " + command.Name)
		do(name, command)
		eachCommand(command.Subcommands, name, do)
	}
}

// helpPage is what sitectl prints with --help.
func helpPage(t *testing.T, words string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	arguments := append(append([]string{"sitectl"}, strings.Fields(words)...), "--help")
	require.Equal(t, 0, run(arguments, &stdout, &stderr), stderr.String())
	require.Empty(t, stderr.String())
	return stdout.String()
}

// sections are the headings of a help page with the lines below each.
func sections(page string) (headings []string, lines map[string][]string) {
	lines = map[string][]string{}
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n ")
		if heading, found := strings.CutSuffix(line, ":"); found && !strings.HasPrefix(line, " ") {
			headings = append(headings, heading)
		} else if line != "" {
			last := headings[len(headings)-1]
			lines[last] = append(lines[last], strings.TrimPrefix(line, "   "))
		}
	}
	return headings, lines
}

func TestHelpPages(t *testing.T) {
	eachCommand(newApp(nil, nil).Commands, "", func(words string, c *cli.Command) {
		t.Run(words, func(t *testing.T) {
			headings, lines := sections(helpPage(t, words))
			want := []string{"NAME", "USAGE", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS"}
			if len(c.Subcommands) > 0 {
				want = []string{"NAME", "USAGE", "DESCRIPTION", "COMMANDS", "OPTIONS", "EXAMPLES", "EXIT STATUS"}
			}
			assert.Equal(t, want, headings)
			assert.Equal(t, []string{"sitectl " + words + " - " + c.Usage}, lines["NAME"])
			assert.Equal(t, []string{strings.TrimSpace("sitectl " + words + " [options] " + c.ArgsUsage)}, lines["USAGE"])
			for _, line := range lines["DESCRIPTION"] {
				assert.LessOrEqual(t, len([]rune(line)), helpWidth+40, "no line that is endless")
			}
			assert.Contains(t, strings.Join(lines["EXAMPLES"], "\n"), "sitectl "+words)
			for _, line := range lines["EXIT STATUS"] {
				assert.Regexp(t, `^\d+ +\S`, line)
			}
			assert.Regexp(t, `^0 `, lines["EXIT STATUS"][0])
			assert.Regexp(t, `^2 `, lines["EXIT STATUS"][2], "every command can be used wrongly")
		})
	})
}

// Examples use commands and flags that there are.
func TestExamplesOfHelpPages(t *testing.T) {
	app := newApp(nil, nil)
	known := map[string]*cli.Command{}
	eachCommand(app.Commands, "", func(words string, c *cli.Command) { known[words] = c })
	eachCommand(app.Commands, "", func(words string, c *cli.Command) {
		examples, _ := ending(c.CustomHelpTemplate)
		for line := range strings.Lines(examples) {
			_, after, found := strings.Cut(line, "sitectl ")
			if !found || strings.HasPrefix(strings.TrimSpace(line), "kubectl ") {
				continue
			}
			after, _, _ = strings.Cut(after, " | ")
			after, _, _ = strings.Cut(after, " # ")
			typed := strings.Fields(after)
			command := known[typed[0]]
			require.NotNil(t, command, line)
			if len(typed) > 1 && known[typed[0]+" "+typed[1]] != nil {
				command = known[typed[0]+" "+typed[1]]
			}
			for _, word := range typed {
				if word == "--" {
					break
				}
				if name := strings.TrimLeft(word, "-"); name != word && word != "-1" {
					name, _, _ = strings.Cut(name, "=")
					assert.NotNil(t, flagNamed(command.Flags, name), "%s of %s in: %s", word, words, line)
				}
			}
		}
	})
}

func TestFold(t *testing.T) {
	text := strings.Repeat("word ", 30) + "\n\n   as it is " + strings.Repeat("x", 200) + "\nend"
	folded := fold(text)
	assert.Equal(t, strings.Fields(text), strings.Fields(folded))
	for i, line := range strings.Split(folded, "\n") {
		if !strings.HasPrefix(line, " ") {
			assert.LessOrEqual(t, len(line), helpWidth, fmt.Sprint(i))
		}
	}
	assert.Regexp(t, regexp.MustCompile(`\n\n   as it is x{200}\nend$`), folded)
}

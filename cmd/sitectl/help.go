package main

import (
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// The sections that each help page ends with. The library has none for them,
// so they are part of the template.
const (
	examplesHeading   = "\nEXAMPLES:\n"
	exitStatusHeading = "\nEXIT STATUS:\n"
)

// helpTemplate adds examples and exit statuses to a template of the library,
// in which what they contain is not to be taken for actions. What the library
// says of arguments leaves nobody a way to say that there are none.
func helpTemplate(template, examples string, statuses []status) string {
	usage := `{{.HelpName}} [options]{{with .ArgsUsage}} {{.}}{{end}}`
	template = strings.Replace(template, `{{template "usageTemplate" .}}`, usage, 1)
	tail := examplesHeading + indent(examples) + exitStatusHelp(statuses)
	return template + strings.ReplaceAll(tail, "{{", `{{"{{"}}`)
}

// ending returns the examples and the exit statuses of a help page, each of
// several lines.
func ending(template string) (examples, statuses string) {
	_, tail, _ := strings.Cut(strings.ReplaceAll(template, `{{"{{"}}`, "{{"), examplesHeading)
	examples, statuses, _ = strings.Cut(tail, exitStatusHeading)
	return examples, statuses
}

// showSubcommands prints the help page of a command of commands. What the
// library has for it ignores the command's own template.
func showSubcommands(c *cli.Context) error {
	cli.HelpPrinter(c.App.Writer, c.Command.CustomHelpTemplate, c.Command)
	return nil
}

// helpWidth is that of the text of help pages, in characters: two terminals
// side by side on one screen, and the indent of the library.
const helpWidth = 97

// fold breaks the paragraphs of a description into lines. One that begins with
// a space stays as it is.
func fold(text string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, " ") {
			out = append(out, line)
			continue
		}
		width := 0
		var words []string
		for word := range strings.FieldsSeq(line) {
			length := utf8.RuneCountInString(word)
			if width > 0 && width+length > helpWidth {
				out, words, width = append(out, strings.Join(words, " ")), nil, 0
			}
			words, width = append(words, word), width+length+1
		}
		out = append(out, strings.Join(words, " "))
	}
	return strings.Join(out, "\n")
}

func indent(text string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		out.WriteString("   " + strings.TrimSpace(line) + "\n")
	}
	return out.String()
}

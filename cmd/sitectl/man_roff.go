package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// manual writes a manual page in the macros of man(7). There is no date in it,
// so that it is the same whenever it is written.
type manual struct{ out strings.Builder }

func newManual(name, section, about string) *manual {
	m := &manual{}
	m.line(fmt.Sprintf(`.TH "%s" "%s" "" "sitectl" "sitectl"`, roff(strings.ToUpper(name)), section))
	m.section("NAME")
	m.line(roff(name) + ` \- ` + roff(about))
	return m
}

// roff writes a text so that it means itself.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", `\&...`, "↑", `\(ua`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

func manReference(name, section string) string {
	return `\fB` + roff(name) + `\fR(` + section + `)`
}

func (m *manual) String() string { return m.out.String() }

func (m *manual) line(line string) { m.out.WriteString(line + "\n") }

func (m *manual) section(heading string) { m.line(".SH " + heading) }

// text writes one line of text.
func (m *manual) text(text string) { m.line(roff(strings.TrimSpace(text))) }

// paragraphs writes paragraphs that are divided by empty lines. A line that
// begins with a space stays a line.
func (m *manual) paragraphs(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			m.line(".PP")
		}
		if strings.HasPrefix(paragraph, " ") {
			m.literal(paragraph + "\n")
			continue
		}
		for line := range strings.SplitSeq(paragraph, "\n") {
			m.text(line)
		}
	}
}

// literal writes lines as they are.
func (m *manual) literal(text string) {
	m.line(".RS 4\n.nf")
	for line := range strings.Lines(text) {
		m.text(line)
	}
	m.line(".fi\n.RE")
}

// term writes a word, already as roff, and what it means.
func (m *manual) term(word, about string) {
	m.line(".TP")
	m.line(word)
	m.text(about)
}

func (m *manual) flags(heading string, flags []cli.Flag) {
	m.section(heading)
	for _, flag := range append(withoutHelp(flags), cli.HelpFlag) {
		documented, ok := flag.(cli.DocGenerationFlag)
		if visible, isVisible := flag.(cli.VisibleFlag); !ok || isVisible && !visible.IsVisible() {
			continue
		}
		var names []string
		for _, name := range flag.Names() {
			names = append(names, `\fB`+roff(dashed(name))+`\fR`)
		}
		word, about := unquoteUsage(documented.GetUsage())
		heading := strings.Join(names, ", ")
		if documented.TakesValue() {
			heading += ` \fI` + roff(word) + `\fR`
		}
		if value := documented.GetDefaultText(); documented.TakesValue() && value != "" {
			about += " (default: " + value + ")"
		}
		if variables := documented.GetEnvVars(); len(variables) > 0 {
			about += " [$" + strings.Join(variables, ", $") + "]"
		}
		m.term(heading, about)
	}
}

func withoutHelp(flags []cli.Flag) []cli.Flag {
	var out []cli.Flag
	for _, flag := range flags {
		if flag.Names()[0] != cli.HelpFlag.Names()[0] {
			out = append(out, flag)
		}
	}
	return out
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// unquoteUsage returns the word in a flag's usage that stands for its value,
// and the usage without the quotes around it.
func unquoteUsage(usage string) (word, plain string) {
	before, rest, found := strings.Cut(usage, "`")
	if !found {
		return "value", usage
	}
	word, after, _ := strings.Cut(rest, "`")
	return word, before + word + after
}

// ending writes the examples and the exit statuses of a help page.
func (m *manual) ending(template string) {
	examples, statuses := ending(template)
	m.section("EXAMPLES")
	m.literal(examples)
	m.section(`"EXIT STATUS"`)
	for line := range strings.Lines(statuses) {
		number, meaning, _ := strings.Cut(strings.TrimSpace(line), " ")
		m.term(`\fB`+number+`\fR`, meaning)
	}
}

func (m *manual) seeAlso(references ...string) {
	m.section(`"SEE ALSO"`)
	m.line(strings.Join(references, ",\n"))
}

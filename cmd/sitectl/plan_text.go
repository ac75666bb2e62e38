package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
)

// colors says how the lines of a difference are shown.
type colors bool

// SGR parameters of ECMA-48.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint colors a line by the mark that it begins with.
func (c colors) paint(text, style string) string {
	if !c || style == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// marks stand before an object, and styles show them, by what happens to it.
var (
	marks = map[deployer.Action]string{
		deployer.ActionCreate: "+",
		deployer.ActionChange: "~",
		deployer.ActionDelete: "-",
	}
	styles = map[string]string{"+": green, "~": yellow, "-": red}
)

// planWriter writes a plan for people, line by line.
type planWriter struct {
	out    strings.Builder
	colors colors
}

// line writes one line; words of others in it cannot steer the terminal.
func (w *planWriter) line(style, indent, text string) {
	w.out.WriteString(indent + w.colors.paint(ci.Printable(text), style) + "\n")
}

// planText is a plan for people.
func planText(p planResult, c colors) string {
	w := &planWriter{colors: c}
	if p.Build {
		w.line(bold, "", "build "+p.Image)
	}
	if len(p.Migration) > 0 {
		w.line(bold, "", "migrate: "+strings.Join(p.Migration, ", "))
	}
	for _, change := range p.Changes {
		w.change(change)
	}
	w.line(bold, "", planSummary(p))
	return w.out.String()
}

func (w *planWriter) change(change deployer.Change) {
	if change.Action == deployer.ActionNone {
		return
	}
	mark := marks[change.Action]
	w.line(styles[mark], "", fmt.Sprintf("%s %s %s", mark, change.Kind, change.Name))
	for _, field := range change.Fields {
		w.field(field)
	}
	for _, field := range change.TakenOver {
		w.line(yellow, "    ", "taken over: "+field)
	}
	if change.Restart != nil {
		w.line(yellow, "    ", fmt.Sprintf("replaces %s: %s", count(change.Restart.Pods, "pod"), strings.Join(change.Restart.Because, ", ")))
	}
}

// widest is what a change of one line may take, in bytes.
const widest = 72

// field writes the change of a field: on one line if it is short, else what
// was (-) above what will be (+).
func (w *planWriter) field(f deployer.FieldChange) {
	const indent = "    "
	before, after := valueLines(f.Before), valueLines(f.After)
	if len(before) == 1 && len(after) == 1 && len(before[0])+len(after[0]) <= widest {
		w.line("", indent, fmt.Sprintf("%s: %s -> %s", f.Path, before[0], after[0]))
		return
	}
	if len(before)+len(after) == 1 {
		mark := "+"
		if len(after) == 0 {
			mark = "-"
		}
		w.line(styles[mark], indent, fmt.Sprintf("%s: %s %s", f.Path, mark, slices.Concat(before, after)[0]))
		return
	}
	w.line("", indent, f.Path+":")
	skipped, before, after := trimmed(before, after)
	if skipped > 0 {
		w.line("", indent+"  ", fmt.Sprintf("  (line %d)", skipped+1))
	}
	for _, text := range before {
		w.line(red, indent+"  ", "- "+text)
	}
	for _, text := range after {
		w.line(green, indent+"  ", "+ "+text)
	}
}

// trimmed leaves out the lines that are the same at the beginning and at the
// end, and says how many at the beginning.
func trimmed(before, after []string) (int, []string, []string) {
	start := 0
	for start < min(len(before), len(after)) && before[start] == after[start] {
		start++
	}
	before, after = before[start:], after[start:]
	for len(before) > 0 && len(after) > 0 && before[len(before)-1] == after[len(after)-1] {
		before, after = before[:len(before)-1], after[:len(after)-1]
	}
	return start, before, after
}

// valueLines writes a JSON value as people read it: a text as it is, line by
// line, and a structure as YAML. There are none for a value that is not there.
func valueLines(value string) []string {
	if value == "" {
		return nil
	}
	var text string
	if json.Unmarshal([]byte(value), &text) == nil {
		if text == "" || strings.TrimSpace(text) != text && !strings.Contains(text, "\n") {
			return []string{value} // its quotes show what it is
		}
		return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	}
	if !strings.ContainsAny(value[:1], "[{") {
		return []string{value}
	}
	document, err := yaml.JSONToYAML([]byte(value))
	if err != nil {
		return []string{value}
	}
	return strings.Split(strings.TrimSuffix(string(document), "\n"), "\n")
}

// planSummary is the last line of a plan.
func planSummary(p planResult) string {
	counts := map[deployer.Action]int{}
	pods := int64(0)
	for _, change := range p.Changes {
		counts[change.Action]++
		if change.Restart != nil {
			pods += change.Restart.Pods
		}
	}
	text := fmt.Sprintf("namespace %s: %d created, %d changed, %d deleted, %d unchanged", p.Namespace,
		counts[deployer.ActionCreate], counts[deployer.ActionChange], counts[deployer.ActionDelete], counts[deployer.ActionNone])
	if pods > 0 {
		text += "; " + count(pods, "pod") + " replaced"
	}
	return text
}

// count is a number of things: "1 pod", "2 pods".
func count(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

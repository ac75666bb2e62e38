package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sitectl/sitectl/ci"
)

// doctorText writes for people what doctor finds, as it becomes known.
type doctorText struct {
	out    io.Writer
	colors colors
	marks  map[checkResult]string
	group  string // the last one that was written
	err    error  // of the first write that failed

	skipped []string // checks in a row, not written yet, that lack the same
	lacks   string
}

// The marks before a line, in Unicode and in ASCII, and their colours.
var (
	unicodeMarks = map[checkResult]string{checkOK: "✓", checkFailed: "✗", checkWarning: "!", checkSkipped: "–"}
	asciiMarks   = map[checkResult]string{checkOK: "+", checkFailed: "x", checkWarning: "!", checkSkipped: "-"}
	markStyles   = map[checkResult]string{checkOK: green, checkFailed: red, checkWarning: yellow}
)

func newDoctorText(o options) *doctorText {
	text := &doctorText{out: o.stdout, colors: colors(ci.Colors(o.color, os.Getenv, isTerminal(o.stdout))), marks: asciiMarks}
	if showsUnicode(os.Getenv) {
		text.marks = unicodeMarks
	}
	return text
}

// showsUnicode says whether who reads the output sees more than ASCII: the
// locale tells (locale(7)), and the logs of the CI platforms are UTF-8 whatever
// the locale of a job is.
func showsUnicode(getenv func(string) string) bool {
	if platform := ci.Detect(getenv, false); platform == ci.GitLab || platform == ci.GitHub {
		return true
	}
	locale := strings.ToUpper(cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG")))
	return strings.Contains(locale, "UTF-8") || strings.Contains(locale, "UTF8")
}

// tell writes what one check has found. Checks in a row that could not be made
// for the same reason share a line.
func (t *doctorText) tell(e *examined) {
	for _, found := range e.found {
		if found.lacks == "" || found.lacks != t.lacks || found.Group != t.group {
			t.flush()
		}
		if found.Group != t.group {
			t.group = found.Group
			t.line("", t.colors.paint(t.group, bold))
		}
		if found.lacks == "" {
			t.found(found)
			continue
		}
		t.skipped, t.lacks = append(t.skipped, found.Check), found.lacks
	}
}

// flush writes which checks could not be made.
func (t *doctorText) flush() {
	if len(t.skipped) > 0 {
		t.found(diagnosis{Result: checkSkipped, Message: strings.Join(t.skipped, ", ") + ": not before " + t.lacks + " is well"})
	}
	t.skipped, t.lacks = nil, ""
}

func (t *doctorText) found(found diagnosis) {
	lines := strings.Split(strings.TrimSpace(found.Message), "\n")
	t.line("  "+t.colors.paint(t.marks[found.Result], markStyles[found.Result])+" ", ci.Printable(lines[0]))
	for _, line := range lines[1:] {
		t.line("    ", ci.Printable(line))
	}
	if found.Mend != "" {
		t.line("    mend: ", ci.Printable(inOneLine(found.Mend)))
	}
}

// end writes how it went as a whole.
func (t *doctorText) end(r doctorResult) error {
	t.flush()
	count := func(number int, name string) string {
		if number == 1 {
			return "1 " + name
		}
		return fmt.Sprintf("%d %ss", number, name)
	}
	switch {
	case r.Failed > 0:
		t.line("", fmt.Sprintf("%s, %s, of %s", count(r.Failed, "failure"), count(r.Warnings, "warning"), count(len(r.Checks), "check")))
	case r.Warnings > 0:
		t.line("", fmt.Sprintf("nothing keeps a ship from going: %s, of %s", count(r.Warnings, "warning"), count(len(r.Checks), "check")))
	default:
		t.line("", fmt.Sprintf("nothing keeps a ship from going: %s", count(len(r.Checks), "check")))
	}
	return t.err
}

// line writes one line; the first part of it is ours.
func (t *doctorText) line(start, text string) {
	if _, err := fmt.Fprintln(t.out, start+text); err != nil && t.err == nil {
		t.err = fmt.Errorf("write standard output: %w", err)
	}
}

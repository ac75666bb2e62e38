package ci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Log is what people read while sitectl works: one section a step, with its
// time, in the way the platform folds sections. Methods must not be called
// concurrently with Section starting or ending.
type Log struct {
	Platform Platform
	Out      io.Writer        // usually standard error
	Now      func() time.Time // usually time.Now
	Color    bool             // whether headings may be bold
	Hidden   *Hidden          // what nobody may read; nil for nothing
	Width    func() int       // of the terminal, in columns; nil if nothing can be shown live
	Tell     func(Entry)      // is told of all that is printed, one entry at a time; nil for nobody

	telling  sync.Mutex
	section  string // under way
	printing sync.Mutex
	live     []string // the lines below all others
}

// Section runs f between a heading and a line that says how long it took, and
// returns that time and the error of f. The name is made of lower-case
// letters, digits, "-" and "_", as GitLab wants it.
func (l *Log) Section(name string, f func() error) (time.Duration, error) {
	start := l.Now()
	l.open(name, start)
	l.tell(Entry{Kind: SectionStarted, Section: name, At: start})
	err := f()
	end := l.Now()
	took := end.Sub(start)
	l.tell(Entry{Kind: SectionEnded, Section: name, At: end, Took: took, Err: err}) // who shows something live settles it
	l.close(name, end)
	l.print("    %s: %s\n", name+outcome(err), Seconds(took))
	return took, err
}

// outcome is what is added to the name of a section that ended with err.
func outcome(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.Canceled):
		return " cancelled"
	default:
		return " failed"
	}
}

// Skipped reports a step that has nothing to do.
func (l *Log) Skipped(name, reason string) {
	reason = l.Hidden.In(reason)
	l.print("%s skipped: %s\n", l.heading(name), reason)
	l.tell(Entry{Kind: SectionSkipped, Section: name, Text: reason})
}

// Line prints one line that belongs to the section under way.
func (l *Log) Line(text string) {
	text = l.Hidden.In(text)
	l.print("    %s\n", text)
	l.tell(Entry{Kind: LineSaid, Text: text})
}

// Quote returns a writer for the words of others: the log of a pod, the
// output of a build. What is hidden is taken out of them. Each line gets a mark in front, and control characters
// are dropped, so that nothing in it is taken for a command by the platform
// (GitHub runs "::command::" at the start of a line, white space before it or
// not) or by the terminal.
func (l *Log) Quote() io.Writer { return &quoter{log: l} }

// open and close write what the platform folds a section by:
// https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections and
// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#grouping-log-lines.
func (l *Log) open(name string, at time.Time) {
	switch l.Platform {
	case GitLab:
		l.print("\x1b[0Ksection_start:%d:%s\r\x1b[0K%s\n", at.Unix(), name, l.heading(name))
	case GitHub:
		l.print("::group::%s\n", name)
	default:
		l.print("%s\n", l.heading(name))
	}
}

func (l *Log) close(name string, at time.Time) {
	switch l.Platform {
	case GitLab:
		l.print("\x1b[0Ksection_end:%d:%s\r\x1b[0K\n", at.Unix(), name)
	case GitHub:
		l.print("::endgroup::\n")
	}
}

func (l *Log) heading(name string) string {
	if l.Color {
		return "\x1b[1m==> " + name + "\x1b[0m"
	}
	return "==> " + name
}

func (l *Log) print(format string, arguments ...any) {
	l.printing.Lock()
	defer l.printing.Unlock()
	l.write(l.erasure() + fmt.Sprintf(format, arguments...) + l.drawing())
}

// write drops the error of a write: when nobody can read the log any more,
// the work goes on all the same.
func (l *Log) write(text string) { _, _ = io.WriteString(l.Out, text) }

// Seconds writes a duration as people compare steps: in seconds, to a tenth.
func Seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// quoter marks complete lines; the rest of a line waits for its end.
type quoter struct {
	log  *Log
	line strings.Builder
}

func (q *quoter) Write(p []byte) (int, error) {
	for part := range strings.Lines(string(p)) {
		q.line.WriteString(part)
		if !strings.HasSuffix(part, "\n") {
			break
		}
		line := q.log.Hidden.In(Printable(q.line.String()))
		q.line.Reset()
		q.log.print("    | %s\n", line)
		q.log.tell(Entry{Kind: LineQuoted, Text: line})
	}
	return len(p), nil
}

// Printable drops the control characters of text, C1 ones included, but for
// the tab: what is left cannot move a terminal's cursor.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (r < 0x20 || r >= 0x7f && r < 0xa0) {
			return -1
		}
		return r
	}, text)
}

package ci

import "time"

// Entry is one thing that a Log was told, for those who do not read it as text.
type Entry struct {
	Kind    EntryKind
	Section string        // that it is about, or that was under way; empty outside of all
	Text    string        // a line without its line feed; of Skipped the reason
	At      time.Time     // when it was told
	Took    time.Duration // of a section that has ended
	Err     error         // that it has ended with
}

// EntryKind tells entries apart.
type EntryKind string

// The kinds of entries.
const (
	SectionStarted EntryKind = "started"
	SectionEnded   EntryKind = "ended"
	SectionSkipped EntryKind = "skipped"
	LineSaid       EntryKind = "line"
	LineQuoted     EntryKind = "quoted" // words of others: the log of a pod
)

// tell passes an entry on. Lines come from several goroutines.
func (l *Log) tell(entry Entry) {
	if l.Tell == nil {
		return
	}
	l.telling.Lock()
	defer l.telling.Unlock()
	if entry.At.IsZero() {
		entry.At = l.Now()
	}
	switch entry.Kind {
	case SectionStarted:
		l.section = entry.Section
	case SectionEnded:
		l.section = ""
	case LineSaid, LineQuoted:
		entry.Section = l.section
	}
	l.Tell(entry)
}

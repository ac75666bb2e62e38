package ci

import (
	"fmt"
	"strings"
)

// Live shows lines below all others until it is called again: what a person
// at a terminal watches while it changes. They may have colours, and are cut
// to the width of the terminal. Settle leaves them where they are. Where there
// is no terminal, nothing is shown.
func (l *Log) Live(lines []string) {
	if l.Width == nil || l.Platform != Terminal {
		return
	}
	l.printing.Lock()
	defer l.printing.Unlock()
	erasure := l.erasure()
	l.live = make([]string, len(lines))
	for i, line := range lines {
		l.live[i] = cut(line, l.Width()-1)
	}
	l.write(erasure + l.drawing())
}

// Settle has what is live stay as it is, and the log go on below it.
func (l *Log) Settle() {
	l.printing.Lock()
	defer l.printing.Unlock()
	l.live = nil
}

// erasure moves the cursor to the first of the live lines and clears the
// screen below it (ECMA-48: CUU and ED).
func (l *Log) erasure() string {
	if len(l.live) == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\x1b[J", len(l.live))
}

func (l *Log) drawing() string {
	if len(l.live) == 0 {
		return ""
	}
	return strings.Join(l.live, "\n") + "\n"
}

// cut shortens a line to a number of columns, one for each character. Colours
// take no room.
func cut(line string, columns int) string {
	var out strings.Builder
	escaped, painted := false, false
	for _, r := range line {
		switch {
		case escaped:
			escaped = r != 'm'
		case r == '\x1b':
			escaped, painted = true, true
		case columns == 0:
			continue
		default:
			columns--
		}
		out.WriteRune(r)
	}
	if painted {
		out.WriteString("\x1b[0m")
	}
	return out.String()
}

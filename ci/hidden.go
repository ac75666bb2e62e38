package ci

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// hiddenLength is the length in bytes from which a value is hidden. Shorter
// ones are in too many other words to be hidden, and tell too little.
const hiddenLength = 6

// Hidden are values that nobody may read in a log: passwords and tokens. The
// zero value has none. It is safe for concurrent use.
type Hidden struct {
	mutex    sync.RWMutex
	values   []string
	replacer *strings.Replacer
	announce io.Writer
}

// Announce has GitHub hide the values, too, that are added from now on, in
// whatever else the job prints:
// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#masking-a-value-in-a-log.
// GitLab only hides what it knows before the job starts.
func (h *Hidden) Announce(out io.Writer) { h.announce = out }

// Add hides the lines of a value, from now on.
func (h *Hidden) Add(value string) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for line := range strings.Lines(value) {
		line = strings.TrimSpace(line)
		if len(line) < hiddenLength || slices.Contains(h.values, line) {
			continue
		}
		h.values = append(h.values, line)
		if h.announce != nil {
			_, _ = fmt.Fprintf(h.announce, "::add-mask::%s\n", escapeData(line))
		}
	}
	// The longest first: one value may be part of another.
	slices.SortFunc(h.values, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, value := range h.values {
		pairs = append(pairs, value, "***")
	}
	h.replacer = strings.NewReplacer(pairs...)
}

// In returns text without the values. A nil Hidden hides nothing.
func (h *Hidden) In(text string) string {
	if h == nil {
		return text
	}
	h.mutex.RLock()
	defer h.mutex.RUnlock()
	if h.replacer == nil {
		return text
	}
	return h.replacer.Replace(text)
}

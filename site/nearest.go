package site

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
)

// suggest returns a hint for a word that is not one of the known, or "" if
// none is near.
func suggest(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// nearest returns the known word that word is most likely a slip of, or "".
// Case and separators do not count: max_surge is a maxSurge.
func nearest(word string, known []string) string {
	best, bestDistance := "", 0
	for _, candidate := range known {
		a, b := plain(word), plain(candidate)
		distance := levenshtein.Distance(a, b, nil)
		near := distance <= max(1, min(len(a), len(b))/3)
		if near && (best == "" || distance < bestDistance) {
			best, bestDistance = candidate, distance
		}
	}
	return best
}

func plain(word string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(word))
}

// oneOf writes a choice: "a", "a or b", "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

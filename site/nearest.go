package site

import (
	"fmt"
	"slices"
	"strconv"
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

// Nearest is for words that are not in a site file.
func Nearest(word string, known []string) string { return nearest(word, known) }

// nearest returns the known word that word is most likely a slip of, or "".
func nearest(word string, known []string) string {
	if few := nearestFew(word, known); len(few) > 0 {
		return few[0]
	}
	return ""
}

// nearestFew returns the known words that word may be a slip of, at most
// three, the most likely first. Case and separators do not count: max_surge is
// a maxSurge.
func nearestFew(word string, known []string) []string {
	type candidate struct {
		word     string
		distance int
	}
	var near []candidate
	for _, other := range known {
		a, b := plain(word), plain(other)
		if distance := levenshtein.Distance(a, b, nil); distance <= max(1, min(len(a), len(b))/3) {
			near = append(near, candidate{other, distance})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return a.distance - b.distance })
	var words []string
	for _, candidate := range near[:min(len(near), 3)] {
		words = append(words, candidate.word)
	}
	return words
}

func plain(word string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(word))
}

func quoted(words []string) []string {
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = strconv.Quote(word)
	}
	return out
}

// oneOf writes a choice: "a", "a or b", "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

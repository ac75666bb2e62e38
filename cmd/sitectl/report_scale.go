package main

import (
	"fmt"
	"time"

	"github.com/sitectl/sitectl/ci"
)

// scale places times between a beginning and an end.
type scale struct{ begin, end time.Time }

// bar is a time on a scale, in percent of its width, and in words.
type bar struct {
	X, Width string
	Label    string
}

// axis are the marks of a scale.
type axis struct{ Marks []mark }

type mark struct {
	X      string // percent
	Anchor string // of its text, as SVG has it
	Text   string
}

// thinnest is what a bar has at least, in percent: a hairline on a phone.
const thinnest = 0.6

func (s scale) percent(at time.Time) float64 {
	whole := s.end.Sub(s.begin)
	if whole <= 0 {
		return 0
	}
	return min(100, max(0, 100*float64(at.Sub(s.begin))/float64(whole)))
}

func (s scale) bar(from, to time.Time) *bar {
	x := min(s.percent(from), 100-thinnest)
	return &bar{
		X: fmt.Sprintf("%.2f", x), Width: fmt.Sprintf("%.2f", max(s.percent(to)-x, thinnest)),
		Label: fmt.Sprintf("from %s to %s", took(from.Sub(s.begin)), took(to.Sub(s.begin))),
	}
}

// axis marks the beginning, the end and whole steps between, at most four of
// them, so that there is room for their words on a phone.
func (s scale) axis() axis {
	whole := s.end.Sub(s.begin)
	marks := []mark{{X: "0", Anchor: "start", Text: "0 s"}}
	for at := tick(whole); at < whole*5/6; at += tick(whole) {
		marks = append(marks, mark{
			X: fmt.Sprintf("%.2f", s.percent(s.begin.Add(at))), Anchor: "middle", Text: fmt.Sprintf("%v s", at.Seconds()),
		})
	}
	return axis{append(marks, mark{X: "100", Anchor: "end", Text: took(whole)})}
}

// tick is the distance of marks: 1, 2 or 5 times a power of ten, at least a
// quarter of the whole.
func tick(whole time.Duration) time.Duration {
	for unit := 100 * time.Millisecond; ; unit *= 10 {
		for _, times := range []time.Duration{1, 2, 5} {
			if unit*times*4 >= whole {
				return unit * times
			}
		}
	}
}

// took is a time in seconds to a tenth, as in the log; what is shorter, as many
// steps of BuildKit's are, in milliseconds.
func took(d time.Duration) string {
	if d > 0 && d < 100*time.Millisecond {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return ci.Seconds(d)
}

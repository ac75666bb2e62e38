package site

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a site file.
type Problem struct {
	File    string `json:"file"`             // as it was named by the caller
	Line    int    `json:"line,omitempty"`   // from 1; 0 if the problem has no place in the file
	Column  int    `json:"column,omitempty"` // from 1, in characters; 0 if not known
	Key     string `json:"key,omitempty"`    // path of the key, for example "cron[0].command"
	Message string `json:"message"`          // what was expected and what was found
	Hint    string `json:"hint,omitempty"`   // what to write instead
}

// String returns the problem on one line, in the form that editors and
// continuous integration make a link of:
//
//	site.yaml:12:3: web.replica: unknown key; did you mean "replicas"?
func (p Problem) String() string {
	var out strings.Builder
	out.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&out, ":%d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&out, ":%d", p.Column)
		}
	}
	if p.Key != "" {
		out.WriteString(": " + p.Key)
	}
	out.WriteString(": " + p.Message)
	if p.Hint != "" {
		out.WriteString("; " + p.Hint)
	}
	return out.String()
}

// Problems is everything that is wrong with a site file, sorted by line. It
// is the only error that Read, Parse and Resolve return.
type Problems []Problem

// Error returns one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, problem := range ps {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// report collects the problems of one site file.
type report struct {
	file     string
	problems Problems
	seen     map[Problem]bool
}

// add notes a problem once, however many environments run into it.
func (r *report) add(problem Problem) {
	problem.File = r.file
	if r.seen[problem] {
		return
	}
	if r.seen == nil {
		r.seen = map[Problem]bool{}
	}
	r.seen[problem] = true
	r.problems = append(r.problems, problem)
}

// err returns the problems in the order of the file, or nil.
func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return r.problems
}

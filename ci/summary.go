package ci

import (
	"github.com/sitectl/sitectl/templates"
)

// Summary is what a platform shows of a ship beside its log.
type Summary struct {
	Title    string // "shipped example.com"
	Failed   bool
	State    string // of the site after a failure; empty where the problems say it
	Problems []Problem
	Facts    []Fact   // what was shipped, in order
	Changes  []string // what it has changed in the cluster: "Deployment web configured"
	Steps    []Fact   // their names and times
}

// Fact is one row of a table.
type Fact struct {
	Name  string
	Value string
	URL   string // that the value leads to; empty for none
}

// WriteSummary adds the summary to a Markdown file, the one that GitHub names
// in GITHUB_STEP_SUMMARY
// (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary).
func WriteSummary(path string, s Summary) error {
	text, err := templates.Render("ci/summary.md", s.view())
	if err != nil {
		return err
	}
	return appendTo(path, text)
}

type factView struct {
	Name, Value, URL string
	Linked           bool
}

// view is the summary as its template reads it.
func (s Summary) view() any {
	type view struct {
		Title, State                 string
		Failed, HasState, HasChanges bool
		Problems                     []problemView
		Facts, Steps                 []factView
		Changes                      []string
		ChangeCount                  int
	}
	v := view{
		Title: s.Title, State: s.State, Failed: s.Failed, HasState: s.State != "",
		Facts: factViews(s.Facts), Steps: factViews(s.Steps),
		Changes: s.Changes, HasChanges: len(s.Changes) > 0, ChangeCount: len(s.Changes),
	}
	for _, p := range s.Problems {
		v.Problems = append(v.Problems, problemView{p.Message, p.Hint, p.Hint != ""})
	}
	return v
}

type problemView struct {
	Message, Hint string
	HasHint       bool
}

func factViews(facts []Fact) []factView {
	views := make([]factView, len(facts))
	for i, f := range facts {
		views[i] = factView{f.Name, f.Value, f.URL, f.URL != ""}
	}
	return views
}

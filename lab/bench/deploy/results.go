package deploy

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Results are all figures, and their JSON form.
type Results struct {
	Scenarios []Scenario `json:"scenarios"`
	Verdicts  []Verdict  `json:"verdicts"`
	Crowd     Crowd      `json:"crowd"`
}

// Cost is what a run took.
type Cost struct {
	Seconds  float64 `json:"seconds"`
	Requests int64   `json:"requests"` // to the API server
	Memory   int64   `json:"memory"`   // bytes, the peak; 0 if several programs ran
	Served   int     `json:"served"`   // requests of visitors meanwhile
	Dropped  int     `json:"dropped"`  // those of them that failed
	Status   int     `json:"status"`   // exit status
	Said     string  `json:"said,omitempty"`
}

// Scenario compares the two sides in what happens every day.
type Scenario struct {
	Name        string  `json:"name"`
	Ratio       float64 `json:"ratio"` // of the median times, sitectl to kubectl
	Aim         float64 `json:"aim"`   // for the ratio, at most
	RequestsAim int64   `json:"requestsAim,omitempty"`
	Sitectl     Side    `json:"sitectl"`
	Kubectl     Side    `json:"kubectl"`
}

// Side is what one of them took.
type Side struct {
	Median Cost   `json:"median"` // the run whose time is the median
	Runs   []Cost `json:"runs"`
}

// Verdict compares how long it takes to know that a release cannot work.
type Verdict struct {
	Name    string `json:"name"`
	Sitectl Cost   `json:"sitectl"`
	Kubectl Cost   `json:"kubectl"`
}

// Crowd is a rollout of sitectl beside many pods.
type Crowd struct {
	Pods int  `json:"pods"`
	Cost Cost `json:"cost"`
}

func (s *Scenario) finish() {
	for _, side := range []*Side{&s.Sitectl, &s.Kubectl} {
		for i := range side.Runs {
			if side.Runs[i].Status == 0 {
				side.Runs[i].Said = "" // nothing that anybody wants to know
			}
		}
		sorted := slices.SortedFunc(slices.Values(side.Runs), func(a, b Cost) int { return cmp.Compare(a.Seconds, b.Seconds) })
		side.Median = sorted[len(sorted)/2]
	}
	s.Ratio = s.Sitectl.Median.Seconds / s.Kubectl.Median.Seconds
}

// dropped are the requests that failed in all runs.
func (s Side) dropped() (dropped, of int) {
	for _, run := range s.Runs {
		dropped += run.Dropped
		of += run.Served + run.Dropped
	}
	return dropped, of
}

// Write writes two tables, with the aims next to the figures.
func (r Results) Write(w io.Writer) {
	fmt.Fprint(w, "\nsitectl deploy / kubectl apply, set image and rollout status; of several runs the one with the median time\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "what\tseconds\tratio\taim\tAPI requests\taim\tdropped\tof\tpeak MB\truns\t")
	for _, s := range r.Scenarios {
		a, b := s.Sitectl.Median, s.Kubectl.Median
		droppedA, ofA := s.Sitectl.dropped()
		droppedB, ofB := s.Kubectl.dropped()
		fmt.Fprintf(table, "%s\t%.2f / %.2f\t%.2f\t%s\t%d / %d\t%s\t%d / %d\t%d / %d\t%.0f\t%d\t\n",
			s.Name, a.Seconds, b.Seconds, s.Ratio, aim(s.Ratio, s.Aim), a.Requests, b.Requests,
			aim(float64(a.Requests), float64(s.RequestsAim)), droppedA, droppedB, ofA, ofB, float64(a.Memory)/1e6, len(s.Sitectl.Runs))
	}
	if c := r.Crowd; c.Pods > 0 {
		fmt.Fprintf(table, "rollout beside %d pods\t%.2f\t\t\t%d\t\t\t\t%.0f\t1\t\n", c.Pods, c.Cost.Seconds, c.Cost.Requests, float64(c.Cost.Memory)/1e6)
	}
	table.Flush()
	r.writeVerdicts(w)
}

func (r Results) writeVerdicts(w io.Writer) {
	fmt.Fprintf(w, "\na release that cannot work; kubectl waits for a progress deadline of %.0fs, which is ten minutes by default\n\n", deadline.Seconds())
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "failure\tseconds\tkubectl\taim\texit status\tsitectl says")
	for _, v := range r.Verdicts {
		fmt.Fprintf(table, "%s\t%.1f\t%.1f\t%s\t%d\t%s\n",
			v.Name, v.Sitectl.Seconds, v.Kubectl.Seconds, aim(v.Sitectl.Seconds, verdictAim), v.Sitectl.Status, verdict(v.Sitectl.Said))
	}
	table.Flush()
}

// verdict is the line of what sitectl says that tells what is wrong.
func verdict(said string) string {
	_, after, found := strings.Cut(said, "sitectl: ")
	if !found {
		return ""
	}
	const shown = 110
	line, _, _ := strings.Cut(after, "\n")
	if len(line) > shown {
		line = line[:shown] + "…"
	}
	return line
}

// aim says whether a figure is as low as it should be.
func aim(figure, most float64) string {
	switch {
	case most == 0:
		return "-"
	case figure <= most:
		return fmt.Sprintf("≤ %g met", most)
	default:
		return fmt.Sprintf("≤ %g MISSED", most)
	}
}

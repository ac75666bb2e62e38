package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sitectl/sitectl/lab/bench/deploy"
)

// results are all figures of a run, and its JSON form. Times are in seconds,
// sizes in bytes.
type results struct {
	Began      time.Time       `json:"began"`
	Processors int             `json:"processors"`
	Sites      []siteResult    `json:"sites,omitempty"`
	Deploy     *deploy.Results `json:"deploy,omitempty"`
}

func newResults() results { return results{Began: time.Now().UTC(), Processors: runtime.NumCPU()} }

// siteResult is what was found with one site.
type siteResult struct {
	Files      int              `json:"files"`
	Bytes      int64            `json:"bytes"`
	Compressed int64            `json:"compressed"` // as one layer
	Scenarios  []scenarioResult `json:"scenarios"`
}

// scenarioResult compares the two pipelines in one scenario.
type scenarioResult struct {
	Name    string     `json:"name"`
	Builder string     `json:"builder"`       // empty or warm
	Ratio   float64    `json:"ratio"`         // of the median times, sitectl to the other
	Aim     float64    `json:"aim,omitempty"` // for the ratio, at most; 0 for none
	Sitectl sideResult `json:"sitectl"`
	Hand    sideResult `json:"hand"`
}

// sideResult is what one pipeline took.
type sideResult struct {
	Median cost   `json:"median"` // the run whose time is the median, not an average of any
	Runs   []cost `json:"runs"`
}

// finish calculates what follows from the runs.
func (s *scenarioResult) finish() {
	s.Sitectl.Median, s.Hand.Median = median(s.Sitectl.Runs), median(s.Hand.Runs)
	s.Ratio = s.Sitectl.Median.Seconds / s.Hand.Median.Seconds
}

// median is the run in the middle by its time; of two, the slower one.
func median(runs []cost) cost {
	byTime := slices.SortedFunc(slices.Values(runs), func(a, b cost) int { return cmp.Compare(a.Seconds, b.Seconds) })
	return byTime[len(byTime)/2]
}

// save writes the JSON form.
func (r results) save(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// write writes a table for each site, with the aims next to the figures.
func (r results) write(w io.Writer) {
	r.writeSites(w)
	if r.Deploy != nil {
		r.Deploy.Write(w)
	}
}

func (r results) writeSites(w io.Writer) {
	if len(r.Sites) == 0 {
		return
	}
	fmt.Fprintf(w, "\nsitectl / the hand-written pipeline, on %d processors; of several runs the one with the median time\n", r.Processors)
	for _, s := range r.Sites {
		s.write(w)
	}
}

func (s siteResult) write(w io.Writer) {
	fmt.Fprintf(w, "\n%s files, %s, %s compressed\n\n", thousands(s.Files), megabytes(s.Bytes), megabytes(s.Compressed))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "what changed\tbuilder\tseconds\tratio\taim\tMB to builder\tMB to registry\tMB from registry\trequests\tpeak MB\truns\t")
	for _, c := range s.Scenarios {
		a, b := c.Sitectl.Median, c.Hand.Median
		fmt.Fprintf(table, "%s\t%s\t%.2f / %.2f\t%.2f\t%s\t%s\t%s\t%s\t%d / %d\t%.0f\t%d\t\n",
			c.Name, c.Builder, a.Seconds, b.Seconds, c.Ratio, aim(c.Ratio, c.Aim),
			pair(a.ToBuilder, b.ToBuilder), pair(a.ToRegistry, b.ToRegistry), pair(a.FromRegistry, b.FromRegistry),
			a.Requests, b.Requests, float64(a.Memory)/1e6, len(c.Sitectl.Runs))
	}
	table.Flush()
	s.writeAims(w)
}

// Aims besides those of the scenarios.
const (
	pushedAim = 0.1   // of the compressed tree, for one line
	memoryAim = 150e6 // bytes
)

func (s siteResult) writeAims(w io.Writer) {
	var pushed, memory int64
	var missed []string
	for _, c := range s.Scenarios {
		if c.Name == "one line" {
			pushed = max(pushed, c.Sitectl.Median.ToRegistry)
		}
		for _, run := range c.Sitectl.Runs {
			memory = max(memory, run.Memory)
		}
		if c.Aim > 0 && c.Ratio > c.Aim {
			missed = append(missed, c.why())
		}
	}
	part := float64(pushed) / float64(s.Compressed)
	fmt.Fprintf(w, "\npushed for one line: %s of %s compressed, %.3f, aim %s\n", megabytes(pushed), megabytes(s.Compressed), part, aim(part, pushedAim))
	fmt.Fprintf(w, "peak memory of sitectl: %s, aim %s\n", megabytes(memory), aim(float64(memory)/1e6, memoryAim/1e6))
	for _, line := range missed {
		fmt.Fprintln(w, line)
	}
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

// why says where the time of sitectl went.
func (s scenarioResult) why() string {
	var steps []string
	for _, name := range slices.Sorted(maps.Keys(s.Sitectl.Median.Steps)) {
		steps = append(steps, fmt.Sprintf("%s %.2f s", name, s.Sitectl.Median.Steps[name]))
	}
	return fmt.Sprintf("missed: %s, builder %s: sitectl took %.2f s (%s)", s.Name, s.Builder, s.Sitectl.Median.Seconds, strings.Join(steps, ", "))
}

func pair(a, b int64) string { return fmt.Sprintf("%.2f / %.2f", float64(a)/1e6, float64(b)/1e6) }

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

// thousands writes 50000 as 50,000.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

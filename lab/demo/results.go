package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/sitectl/sitectl/lab/load"
)

// results are what a demo has found out.
type results struct {
	first, second shipment
	keptAlive     *load.Tally
	newEach       *load.Tally
}

// verdict is an error if a request was lost.
func (r results) verdict() error {
	if failed := r.keptAlive.Failed + r.newEach.Failed; failed > 0 {
		return fmt.Errorf("%d requests failed while the second release was shipped", failed)
	}
	return nil
}

// write writes the results as two short tables.
func (r results) write(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\nstep\tfirst ship\tsecond ship\t")
	var total [2]float64
	for _, step := range r.steps() {
		first, second := r.first.seconds(step), r.second.seconds(step)
		total[0] += first
		total[1] += second
		fmt.Fprintf(table, "%s\t%s\t%s\t\n", step, duration(first), duration(second))
	}
	fmt.Fprintf(table, "in all\t%s\t%s\t\n", duration(total[0]), duration(total[1]))
	first, second := r.first.Build, r.second.Build
	fmt.Fprintf(table, "layers pushed\t%d of %d\t%d of %d\t\n", first.LayersPushed, first.Layers, second.LayersPushed, second.Layers)
	fmt.Fprintf(table, "bytes pushed\t%s\t%s\t\n", megabytes(first.BytesPushed), megabytes(second.BytesPushed))
	table.Flush()
	r.writeLoad(w)
}

// writeLoad writes what became of the requests, and how the first few failed.
func (r results) writeLoad(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\nconnections\trequests\t\tslowest\topened\t")
	kinds := []struct {
		name string
		*load.Tally
	}{{"kept alive", r.keptAlive}, {"new for each", r.newEach}}
	for _, kind := range kinds {
		fmt.Fprintf(table, "%s\tserved %d\tfailed %d\t%.2f s\t%d\t\n", kind.name, kind.Served, kind.Failed, kind.Slowest.Seconds(), kind.Connections)
	}
	table.Flush()
	for _, kind := range kinds {
		for _, failure := range kind.Failures {
			fmt.Fprintf(w, "\n%s, %s", kind.name, failure)
		}
	}
	fmt.Fprintln(w)
}

// steps are the names of the steps of both ships, in order.
func (r results) steps() []string {
	var names []string
	seen := map[string]bool{}
	for _, s := range append(r.first.Steps, r.second.Steps...) {
		if !seen[s.Name] {
			seen[s.Name] = true
			names = append(names, s.Name)
		}
	}
	return names
}

// duration writes seconds, and a dash for nothing.
func duration(seconds float64) string {
	if seconds == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f s", seconds)
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.3f MB", float64(bytes)/1e6) }

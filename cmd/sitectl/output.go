package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// result is what ship, build and deploy print with --output json: one
// document, also when they fail. Fields may be added to it, never changed.
type result struct {
	// Outcome is "shipped", "built", "deployed" or "rolled back", after the command;
	// "running" if the commit was running already and nothing was done;
	// "failed" or "cancelled".
	Outcome     string            `json:"outcome"`
	Site        string            `json:"site,omitempty"`
	Environment string            `json:"environment,omitempty"`
	Namespace   string            `json:"namespace,omitempty"`
	URL         string            `json:"url,omitempty"` // where the site is; empty if it has no ingress
	Commit      site.Commit       `json:"commit"`
	Image       *imageResult      `json:"image,omitempty"`    // nil if the registry does not have it
	Build       *buildResult      `json:"build,omitempty"`    // nil if nothing was built
	Release     *deployer.Release `json:"release,omitempty"`  // nil unless it is recorded
	Restored    *deployer.Release `json:"restored,omitempty"` // that the site was put back to, after a failure; nil if it was not
	Steps       []stepReport      `json:"steps"`              // those it came to, in order
	Error       *errorResult      `json:"error,omitempty"`
}

type imageResult struct {
	Reference  string `json:"reference"` // repository:tag@digest
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Digest     string `json:"digest"`
}

type buildResult struct {
	Same         string               `json:"same,omitempty"` // tag of the commit that had the same inputs: nothing was built
	Layers       int                  `json:"layers"`         // of the image
	LayersPushed int                  `json:"layersPushed"`   // those that the image built before does not have
	BytesPushed  int64                `json:"bytesPushed"`    // their compressed size
	LayerList    []builder.Layer      `json:"layerList"`      // from the base up
	Explanation  *builder.Explanation `json:"explanation,omitempty"`
}

type errorResult struct {
	ExitStatus status    `json:"exitStatus"`
	Problems   []problem `json:"problems"`
	State      string    `json:"state,omitempty"` // of the site, where the problems do not say it
}

// finish tells how it went, as a summary for people or a document for
// machines, and returns err.
func (s *shipment) finish(ctx context.Context, err error) error {
	if s.plan != nil {
		err = errors.Join(err, s.plan.Close())
	}
	r := s.result(ctx, err)
	s.tellEnd(ctx, r, err)
	s.leaveReport(ctx, r, err)
	s.events.ended(r)
	s.publish(r)
	if writeErr := s.write(r); err == nil {
		err = writeErr
	}
	if err == nil {
		s.summarize(r)
	}
	return err
}

// write puts the result on standard output, for machines that asked for it.
func (s *shipment) write(r result) error {
	switch s.output {
	case "json":
		return writeJSON(s.stdout, r)
	case "jsonl":
		return s.stream.err
	default:
		return nil
	}
}

func (s *shipment) result(ctx context.Context, err error) result {
	r := result{
		Outcome:     s.outcome,
		Site:        s.source.site.Address,
		Environment: s.source.site.Environment,
		Namespace:   s.source.site.Namespace,
		URL:         address(s.source.site),
		Commit:      s.source.commit,
		Release:     s.release,
		Restored:    s.restored,
		Steps:       s.steps,
	}
	if s.running {
		r.Outcome = "running"
	}
	if s.report != nil {
		layers, bytes := s.report.NewLayers()
		r.Build = &buildResult{
			Same: s.report.Same, Layers: len(s.report.Layers), LayersPushed: layers, BytesPushed: bytes,
			LayerList: s.report.Layers, Explanation: s.explanation,
		}
	}
	if s.image.Digest != "" {
		r.Image = &imageResult{s.image.Reference(), s.image.Repository, s.image.Tag, s.image.Digest}
	}
	if err != nil {
		r.Outcome = "failed"
		r.Error = &errorResult{exitStatus(ctx, err), problems(err), s.hidden.In(state(err))}
		for i := range r.Error.Problems {
			r.Error.Problems[i].Message = s.hidden.In(r.Error.Problems[i].Message)
		}
		if r.Error.ExitStatus == statusCancelled {
			r.Outcome = "cancelled"
		}
	}
	return r
}

// address is where people find the site; empty if it has no ingress.
func address(s site.Site) string {
	switch {
	case s.Ingress == nil || len(s.Ingress.Hosts) == 0:
		return ""
	case s.Ingress.TLS != nil:
		return "https://" + s.Ingress.Hosts[0]
	default:
		return "http://" + s.Ingress.Hosts[0]
	}
}

// summarize is the end of the log.
func (s *shipment) summarize(r result) {
	if r.Outcome == "running" {
		return // that line is all there is to say
	}
	table := tabwriter.NewWriter(s.log.Out, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			_, _ = fmt.Fprintf(table, "    %s\t%s\n", name, value)
		}
	}
	_, _ = fmt.Fprintf(table, "==> %s %s\n", r.Outcome, r.Site)
	if s.image.Repository != "" { // a recover that finds nothing to do has none
		row("image", s.image.Repository+":"+s.image.Tag)
	}
	row("digest", s.image.Digest)
	if r.Build != nil {
		row("pushed", pushed(*r.Build))
		for _, group := range byGroup(r.Build.LayerList) {
			row("  "+group.name, group.String())
		}
	}
	row("url", r.URL)
	var total float64
	for _, step := range s.steps {
		total += step.Seconds
		took := ci.Seconds(time.Duration(step.Seconds * float64(time.Second)))
		if step.Skipped != "" {
			took = "skipped: " + step.Skipped
		}
		row(step.Name, took)
	}
	row("total", ci.Seconds(time.Duration(total*float64(time.Second))))
	_ = table.Flush()
}

// pushed says how much of an image was new.
func pushed(b buildResult) string {
	if b.Same != "" {
		return "nothing: the image of " + b.Same + " is made of the same"
	}
	return fmt.Sprintf("%d of %d layers, %s", b.LayersPushed, b.Layers, megabytes(b.BytesPushed))
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.2f MB", float64(bytes)/1e6) }

// layerGroup is the layers of an image that change at the same rate.
type layerGroup struct {
	name        string
	layers, new int
	size        int64 // compressed, in bytes
	newSize     int64 // of those that are new
}

func (g layerGroup) String() string {
	if g.layers == 1 {
		return fmt.Sprintf("1 layer, %s, %d new", megabytes(g.size), g.new)
	}
	return fmt.Sprintf("%d layers, %s, %d new", g.layers, megabytes(g.size), g.new)
}

// byGroup adds up layers, in their order.
func byGroup(layers []builder.Layer) []layerGroup {
	var groups []layerGroup
	for _, layer := range layers {
		if len(groups) == 0 || groups[len(groups)-1].name != layer.Group {
			groups = append(groups, layerGroup{name: layer.Group})
		}
		group := &groups[len(groups)-1]
		group.layers++
		group.size += layer.Size
		if layer.New {
			group.new++
			group.newSize += layer.Size
		}
	}
	return groups
}

// writeJSON writes one indented JSON document.
func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write standard output: %w", err)
	}
	return nil
}

// write writes text to standard output.
func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write standard output: %w", err)
	}
	return nil
}

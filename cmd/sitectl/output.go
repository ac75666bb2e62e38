package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// result is what ship, build and deploy print with --output json: one
// document, also when they fail. Fields may be added to it, never changed.
type result struct {
	// Outcome is "shipped", "built" or "deployed", after the command;
	// "running" if the commit was running already and nothing was done;
	// "failed" or "cancelled".
	Outcome     string            `json:"outcome"`
	Site        string            `json:"site,omitempty"`
	Environment string            `json:"environment,omitempty"`
	Namespace   string            `json:"namespace,omitempty"`
	URL         string            `json:"url,omitempty"` // where the site is; empty if it has no ingress
	Commit      site.Commit       `json:"commit"`
	Image       *imageResult      `json:"image,omitempty"`   // nil if the registry does not have it
	Build       *buildResult      `json:"build,omitempty"`   // nil if nothing was built
	Release     *deployer.Release `json:"release,omitempty"` // nil unless it is recorded
	Steps       []stepReport      `json:"steps"`             // those it came to, in order
	Error       *errorResult      `json:"error,omitempty"`
}

type imageResult struct {
	Reference  string `json:"reference"` // repository:tag@digest
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Digest     string `json:"digest"`
}

type buildResult struct {
	Layers       int   `json:"layers"`       // of the image
	LayersPushed int   `json:"layersPushed"` // those that the image of the nearest earlier commit does not have
	BytesPushed  int64 `json:"bytesPushed"`  // their compressed size
}

type errorResult struct {
	ExitStatus status    `json:"exitStatus"`
	Problems   []problem `json:"problems"`
}

// finish tells how it went, as a summary for people or a document for
// machines, and returns err.
func (s *shipment) finish(ctx context.Context, err error) error {
	r := s.result(ctx, err)
	if s.output == "json" {
		if writeErr := writeJSON(s.stdout, r); err == nil {
			err = writeErr
		}
	}
	if err == nil {
		s.summarize(r)
	}
	return err
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
		Steps:       s.steps,
	}
	if s.running {
		r.Outcome = "running"
	}
	if s.report != nil {
		layers, bytes := s.report.NewLayers()
		r.Build = &buildResult{len(s.report.Layers), layers, bytes}
	}
	if s.image.Digest != "" {
		r.Image = &imageResult{s.image.Reference(), s.image.Repository, s.image.Tag, s.image.Digest}
	}
	if err != nil {
		r.Outcome = "failed"
		r.Error = &errorResult{exitStatus(ctx, err), problems(err)}
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
	row("image", s.image.Repository+":"+s.image.Tag)
	row("digest", s.image.Digest)
	if r.Build != nil {
		row("pushed", fmt.Sprintf("%d of %d layers, %.2f MB", r.Build.LayersPushed, r.Build.Layers, float64(r.Build.BytesPushed)/1e6))
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

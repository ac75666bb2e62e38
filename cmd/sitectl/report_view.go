package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"strings"
	"time"
)

// reportAbout is what of a report is in no event.
type reportAbout struct{ Command, Version, By string }

// reportView is what the template of the report shows: plain words, in order.
type reportView struct {
	Style     template.CSS
	StyleHash string // SHA-256, in base64

	Title   string
	Heading string
	Subject string // of the commit
	Outcome verdict
	Took    string
	Failure *failureView // nil if it went well
	Facts   []fact

	Timeline  timelineView
	Rollouts  []rolloutView
	Migration *logView // nil if none has said anything
	Changes   *changesView
	Image     *layersView

	Command, Version, Ended string
}

// verdict is how something ended: never told by its colour alone.
type verdict struct {
	Class string // good, bad, stopped or quiet
	Sign  string
	Word  string
}

// fact is a line of what is known: a word and a value.
type fact struct {
	Name  string
	Value string
	Link  string // empty for none
	Code  bool   // it is a name of machines
}

// failureView is why it did not go well.
type failureView struct {
	Name     string // in the list of parts
	Heading  string
	Problems []problemView
	State    []string // of the site, a paragraph a line
	Status   string   // "6: the rollout …"
}

type problemView struct {
	Place   string // "Dockerfile, line 12"; empty for none, or if the message says it
	Message string // its first line
	Detail  string // the lines after it
	Hint    string
}

// verdicts are those of ships, by result.Outcome; others are done well.
var verdicts = map[string]verdict{
	"failed":    {"bad", "✗", "failed"},
	"cancelled": {"stopped", "■", "cancelled"},
	"running":   {"quiet", "=", "was running already"},
	"nothing":   {"quiet", "=", "nothing to do"},
}

// reportOf makes the report of a recording that has its result, and of the
// error that the ship ended with.
func reportOf(ctx context.Context, r *recorder, about reportAbout, err error) reportView {
	result := *r.result
	outcome, known := verdicts[result.Outcome]
	if !known {
		outcome = verdict{"good", "✓", result.Outcome}
	}
	what := cmp.Or(result.Site, about.Command)
	return reportView{
		Title:     what + ": " + outcome.Word,
		Heading:   what,
		Subject:   result.Commit.Subject,
		Outcome:   outcome,
		Took:      took(r.ended.Sub(r.began)),
		Failure:   failureOf(ctx, result, err),
		Facts:     factsOf(r, about),
		Timeline:  timelineOf(r),
		Rollouts:  rolloutsOf(r.rollouts),
		Migration: migrationOf(r),
		Changes:   changesOf(r.plan),
		Image:     layersOf(result.Build),
		Command:   about.Command,
		Version:   about.Version,
		Ended:     stamp(r.ended),
	}
}

func failureOf(ctx context.Context, result result, err error) *failureView {
	if err == nil || result.Error == nil {
		return nil
	}
	status := fmt.Sprintf("%d: %s", result.Error.ExitStatus, cmp.Or(statusMeanings[result.Error.ExitStatus], "that of a command in the cluster"))
	var interrupted *interruption
	if errors.As(context.Cause(ctx), &interrupted) {
		lines := interruptionLines(interrupted, err)
		return &failureView{Name: "Where it stopped", Heading: sentence(lines[0]), State: lines[1:], Status: status}
	}
	view := &failureView{Name: "What went wrong", Heading: "Failed", Status: status}
	var step *stepError
	if errors.As(err, &step) {
		view.Heading = "Failed in step " + step.step.name
	}
	for _, p := range result.Error.Problems {
		first, rest, _ := strings.Cut(strings.TrimSpace(p.Message), "\n")
		view.Problems = append(view.Problems, problemView{Place: place(p), Message: first, Detail: outdented(rest), Hint: p.Hint})
	}
	if result.Error.State != "" {
		view.State = strings.Split(result.Error.State, "\n")
	}
	return view
}

// place is where a problem is, if its message does not begin with it.
func place(p problem) string {
	switch {
	case p.File == "" || strings.HasPrefix(p.Message, p.File):
		return ""
	case p.Line == 0:
		return p.File
	default:
		return fmt.Sprintf("%s, line %d", p.File, p.Line)
	}
}

// outdented takes away by how much the lines after the first one are indented.
func outdented(text string) string {
	return strings.ReplaceAll(strings.TrimPrefix(text, "  "), "\n  ", "\n")
}

// sentence begins with a capital letter.
func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func factsOf(r *recorder, about reportAbout) []fact {
	result := *r.result
	var facts []fact
	add := func(f fact) {
		if f.Value != "" {
			facts = append(facts, f)
		}
	}
	add(fact{Name: "Site", Value: result.URL, Link: webAddress(result.URL)})
	add(fact{Name: "Environment", Value: result.Environment})
	add(fact{Name: "Namespace", Value: result.Namespace, Code: true})
	add(fact{Name: "Commit", Value: cmp.Or(result.Commit.SHA, result.Commit.Tag), Code: true})
	add(fact{Name: "Author", Value: result.Commit.Author})
	if image := result.Image; image != nil {
		add(fact{Name: "Image", Value: image.Repository + ":" + image.Tag, Code: true})
		add(fact{Name: "Digest", Value: image.Digest, Code: true})
	}
	by := about.By
	if release := result.Release; release != nil {
		by = cmp.Or(release.By, by)
		add(fact{Name: "Release", Value: releaseName(*release)})
	}
	if result.Restored != nil {
		add(fact{Name: "Serves", Value: releaseName(*result.Restored) + ", which was put back"})
	}
	add(fact{Name: "By", Value: by, Link: webAddress(by)})
	add(fact{Name: "Began", Value: stamp(r.began)})
	return facts
}

// webAddress is text if it is one.
func webAddress(text string) string {
	if strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://") {
		return text
	}
	return ""
}

// stamp writes a time as it is the same for all who read the page.
func stamp(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }

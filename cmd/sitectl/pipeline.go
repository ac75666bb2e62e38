package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
)

// pipelineFlags are those of commands that leave something to later jobs, and
// to people who look at a pipeline.
func pipelineFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "summary", EnvVars: []string{"GITHUB_STEP_SUMMARY"}, Usage: "add a summary in Markdown to `FILE`"},
		&cli.StringFlag{Name: "dotenv", EnvVars: []string{"SITECTL_DOTENV"}, Usage: "write SITECTL_IMAGE, SITECTL_DIGEST, SITECTL_RELEASE and SITECTL_URL to `FILE`, as GitLab's dotenv reports want them"},
		&cli.StringFlag{Name: "annotations", EnvVars: []string{"SITECTL_ANNOTATIONS"}, Usage: "write a link to the site to `FILE`, as GitLab's annotations reports want it"},
	}
}

// publish leaves the result where the platform looks for it. What cannot be
// written is said, and does not fail what was done.
func (s *shipment) publish(r result) {
	for _, err := range []error{
		writeUnlessEmpty(os.Getenv("GITHUB_OUTPUT"), func(path string) error { return ci.WriteStepOutputs(path, r.outputs()) }),
		writeUnlessEmpty(s.own.String("dotenv"), func(path string) error { return ci.WriteDotenv(path, r.outputs()) }),
		writeUnlessEmpty(s.own.String("annotations"), func(path string) error { return ci.WriteAnnotations(path, r.links()) }),
		writeUnlessEmpty(s.own.String("summary"), func(path string) error { return ci.WriteSummary(path, s.summary(r)) }),
	} {
		if err != nil {
			s.log.Line(err.Error())
		}
	}
}

func writeUnlessEmpty(path string, write func(string) error) error {
	if path == "" {
		return nil
	}
	return write(path)
}

// outputs are what later steps of a pipeline can use. What is not known is
// empty.
func (r result) outputs() []ci.Output {
	var image imageResult
	if r.Image != nil {
		image = *r.Image
	}
	release := ""
	if r.Release != nil {
		release = strconv.Itoa(r.Release.Number)
	}
	return []ci.Output{
		{Name: "outcome", Value: r.Outcome},
		{Name: "image", Value: image.Reference},
		{Name: "digest", Value: image.Digest},
		{Name: "release", Value: release},
		{Name: "url", Value: r.URL},
	}
}

func (r result) links() []ci.Link {
	if r.URL == "" {
		return nil
	}
	return []ci.Link{{Label: r.Site, URL: r.URL}}
}

// summary is the result for people who look at a pipeline.
func (s *shipment) summary(r result) ci.Summary {
	summary := ci.Summary{
		Title:   fmt.Sprintf("%s: %s", where(r), r.Outcome),
		Failed:  r.Error != nil,
		Facts:   s.facts(r),
		Changes: s.changed,
	}
	for _, step := range r.Steps {
		took := ci.Seconds(time.Duration(step.Seconds * float64(time.Second)))
		if step.Failed {
			took += ", " + failure(r)
		}
		summary.Steps = append(summary.Steps, ci.Fact{Name: step.Name, Value: cmp.Or(skippedBecause(step), took)})
	}
	if r.Error != nil {
		summary.State = r.Error.State
		for _, p := range r.Error.Problems {
			summary.Problems = append(summary.Problems, ci.Problem{Message: p.Message, Hint: p.Hint})
		}
	}
	return summary
}

func where(r result) string {
	name := cmp.Or(r.Site, "sitectl")
	if r.Environment != "" {
		name += " (" + r.Environment + ")"
	}
	return name
}

func skippedBecause(step stepReport) string {
	if step.Skipped == "" {
		return ""
	}
	return "skipped: " + step.Skipped
}

// facts leaves out what is not known.
func (s *shipment) facts(r result) []ci.Fact {
	var facts []ci.Fact
	add := func(name, value, url string) {
		if value != "" {
			facts = append(facts, ci.Fact{Name: name, Value: value, URL: url})
		}
	}
	add("site", r.URL, r.URL)
	if r.Commit.SHA != "" {
		add("commit", r.Commit.Tag+" "+r.Commit.Subject, "")
	}
	if r.Image != nil {
		add("image", r.Image.Repository+":"+r.Image.Tag, "")
		add("digest", r.Image.Digest, "")
	}
	if r.Build != nil {
		add("pushed", pushed(*r.Build), "")
	}
	if r.Release != nil {
		add("release", strconv.Itoa(r.Release.Number), "")
	}
	add("migration", outcomeOf("migrate", r), "")
	add("rollout", outcomeOf("roll", r), "")
	add("pods", s.pods.count(), "")
	if r.Restored != nil {
		add("put back to", releaseName(*r.Restored), "")
	}
	return facts
}

// outcomeOf is how a step has ended; empty if it did not come to it.
func outcomeOf(name string, r result) string {
	for _, step := range r.Steps {
		switch {
		case step.Name != name:
		case step.Skipped != "":
			return skippedBecause(step)
		case step.Failed:
			return failure(r)
		default:
			return "done in " + ci.Seconds(time.Duration(step.Seconds*float64(time.Second)))
		}
	}
	return ""
}

// failure is the word for a step that did not come to its end.
func failure(r result) string {
	if r.Outcome == "cancelled" {
		return r.Outcome
	}
	return "failed"
}

// changeOf is a line about an object that was applied; empty for one that was
// as it should be.
func changeOf(object deployer.Object, result deployer.Result) string {
	if result == deployer.Unchanged {
		return ""
	}
	return fmt.Sprintf("%s %s", object, result)
}

// annotated is a problem as platforms show it.
func annotated(err error, p problem) ci.Problem {
	title := "sitectl"
	var failed *stepError
	if errors.As(err, &failed) {
		title += ": " + failed.step.name
	}
	return ci.Problem{Title: title, Message: p.Message, Hint: p.Hint, File: p.File, Line: p.Line, Column: p.Column}
}

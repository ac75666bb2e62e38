package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

func doctorCommand() *cli.Command {
	return page{
		name:  "doctor",
		usage: "check everything a ship needs, one by one, and say how to mend what is wrong",
		description: "Looks at git, the site file, the builder, the registry, the cluster with every permission, and the hosts. What does not " +
			"depend on each other is checked at the same time. It changes nothing, and builds nothing.\n\n" +
			"What keeps the site from being shipped or found is a failure; what is only worth knowing, a warning. The exit status is that of the first failure: " +
			"2 for git and the site file, 3 for the builder, 4 for the registry, 1 for the cluster and the hosts.",
		examples: `
			sitectl doctor
			sitectl doctor -e staging
			sitectl doctor --output json | jq '.checks[] | select(.result == "failed")'
		`,
		flags:    slices.Concat([]string{"file", "environment", "kubeconfig", "context", "output", "allow-dirty"}, builderFlags, registryFlags),
		statuses: []status{statusDone, statusFailed, statusUsage, statusBuild, statusRegistry, statusCancelled},
	}.command(runDoctor)
}

// doctorResult is what doctor prints with --output json.
type doctorResult struct {
	Checks     []diagnosis `json:"checks"` // in the order of a ship
	Failed     int         `json:"failed"`
	Warnings   int         `json:"warnings"`
	ExitStatus status      `json:"exitStatus"`
}

func runDoctor(ctx context.Context, o options) error {
	d := &doctor{options: o, now: time.Now, resolver: net.DefaultResolver}
	return d.run(ctx)
}

// doctor knows what its checks have found so far. Each field is written by one
// check, and read by those that wait for it.
type doctor struct {
	options
	now      func() time.Time
	resolver resolver

	repository *site.Repository
	commit     site.Commit
	own        site.Own
	site       site.Site
	builder    *builder.Builder
	login      builder.LoginFound
	deployer   *deployer.Deployer
	cluster    *deployer.Examination
	reached    bool // cluster was
}

func (d *doctor) run(ctx context.Context) error {
	r := doctorResult{Checks: []diagnosis{}}
	text := newDoctorText(d.options)
	examine(ctx, d.checks(), func(e *examined) {
		r.add(e)
		if d.output != "json" {
			text.tell(e)
		}
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d.output == "json" {
		if err := writeJSON(d.stdout, r); err != nil {
			return err
		}
	} else if err := text.end(r); err != nil {
		return err
	}
	if r.ExitStatus != statusDone {
		return &doctorError{r}
	}
	return nil
}

// add counts what a check has found. The first failure makes the exit status.
func (r *doctorResult) add(e *examined) {
	for _, found := range e.found {
		r.Checks = append(r.Checks, found)
		switch found.Result {
		case checkFailed:
			r.Failed++
		case checkWarning:
			r.Warnings++
		}
	}
	if r.ExitStatus == statusDone && e.failed() {
		r.ExitStatus = e.area
	}
}

// doctorError says that something is wrong; what it is was told.
type doctorError struct{ result doctorResult }

func (e *doctorError) Error() string {
	if e.result.Failed == 1 {
		return "one thing has to be mended"
	}
	return fmt.Sprintf("%d things have to be mended", e.result.Failed)
}

// Status is the exit status.
func (e *doctorError) Status() int { return int(e.result.ExitStatus) }

// checks are all that there are, in the order of a ship.
func (d *doctor) checks() []*examined {
	return slices.Concat(d.gitChecks(), d.fileChecks(), d.builderChecks(), d.registryChecks(), d.clusterChecks(), d.hostChecks(), d.notifyChecks())
}

// grouped are the checks of one group, which end with the same exit status.
func grouped(name string, area status, checks ...*examined) []*examined {
	for _, check := range checks {
		check.group, check.area = name, area
	}
	return checks
}

func (d *doctor) fileChecks() []*examined {
	return grouped(
		"site file", statusUsage,
		&examined{name: "site file", look: d.lookAtFile, mend: "write one: sitectl init"},
		&examined{name: "messages", needs: []string{"site file", "commit"}, look: d.lookAtMessages},
	)
}

func (d *doctor) lookAtFile(context.Context) []diagnosis {
	s, err := readSite(d.options)
	if problems, ok := err.(site.Problems); ok {
		var list []diagnosis
		for _, p := range problems {
			list = append(list, fileProblem(p))
		}
		return list
	}
	if err != nil {
		return wrong("site file", err)
	}
	d.site = s
	where := s.Address
	if s.Environment != "" {
		where += " (" + s.Environment + ")"
	}
	return fine("%s: %s, in namespace %s", d.file, where, s.Namespace)
}

// fileProblem puts the hint of a problem apart.
func fileProblem(p site.Problem) diagnosis {
	mend := p.Hint
	p.Hint = ""
	switch {
	case p.Line > 0 && mend != "":
		mend = fmt.Sprintf("in line %d of %s: %s", p.Line, p.File, mend)
	case p.Line > 0:
		mend = fmt.Sprintf("correct line %d of %s", p.Line, p.File)
	}
	return diagnosis{Result: checkFailed, Message: p.String(), Mend: mend}
}

// fine is all that is found of what is well.
func fine(format string, arguments ...any) []diagnosis {
	return []diagnosis{{Result: checkOK, Message: fmt.Sprintf(format, arguments...)}}
}

// wrong takes apart what a check of that name ended with.
func wrong(name string, err error) []diagnosis {
	var list []diagnosis
	for _, p := range problems(err) {
		list = append(list, diagnosis{Result: checkFailed, Message: name + ": " + p.Message, Mend: p.Hint})
	}
	return list
}

func warning(mend, format string, arguments ...any) []diagnosis {
	return []diagnosis{{Result: checkWarning, Message: fmt.Sprintf(format, arguments...), Mend: mend}}
}

// soon is when a credential is worth a warning before it ends.
const soon = 7 * 24 * time.Hour

// judgeExpiry says of a credential when it ends, if it tells. One that
// somebody renews may end soon.
func (d *doctor) judgeExpiry(what string, expires time.Time, renewed bool, mend string) []diagnosis {
	left := expires.Sub(d.now())
	date := expires.UTC().Format("2006-01-02 15:04 MST")
	switch {
	case expires.IsZero() && renewed:
		return fine("%s, renewed as needed", what)
	case expires.IsZero():
		return fine("%s", what)
	case left <= 0:
		return []diagnosis{{Result: checkFailed, Message: fmt.Sprintf("%s has expired, on %s", what, date), Mend: mend}}
	case renewed:
		return fine("%s, until %s, renewed before", what, date)
	case left < soon:
		return warning(mend, "%s expires in %s, on %s", what, spanWords(left), date)
	default:
		return fine("%s, until %s", what, date)
	}
}

// spanWords writes a time span in its largest unit, rounded down.
func spanWords(span time.Duration) string {
	unit, name := time.Minute, "minute"
	switch {
	case span >= 48*time.Hour:
		unit, name = 24*time.Hour, "day"
	case span >= 2*time.Hour:
		unit, name = time.Hour, "hour"
	}
	count := int(span / unit)
	if count != 1 {
		name += "s"
	}
	return fmt.Sprintf("%d %s", count, name)
}

// inOneLine is text of several lines for where there is one.
func inOneLine(text string) string {
	return strings.Join(strings.Fields(text), " ")
}

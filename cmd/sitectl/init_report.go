package main

import (
	"strings"

	"github.com/sitectl/sitectl/site"
)

// initResult is what init prints with --output json. Fields may be added to
// it, never changed.
type initResult struct {
	Site    string        `json:"site"`
	Image   string        `json:"image"`
	Preset  site.Preset   `json:"preset"`
	CI      string        `json:"ci"`              // "gitlab", "github" or "none"
	Reasons []site.Reason `json:"reasons"`         // what was decided, and why
	Notes   []string      `json:"notes,omitempty"` // what a person should know
	DryRun  bool          `json:"dryRun"`          // nothing was written
	Files   []initFile    `json:"files"`           // that were written, or would be
	Add     *initFile     `json:"add,omitempty"`   // what is to be added to a file that is there already
	Next    []string      `json:"next"`            // commands
}

// report tells what was found and written, and what comes next.
func (b *beginning) report(o options, dry bool) error {
	r := initResult{
		Site: b.address, Image: b.image, Preset: b.detection.Preset, CI: string(b.platform),
		Reasons: b.reasons, Notes: b.notes, DryRun: dry, Files: b.files, Add: b.add, Next: b.next(),
	}
	if r.CI == "" {
		r.CI = "none"
	}
	if o.output == "json" {
		return writeJSON(o.stdout, r)
	}
	for _, reason := range r.Reasons {
		say(o.stderr, "found    %s", reason)
	}
	for _, note := range r.Notes {
		say(o.stderr, "note     %s", note)
	}
	if dry {
		return r.print(o)
	}
	for _, file := range r.Files {
		say(o.stderr, "wrote    %s", file.Path)
	}
	if r.Add != nil {
		say(o.stderr, "add      to %s, which was left as it is:", r.Add.Path)
		for line := range strings.Lines(r.Add.Content) {
			say(o.stderr, "             %s", strings.TrimSuffix(line, "\n"))
		}
	}
	for i, command := range r.Next {
		say(o.stderr, "%-8s %s", []string{"next", ""}[min(i, 1)], command)
	}
	return nil
}

// print writes the files to standard output, each after its name if there are
// several.
func (r initResult) print(o options) error {
	files := r.Files
	if r.Add != nil {
		files = append(files[:len(files):len(files)], *r.Add)
	}
	for i, file := range files {
		text := file.Content
		if len(files) > 1 {
			text = "# " + file.Path + "\n" + text
		}
		if i > 0 {
			text = "\n" + text
		}
		if err := write(o.stdout, text); err != nil {
			return err
		}
	}
	return nil
}

// next are the commands that ship the site.
func (b *beginning) next() []string {
	var commands []string
	if !b.worktree.IsGit {
		commands = append(commands, "git init && git add .")
	}
	return append(commands,
		"git add "+strings.Join(b.paths(), " ")+` && git commit -m "Ship with sitectl"`,
		"sitectl doctor",
		"sitectl ship")
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/site"
)

// pipelines are the values of --ci.
var pipelines = []string{"auto", string(ci.GitLab), string(ci.GitHub), "none"}

func initCommand() *cli.Command {
	return page{
		name:  "init",
		usage: "write a first site.yaml, and the pipeline of GitLab or GitHub",
		description: "Looks at the folder it is in and writes the smallest site.yaml that ships: for WordPress that is its " +
			"address, its image and the preset. It says what it has found and why it has decided so, and asks what it cannot " +
			"see. What is there already is never written over.",
		examples: `
			sitectl init                                   # asks for the site's address, and what else it cannot see
			sitectl init --yes                             # asks nothing, and takes what it would offer
			sitectl init --site example.com --image registry.example.com/agency/example-com
			sitectl init --yes --dry-run                   # prints the files, and writes none
			sitectl init --yes --output json | jq .preset
		`,
		flags: []string{"file", "output"},
		own: []cli.Flag{
			&cli.StringFlag{Name: "site", Usage: "`ADDRESS` of the site, such as example.com"},
			&cli.StringFlag{Name: "image", Usage: "`REPOSITORY` for the site's images, such as registry.example.com/agency/example-com"},
			&cli.StringFlag{Name: "preset", Usage: "`KIND` of site: " + strings.Join(site.Presets(), ", ") + " (default: what it looks like)"},
			&cli.StringFlag{Name: "ci", Value: "auto", Usage: "`PLATFORM` to write a pipeline for: " + strings.Join(pipelines, ", ")},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, DisableDefaultText: true, Usage: "ask nothing, and take what would be offered"},
			&cli.BoolFlag{Name: "dry-run", DisableDefaultText: true, Usage: "print the files, and write none"},
		},
		statuses: []status{statusDone, statusFailed, statusUsage, statusCancelled},
	}.command(runInit)
}

func runInit(ctx context.Context, o options) error {
	beginning, err := readBeginning(ctx, o)
	if err != nil {
		return err
	}
	if err := beginning.answer(o); err != nil {
		return err
	}
	if err := beginning.compose(); err != nil {
		return err
	}
	dry := o.own.Bool("dry-run")
	if !dry {
		if err := writeFiles(beginning.worktree.Dir, beginning.files); err != nil {
			return err
		}
	}
	return beginning.report(o, dry)
}

// beginning is a site that gets its first site file.
type beginning struct {
	file      string // path of the site file, as the person named it
	worktree  site.Worktree
	source    string // address of the repository, as a browser has it; empty for none
	detection site.Detection
	address   string
	image     string
	platform  ci.Platform   // empty for no pipeline
	reasons   []site.Reason // in the order in which they are told
	notes     []string
	files     []initFile // to be written
	add       *initFile  // for a file that is there already: what is to be added to it
}

// initFile is a file that init writes.
type initFile struct {
	Path    string `json:"path"` // relative to the folder
	Content string `json:"content"`
}

// readBeginning looks at the folder, and touches nothing.
func readBeginning(ctx context.Context, o options) (*beginning, error) {
	preset := o.own.String("preset")
	if err := errors.Join(
		oneOf("ci", o.own.String("ci"), pipelines),
		oneOf("preset", preset, append([]string{""}, site.Presets()...)),
	); err != nil {
		return nil, err
	}
	if err := refuseExisting(o.file); err != nil {
		return nil, err
	}
	b := &beginning{file: o.file}
	var err error
	if b.worktree, err = site.ReadWorktree(ctx, filepath.Dir(o.file)); err != nil {
		return nil, err
	}
	b.source = site.SourceURL(b.worktree.Remote)
	b.detection, err = site.Detect(b.worktree.Files(), site.Preset(preset))
	if errors.Is(err, site.ErrNoSite) {
		return nil, &usageError{
			message: fmt.Sprintf("%s: %s", b.worktree.Dir, err),
			hint:    "run sitectl init at the root of the site's repository, or say with --preset what it is",
		}
	}
	if err != nil {
		return nil, err
	}
	b.reasons, b.notes = b.detection.Reasons, b.detection.Notes
	b.choosePlatform(o.own.String("ci"))
	return b, nil
}

// refuseExisting keeps a site file that is there.
func refuseExisting(file string) error {
	_, err := os.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the site file: %w", err)
	}
	return &usageError{
		message: file + " is there already, and nothing was written",
		hint:    "change it by hand (sitectl config prints it in full), or move it away",
	}
}

// choosePlatform finds the platform whose pipelines ship the site.
func (b *beginning) choosePlatform(flag string) {
	because := func(platform ci.Platform, why string) {
		b.platform = platform
		b.reasons = append(b.reasons, site.Reason{Key: "ci", Value: string(platform), Why: why})
	}
	files := b.worktree.Files()
	switch {
	case flag == "none":
		return
	case flag != "auto":
		because(ci.Platform(flag), "as told")
	case exists(files, ci.GitLab.PipelineFile()):
		because(ci.GitLab, ci.GitLab.PipelineFile())
	case exists(files, path.Dir(ci.GitHub.PipelineFile())):
		because(ci.GitHub, path.Dir(ci.GitHub.PipelineFile()))
	case ci.PlatformOf(b.source) != "":
		because(ci.PlatformOf(b.source), "the git remote origin, "+b.source)
	default:
		b.notes = append(b.notes, "No pipeline is written: nothing tells GitLab from GitHub. --ci gitlab or --ci github writes one.")
	}
}

func exists(files fs.FS, name string) bool {
	_, err := fs.Stat(files, name)
	return err == nil
}

// compose makes the files. What is wrong with the address or the image is
// found here, by the rules of every site file.
func (b *beginning) compose() error {
	text, err := b.detection.File(b.address, b.image)
	if err != nil {
		return err
	}
	if _, err := site.Parse(b.file, text, ""); err != nil {
		return err
	}
	b.files = []initFile{{Path: filepath.Base(b.file), Content: string(text)}}
	if b.platform == "" {
		return nil
	}
	pipeline := ci.Pipeline{Source: b.source, Branch: b.worktree.Branch, File: b.worktree.Prefix + filepath.Base(b.file)}
	content, err := pipeline.Write(b.platform)
	if err != nil {
		return err
	}
	file := initFile{Path: b.platform.PipelineFile(), Content: content}
	switch {
	case b.worktree.Prefix != "":
		// Pipelines are those of the whole repository.
		file.Path = strings.Repeat("../", strings.Count(b.worktree.Prefix, "/")) + file.Path
		b.add = &file
	case exists(os.DirFS(b.worktree.Dir), file.Path):
		b.add = &file
	default:
		b.files = append(b.files, file)
	}
	return nil
}

// paths are those of the files that are written.
func (b *beginning) paths() []string {
	var paths []string
	for _, file := range b.files {
		paths = append(paths, file.Path)
	}
	return slices.Clip(paths)
}

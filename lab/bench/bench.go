package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sitectl/sitectl/lab/bench/deploy"
)

// bench is one run of the whole.
type bench struct {
	options
	lab      laboratory
	folder   string
	registry *registry
}

// run builds.
func (b *bench) run(ctx context.Context, r *results) (err error) {
	if err := b.lab.programs.link(b.in("bin")); err != nil {
		return err
	}
	if b.registry, err = startRegistry(ctx, b.lab.programs.registry, b.in("registry")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.registry.close()) }()
	if err := b.registry.writeLogin(b.in("login")); err != nil {
		return err
	}
	for i, count := range b.files {
		compared, err := b.compare(ctx, count, i)
		if err != nil {
			return fmt.Errorf("site of %d files: %w", count, err)
		}
		r.Sites = append(r.Sites, compared)
	}
	return nil
}

// deploy deploys.
func (b *bench) deploy(ctx context.Context, r *results) error {
	say("deploy: build kubectl, if it is not built yet")
	kubectl, err := b.lab.platform.Tool(ctx, "kubectl")
	if err != nil {
		return err
	}
	if err := os.Mkdir(b.in("deploy"), 0o755); err != nil {
		return err
	}
	measured, err := deploy.Run(ctx, deploy.Options{
		Sitectl: b.options.sitectl, Kubectl: kubectl, Folder: b.in("deploy"), Say: say, Memory: watchMemory,
	})
	if len(measured.Scenarios) > 0 {
		r.Deploy = &measured
	}
	return err
}

// in is a path below the folder of the bench.
func (b *bench) in(name string) string { return filepath.Join(b.folder, name) }

// compare measures both pipelines with one site. Which of them comes first
// changes with the turn.
func (b *bench) compare(ctx context.Context, count, turn int) (result siteResult, err error) {
	say("%d files: write the site", count)
	p, err := newProject(ctx, b.registry, b.lab, newSite(count), b.in(fmt.Sprint(count)))
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(p.folder)) }()
	c := comparison{project: p, turn: turn, runs: b.runs, budget: b.budget, sitectl: b.sitectl(p), hand: b.hand(p)}
	defer func() { err = errors.Join(err, c.sitectl.close(), c.hand.close()) }()
	for _, s := range c.scenarios() {
		say("%d files: %s, builder %s", count, s.name, s.builder)
		measured, err := c.measure(ctx, s)
		if err != nil {
			return result, fmt.Errorf("%s, builder %s: %w", s.name, s.builder, err)
		}
		result.Scenarios = append(result.Scenarios, measured)
	}
	result.Files, result.Bytes = count, p.bytes
	result.Compressed, err = b.registry.lastLayer(ctx, p.image("hand")+":"+p.tag)
	return result, err
}

func (b *bench) sitectl(p *project) *pipeline {
	return &pipeline{
		name: "sitectl", folder: p.folder, programs: b.lab.programs, registry: b.registry, reports: true,
		command: []string{b.options.sitectl, "build", "--progress", "plain", "--output", "json"},
		env:     []string{"DOCKER_CONFIG=" + b.in("login")},
	}
}

func (b *bench) hand(p *project) *pipeline {
	return &pipeline{
		name: "hand", folder: p.folder, programs: b.lab.programs, registry: b.registry,
		command: []string{"sh", "build.sh"},
		env: []string{
			"DOCKER_CONFIG=" + b.in("login"), "IMAGE=" + p.image("hand"), "PATH=" + b.in("bin") + ":" + systemPath,
		},
	}
}

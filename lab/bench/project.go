package main

import (
	"context"
	"embed"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// project is a site in a git repository, with what each of the two pipelines
// needs to build it.
type project struct {
	site       site
	bytes      int64 // of the files of its first commit
	folder     string
	registry   *registry
	bases      [2]string // the base image, and what it is changed to
	base       string    // one of them
	repository repository
	commits    int
	clone      string // of the last commit, checked out
	tag        string // of the last commit: its short name
}

// recipeFiles are those with which the two pipelines build a site.
//
//go:embed recipes
var recipeFiles embed.FS

func newProject(ctx context.Context, r *registry, lab laboratory, s site, folder string) (*project, error) {
	p := &project{site: s, folder: folder, registry: r}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return nil, err
	}
	for i := range p.bases {
		var err error
		if p.bases[i], err = r.copyBase(ctx, lab, fmt.Sprintf("%d-%d", len(s.files), i+1)); err != nil {
			return nil, err
		}
	}
	p.base = p.bases[0]
	var err error
	if p.repository, err = createRepository(ctx, filepath.Join(folder, "origin.git")); err != nil {
		return nil, err
	}
	recipes, err := p.recipes()
	if err != nil {
		return nil, err
	}
	if err := p.commit(ctx, "Begin", joined(recipes, single("composer.lock", s.lock(0, 0)), p.measured(s.contents()))); err != nil {
		return nil, err
	}
	return p, p.repository.pack(ctx)
}

// image is the repository of a pipeline's images.
func (p *project) image(name string) string {
	return fmt.Sprintf("%s/bench/%d/%s", p.registry.host, len(p.site.files), name)
}

// contents are files and what is in them.
type contents = iter.Seq2[string, []byte]

// recipes are rendered for the base image that is in use.
func (p *project) recipes() (contents, error) {
	parsed, err := template.ParseFS(recipeFiles, "recipes/*")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, recipe := range parsed.Templates() {
		var text strings.Builder
		err := recipe.Execute(&text, map[string]string{"Base": p.base, "Image": p.image("sitectl"), "Runtime": p.image("runtime")})
		if err != nil {
			return nil, err
		}
		files[strings.Replace(recipe.Name(), "dockerignore", ".dockerignore", 1)] = []byte(text.String())
	}
	return sorted(files), nil
}

func sorted(files map[string][]byte) contents {
	return func(yield func(string, []byte) bool) {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if !yield(name, files[name]) {
				return
			}
		}
	}
}

func single(path string, content []byte) contents {
	return sorted(map[string][]byte{path: content})
}

func joined(parts ...contents) contents {
	return func(yield func(string, []byte) bool) {
		for _, part := range parts {
			for path, content := range part {
				if !yield(path, content) {
					return
				}
			}
		}
	}
}

// measured counts the bytes that pass.
func (p *project) measured(files contents) contents {
	return func(yield func(string, []byte) bool) {
		for path, content := range files {
			p.bytes += int64(len(content))
			if !yield(path, content) {
				return
			}
		}
	}
}

// commit adds files and clones the repository anew, as CI does for each
// commit: every file has the time of that.
func (p *project) commit(ctx context.Context, message string, files contents) error {
	if err := p.repository.commit(ctx, p.commits, message, files); err != nil {
		return err
	}
	p.commits++
	if err := os.RemoveAll(p.clone); err != nil {
		return err
	}
	p.clone = filepath.Join(p.folder, fmt.Sprintf("clone-%d", p.commits))
	if err := p.repository.clone(ctx, p.clone); err != nil {
		return err
	}
	var err error
	p.tag, err = shortName(ctx, p.clone)
	return err
}

// changeLine changes a line in a file of the site's own.
func (p *project) changeLine(ctx context.Context) error {
	f := p.site.own(p.commits)
	return p.commit(ctx, "Change a line", single(f.path, f.changedLine(p.commits)))
}

// changeLock updates a package, another one each time.
func (p *project) changeLock(ctx context.Context) error {
	packages := p.site.packages()
	changed := p.commits % len(packages)
	files := map[string][]byte{"composer.lock": p.site.lock(changed, p.commits)}
	for _, f := range packages[changed] {
		files[f.path] = f.content(p.commits)
	}
	return p.commit(ctx, "Update a package", sorted(files))
}

// changeBase builds on another base image.
func (p *project) changeBase(ctx context.Context) error {
	p.base = p.bases[1]
	recipes, err := p.recipes()
	if err != nil {
		return err
	}
	return p.commit(ctx, "Build on another base", recipes)
}

package builder

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/sitectl/sitectl/site"
	"github.com/sitectl/sitectl/templates"
)

// frontendStage has npm install what package-lock.json names and run a script
// of package.json. It is nil for a site without a front end. Errors:
// *BuildError, *site.RepositoryError.
func frontendStage(s site.Site, tree *site.Tree) (*stage, error) {
	f := s.Build.Frontend
	if f == nil {
		return nil, nil
	}
	project, err := readNPM(tree, *f)
	if err != nil {
		return nil, err
	}
	packages, err := project.packages(tree)
	if err != nil {
		return nil, err
	}
	inputs, err := project.inputs(tree, packages)
	if err != nil {
		return nil, err
	}
	output := site.CodeDir
	if f.Output != "" {
		output = path.Join(site.CodeDir, f.Dir, f.Output)
	}
	dockerfile, err := templates.Render("build/frontend/Dockerfile", map[string]any{
		"image":    f.Image,
		"codeDir":  site.CodeDir,
		"dir":      path.Join(site.CodeDir, f.Dir),
		"packages": copies(packages),
		"script":   f.Script,
		"output":   output,
		"cache":    cacheOf("npm", s),
	})
	return &stage{name: "frontend", group: groupFrontend, dockerfile: dockerfile, inputs: inputs}, err
}

// nodeOf asks the registry what the image of the front end is right now, with
// one request. It is empty for a site that needs none.
func (b *Builder) nodeOf(ctx context.Context, s site.Site) (string, error) {
	if s.Build.Frontend == nil || s.Build.Dockerfile != "" {
		return "", nil
	}
	return b.resolve(ctx, s.Build.Frontend.Image)
}

// withNode is a site whose front end is built with the image of that digest.
func withNode(s site.Site, digest string) site.Site {
	if s.Build.Frontend == nil || digest == "" {
		return s
	}
	pinned := *s.Build.Frontend
	tagged, _, _ := strings.Cut(pinned.Image, "@")
	pinned.Image = tagged + "@" + digest
	s.Build.Frontend = &pinned
	return s
}

// npmProject is what package.json and package-lock.json say.
type npmProject struct {
	site.Frontend
	json struct {
		Scripts map[string]any `json:"scripts"`
	}
	lock struct {
		Packages map[string]struct {
			Resolved string `json:"resolved"`
			Link     bool   `json:"link"`
		} `json:"packages"`
	}
}

func readNPM(tree *site.Tree, frontend site.Frontend) (npmProject, error) {
	project := npmProject{Frontend: frontend}
	hint := "run npm install, commit package.json and package-lock.json, or leave build.frontend out"
	for _, other := range []string{"yarn.lock", "pnpm-lock.yaml", "bun.lock"} {
		if _, ok := tree.Lookup(path.Join(frontend.Dir, other)); ok {
			hint = fmt.Sprintf("front ends are built with npm, not with what has %s: npm install --package-lock-only makes one, and a Dockerfile of the site's own builds with anything", other)
		}
	}
	err := errors.Join(
		readJSON(tree, path.Join(frontend.Dir, "package.json"), &project.json, "build.frontend", hint),
		readJSON(tree, path.Join(frontend.Dir, "package-lock.json"), &project.lock, "build.frontend", hint))
	if err != nil {
		return project, err
	}
	if _, ok := project.json.Scripts[frontend.Script].(string); !ok {
		scripts := slices.Sorted(maps.Keys(project.json.Scripts))
		hint := "package.json has no scripts"
		if len(scripts) > 0 {
			hint = "package.json has the scripts " + strings.Join(scripts, ", ")
		}
		return project, &BuildError{Err: fmt.Errorf("build.frontend.script: package.json has no script %q", frontend.Script), hint: hint}
	}
	return project, nil
}

// word is what COPY takes for one path, and for no pattern.
var word = regexp.MustCompile(`^[A-Za-z0-9._/@+-]+$`)

// packages are the files that npm needs to install packages, by their paths in
// the commit: those that list them, and packages that are part of the commit.
func (p npmProject) packages(tree *site.Tree) ([]string, error) {
	names := []string{path.Join(p.Dir, "package.json"), path.Join(p.Dir, "package-lock.json")}
	if npmrc := path.Join(p.Dir, ".npmrc"); len(named(tree, npmrc)) > 0 {
		names = append(names, npmrc)
	}
	for _, local := range p.local() {
		name := local
		if !strings.HasSuffix(local, ".tgz") {
			name = path.Join(local, "package.json")
		}
		if _, ok := tree.Lookup(name); !ok {
			return nil, &BuildError{
				Err:  fmt.Errorf("build.frontend: package-lock.json names %q, which the commit does not have", name),
				hint: "commit it, or run npm install and commit package-lock.json",
			}
		}
		names = append(names, name)
	}
	for _, name := range names {
		if !word.MatchString(name) {
			return nil, &BuildError{Err: fmt.Errorf("build.frontend: %q: expected a path of letters, digits and ._-/@+", name), hint: "rename it"}
		}
	}
	return names, nil
}

// local are the folders and archives of packages that are part of the commit:
// workspaces, and dependencies by "file:".
func (p npmProject) local() []string {
	var names []string
	for _, key := range slices.Sorted(maps.Keys(p.lock.Packages)) {
		pkg := p.lock.Packages[key]
		archive, isFile := strings.CutPrefix(pkg.Resolved, "file:")
		if isFile || pkg.Link {
			names = append(names, path.Join(p.Dir, archive))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// inputs are the files and folders of the commit that npm and the script see.
func (p npmProject) inputs(tree *site.Tree, packages []string) ([]string, error) {
	inputs := append(slices.Clone(packages), p.local()...)
	include := p.Include
	if len(include) == 0 {
		include = []string{p.Dir}
	}
	for _, name := range include {
		found := named(tree, name)
		if len(found) == 0 {
			return nil, &BuildError{Err: fmt.Errorf("build.frontend.include: the commit has no %q", name), hint: "commit it, or take it out of the site file"}
		}
		inputs = append(inputs, found...)
	}
	slices.Sort(inputs)
	return slices.Compact(inputs), nil
}

// copies are the views of files that a stage copies to their places.
func copies(names []string) []map[string]any {
	var views []map[string]any
	for _, name := range names {
		views = append(views, map[string]any{"from": name, "to": path.Join(site.CodeDir, name)})
	}
	return views
}

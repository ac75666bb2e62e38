package site

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// packageFile is what of package.json counts here.
type packageFile struct {
	Scripts         map[string]string `json:"scripts"`
	Dependencies    map[string]any    `json:"dependencies"`
	DevDependencies map[string]any    `json:"devDependencies"`
}

func (f packageFile) needs(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, runs := f.Dependencies[name]
		_, builds := f.DevDependencies[name]
		return runs || builds
	})
}

// buildScript is the script that makes what is served; empty for none.
func (f packageFile) buildScript() string {
	for _, name := range []string{"build", "production", "prod"} {
		if f.Scripts[name] != "" {
			return name
		}
	}
	return ""
}

func (s *survey) packageJSON(folder string) packageFile {
	var file packageFile
	s.readJSON(path.Join(folder, "package.json"), &file)
	return file
}

// findFrontend finds a site that is nothing but what npm builds.
func (s *survey) findFrontend() (string, string) {
	file := s.packageJSON(".")
	if script := file.buildScript(); script != "" {
		output, _ := file.output()
		return output, "package.json has the script " + script
	}
	return "", ""
}

// outputOption matches how tools are told on the command line where to write:
// esbuild, vite, parcel, tsc, webpack.
var outputOption = regexp.MustCompile(`--(?:out-?dir|outDir|dist-dir|output-path)[= ]+['"]?(?:\./)?([A-Za-z0-9._/-]+)`)

// output is the folder that the script of a front end fills, and what it is
// known by.
func (f packageFile) output() (folder, why string) {
	script := f.buildScript()
	if match := outputOption.FindStringSubmatch(f.Scripts[script]); match != nil && isInside(path.Clean(match[1])) {
		return path.Clean(match[1]), "the script " + script
	}
	switch {
	case f.needs("react-scripts"):
		return "build", "where react-scripts writes to"
	case f.needs("@11ty/eleventy"):
		return "_site", "where Eleventy writes to"
	case f.needs("gatsby"):
		return "public", "where Gatsby writes to"
	case f.needs("next"):
		return "out", "where a static export of Next.js goes"
	default:
		return "dist", "where most tools write to"
	}
}

// arrangeFrontend serves what the script makes and nothing else. In an
// application of one page, that page answers for every path.
func (s *survey) arrangeFrontend() {
	file := s.packageJSON(".")
	output, why := file.output()
	s.draft.Build.Frontend = &draftFrontend{Script: unusual(file.buildScript()), Output: output}
	s.because("build.frontend.output", output, why)
	s.askForLock(".")
	pages := file.needs("next", "gatsby", "astro", "@11ty/eleventy", "vitepress", "@docusaurus/core")
	if file.needs("react", "vue", "svelte", "preact", "solid-js", "@angular/core") && !pages {
		s.draft.Build.Fallback = "/index.html"
		s.because("build.fallback", "/index.html", "paths are the business of the script in the browser")
	}
	s.withoutExtensions("what is served is not PHP")
}

// unusual leaves out the name of the script that is the default.
func unusual(script string) string {
	if script == "build" {
		return ""
	}
	return script
}

// frontend finds the front end of a site that is made of more: that of the
// whole repository, or of a theme.
func (s *survey) frontend() {
	// The package.json of MediaWiki is for who works on MediaWiki.
	if s.draft.Build.Frontend != nil || s.draft.Preset == MediaWiki {
		return
	}
	candidates := []string{"."}
	for _, pattern := range []string{"themes/custom/*", "themes/*", "wp-content/themes/*", "app/themes/*", "user/themes/*"} {
		candidates = append(candidates, s.folders(path.Join(s.docroot, pattern))...)
	}
	for _, folder := range candidates {
		file := s.packageJSON(folder)
		script := file.buildScript()
		// The themes of WordPress itself come with what their scripts make.
		if script == "" || strings.HasPrefix(path.Base(folder), "twenty") {
			continue
		}
		at := path.Join(folder, "package.json")
		if s.draft.Build.Frontend != nil {
			s.note(at + " has a script " + script + ", too; only one front end is built.")
			continue
		}
		if !s.isFile(path.Join(folder, "package-lock.json")) {
			s.note(at + " is not built, as there is no package-lock.json: commit one, and see build.frontend.")
			continue
		}
		s.draft.Build.Frontend = &draftFrontend{Dir: folder, Script: unusual(script)}
		s.because("build.frontend.dir", folder, at+" has the script "+script)
	}
}

// askForLock notes that a front end cannot be built yet.
func (s *survey) askForLock(folder string) {
	if !s.isFile(path.Join(folder, "package-lock.json")) {
		s.note(path.Join(folder, "package.json") + " has no package-lock.json: run npm install and commit it, as an image is made of what it names.")
	}
}

package site

import (
	"encoding/json"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// composerFile is what of composer.json counts here.
type composerFile struct {
	Require map[string]any `json:"require"`
	Extra   struct {
		Scaffold struct {
			Locations struct {
				WebRoot string `json:"web-root"`
			} `json:"locations"`
		} `json:"drupal-scaffold"`
		InstallerPaths map[string][]string `json:"installer-paths"`
	} `json:"extra"`
}

// readJSON reads a file of the folder; one that is missing or that is no JSON
// leaves the value as it is. PHP writes an object without keys as a list, which
// is no mistake: what else was read stays.
func (s *survey) readJSON(name string, into any) bool {
	data, err := fs.ReadFile(s.folder, name)
	if err != nil {
		return false
	}
	_ = json.Unmarshal(data, into)
	return true
}

func (s *survey) composerJSON() composerFile {
	var file composerFile
	s.readJSON("composer.json", &file)
	return file
}

// drupalRoot is the folder that the Drupal of a project is served from.
func (f composerFile) drupalRoot() string {
	if root := f.Extra.Scaffold.Locations.WebRoot; root != "" {
		return path.Clean(root)
	}
	for _, folder := range slices.Sorted(maps.Keys(f.Extra.InstallerPaths)) {
		if slices.Contains(f.Extra.InstallerPaths[folder], "type:drupal-core") {
			return path.Dir(path.Clean(folder))
		}
	}
	return defaultDocroot(Drupal)
}

// composer decides whether Composer runs: not if what it installs is in the
// commit already.
func (s *survey) composer() {
	usual := presetHas(s.draft.Preset, "build", "composer")
	switch {
	case s.isFile("vendor/autoload.php"):
		if usual {
			s.draft.Build.Composer = nullNode()
			s.because("build.composer", "none", "vendor/autoload.php is in the repository")
		}
	case s.isFile("composer.lock"):
		if !usual {
			s.draft.Build.Composer = emptyNode()
			s.because("build.composer", "yes", "composer.lock")
		}
	case s.isFile("composer.json") && (usual || s.draft.Build.Composer != nil || len(packagesOf(s.composerJSON().Require)) > 0):
		s.note("composer.json has no composer.lock: run composer update and commit it, as an image is made of what it names.")
		if !usual {
			s.draft.Build.Composer = emptyNode()
			s.because("build.composer", "yes", "composer.json")
		}
	}
}

// packagesOf are the names in a list of requirements that are packages, not
// PHP and its extensions.
func packagesOf(require map[string]any) []string {
	var names []string
	for name := range require {
		if strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	return names
}

// lockedPackage is a package of composer.lock.
type lockedPackage struct {
	Require map[string]any `json:"require"`
	Provide map[string]any `json:"provide"`
	Replace map[string]any `json:"replace"`
}

// extensions adds the PHP extensions that Composer's packages ask for to those
// that the site has anyway.
func (s *survey) extensions() {
	var lock struct {
		Packages []lockedPackage `json:"packages"`
		Platform map[string]any  `json:"platform"` // what composer.json itself requires of PHP
	}
	if s.draft.Build.PHP != nil || !s.readJSON("composer.lock", &lock) {
		return
	}
	known, release := s.resolved()
	missing := map[string]bool{}
	for _, pkg := range append(lock.Packages, lockedPackage{Require: lock.Platform}) {
		for link := range pkg.Require {
			if name, asked := strings.CutPrefix(strings.ToLower(link), "ext-"); asked {
				missing[strings.TrimPrefix(name, "zend-")] = true
			}
		}
	}
	for _, pkg := range lock.Packages {
		for _, links := range []map[string]any{pkg.Provide, pkg.Replace} {
			for link := range links {
				delete(missing, strings.TrimPrefix(strings.ToLower(link), "ext-"))
			}
		}
	}
	var added []string
	for _, extension := range slices.Sorted(maps.Keys(missing)) {
		name, packaged := ExtensionPackage(extension)
		switch {
		case !packaged || slices.Contains(known, name) || slices.Contains(added, name) || name == "readline": // which PHP itself depends on
		case !release.has(extension):
			s.note("composer.lock requires the PHP extension " + extension + ", which " + release.String() + " does not package.")
		default:
			added = append(added, name)
		}
	}
	if len(added) > 0 {
		s.draft.Build.PHP = &draftPHP{Extensions: append(known, added...)}
		s.because("build.php.extensions", strings.Join(added, ", ")+" besides the usual ones", "composer.lock requires them")
	}
}

// resolved are the PHP extensions that the site would have as the draft is,
// and the release of Debian that they come from.
func (s *survey) resolved() ([]string, debianRelease) {
	file, err := s.File("example.com", "registry.example.com/agency/example-com")
	if err != nil {
		return nil, debianReleases[0]
	}
	site, err := Parse("site.yaml", file, "")
	if err != nil {
		return nil, debianReleases[0]
	}
	release, _ := releaseOf(site.Build.Base)
	return site.Build.PHP.Extensions, release
}

package site

import (
	"errors"
	"io/fs"
	"path"
	"slices"
)

// Detection is what a folder says about the site in it, as far as a first
// site file needs it.
type Detection struct {
	Preset  Preset
	Reasons []Reason // why, in the order of the site file
	Notes   []string // what was seen and needs a person: one sentence each

	draft draft
}

// Reason says what was decided, and because of what.
type Reason struct {
	Key   string `json:"key"`   // of the site file: "preset", "build.docroot"
	Value string `json:"value"` // what was decided: "wordpress"
	Why   string `json:"why"`   // what was seen: "wp-load.php"
}

// String returns "preset wordpress: wp-load.php".
func (r Reason) String() string { return r.Key + " " + r.Value + ": " + r.Why }

// ErrNoSite says that a folder has nothing in it that could be a site.
var ErrNoSite = errors.New("nothing in it looks like a site: there is no index.php, no index.html, no package.json with a script that builds one, and no Dockerfile")

// Detect finds out what kind of site a folder holds, and what of its layout
// the preset does not know. An empty preset is found out, too; otherwise the
// site is taken for one of that kind, which has to exist. The folder is that
// of the repository, without what git ignores: what is in it counts as
// committed.
//
// It reads names, and the content of few files. What cannot be read is taken
// for missing. The only error is ErrNoSite.
func Detect(folder fs.FS, preset Preset) (Detection, error) {
	s := &survey{folder: folder}
	if !s.recognize(preset) {
		return Detection{}, ErrNoSite
	}
	if s.draft.Build.Dockerfile == "" {
		s.composer()
		s.frontend()
		s.data()
		s.extensions()
		if s.isFile("Dockerfile") {
			s.note("Dockerfile is not used: sitectl makes the image itself. With build.dockerfile: Dockerfile it builds that instead.")
		}
	}
	s.Preset = s.draft.Preset
	return s.Detection, nil
}

// survey is a detection under way.
type survey struct {
	Detection
	folder  fs.FS
	docroot string // that the site will have
}

// because notes what was decided.
func (s *survey) because(key, value, why string) {
	s.Reasons = append(s.Reasons, Reason{Key: key, Value: value, Why: why})
}

func (s *survey) note(text string) { s.Notes = append(s.Notes, text) }

func (s *survey) isFile(name string) bool {
	info, err := fs.Stat(s.folder, name)
	return err == nil && info.Mode().IsRegular()
}

func (s *survey) isFolder(name string) bool {
	info, err := fs.Stat(s.folder, name)
	return err == nil && info.IsDir()
}

// firstFile is the first of the names that is a file below the folder; empty
// for none.
func (s *survey) firstFile(below string, names ...string) string {
	for _, name := range names {
		if name = path.Join(below, name); s.isFile(name) {
			return name
		}
	}
	return ""
}

// folders are the folders that match one of the patterns, in the order of the
// patterns and then of their names.
func (s *survey) folders(patterns ...string) []string {
	var all []string
	for _, pattern := range patterns {
		matches, _ := fs.Glob(s.folder, pattern) // a pattern of ours is well formed
		for _, match := range matches {
			if s.isFolder(match) && !slices.Contains(all, match) {
				all = append(all, match)
			}
		}
	}
	return all
}

// files are the names of the files right in a folder, sorted.
func (s *survey) files(folder string) []string {
	entries, err := fs.ReadDir(s.folder, folder)
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range entries {
		if !entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}

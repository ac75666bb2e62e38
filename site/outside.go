package site

import "path"

// MountPoints are the folders, relative to the repository, that pods mount
// volumes over: first those that each pod has for itself, then those of the
// files volume. What is in the commit there, no pod shows.
func (s Site) MountPoints() []string {
	folders := append([]string(nil), s.Writable...)
	if s.Files != nil && s.Files.Volume != nil {
		folders = append(append(folders, s.Files.Volume.Path), s.Files.Volume.Also...)
	}
	return folders
}

// Outside are the files of a commit that do not become part of the generated
// image, as patterns of .dockerignore: what pods mount volumes over, the files
// of every site of Drupal, and the sources of a front end that is all of the
// site.
func (s Site) Outside() []string {
	patterns := s.MountPoints()
	if s.Preset == Drupal {
		patterns = append(patterns, path.Join(s.Build.Docroot, "sites/*/files"))
	}
	if f := s.Build.Frontend; f != nil && f.Output != "" && contains(path.Join(f.Dir, f.Output), s.Build.Docroot) {
		patterns = append(patterns, sourcesOf(f.Dir))
	}
	return patterns
}

// sourcesOf is the pattern of all that is in a folder.
func sourcesOf(folder string) string {
	if folder == "." {
		return "*"
	}
	return folder
}

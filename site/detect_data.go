package site

import (
	"bytes"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// data finds what a site of no system keeps: it reads the files by which
// sitectl tells a site of its database and cache, has a folder for uploads, or
// a script for the database.
func (s *survey) data() {
	if !presetHas(s.draft.Preset, "database") {
		readers := s.readers("/secrets/database", "/config/site/memcached", "/config/site/redis")
		s.services(readers)
	}
	if !presetHas(s.draft.Preset, "files") && s.draft.Files == nil {
		s.uploads()
	}
}

func (s *survey) services(readers map[string]string) {
	if reader := readers["/secrets/database"]; reader != "" {
		s.draft.Database = &draftDatabase{}
		s.because("database", "mariadb", reader+" reads /secrets/database")
		if s.isFile("bin/migrate.php") {
			s.draft.Migrate = &draftMigrate{Steps: []draftStep{{Name: "database", Command: []string{"php", "bin/migrate.php"}}}}
			s.because("migrate.steps", "php bin/migrate.php", "bin/migrate.php")
		}
	}
	switch memcached, redis := readers["/config/site/memcached"], readers["/config/site/redis"]; {
	case memcached != "":
		s.draft.Cache = &draftCache{Memcached: emptyNode()}
		s.because("cache", "memcached", memcached+" reads /config/site/memcached")
	case redis != "":
		s.draft.Cache = &draftCache{Redis: emptyNode()}
		s.because("cache", "redis", redis+" reads /config/site/redis")
	}
}

// largestSource bounds the files that are read. Code that names a path is
// written by a person.
const largestSource = 256 << 10

// readers maps each of the texts to the first PHP file that has it.
func (s *survey) readers(texts ...string) map[string]string {
	found := map[string]string{}
	_ = fs.WalkDir(s.folder, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // taken for missing
		case entry.IsDir() && slices.Contains([]string{".git", "vendor", "node_modules"}, entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".php":
			return nil
		}
		if info, err := entry.Info(); err != nil || info.Size() > largestSource {
			return nil
		}
		content, err := fs.ReadFile(s.folder, name)
		if err != nil {
			return nil
		}
		for _, text := range texts {
			if found[text] == "" && bytes.Contains(content, []byte(text)) {
				found[text] = name
			}
		}
		if len(found) == len(texts) {
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// uploads finds a folder that waits for files: it has nothing in it but what
// keeps it in git, or closes it.
func (s *survey) uploads() {
	for _, name := range []string{"uploads", "files"} {
		folder := path.Join(s.docroot, name)
		entries, err := fs.ReadDir(s.folder, folder)
		if err != nil || len(entries) == 0 || slices.ContainsFunc(entries, isContent) {
			continue
		}
		s.draft.Files = &draftFiles{Volume: draftVolume{Path: folder}}
		s.because("files.volume.path", folder, "a folder without files")
		return
	}
}

func isContent(entry fs.DirEntry) bool {
	return entry.IsDir() || !strings.HasPrefix(entry.Name(), ".") && entry.Name() != "index.html"
}

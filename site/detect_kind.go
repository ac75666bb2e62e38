package site

import (
	"bytes"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// docroots are the usual names of the folder that is served. The repository
// itself comes last: with public/index.php, what is around it is not served.
var docroots = []string{"public", "web", "docroot", "htdocs", "public_html", "www", "html", "."}

// siteKind is a kind of site, and how to tell it.
type siteKind struct {
	preset Preset
	// find returns the folder that is served and what it was told by; an
	// empty sign says that the site is none of this kind.
	find func(*survey) (docroot, sign string)
	// arrange, if not nil, says in the draft what the preset does not know.
	arrange func(*survey)
}

// kinds are in the order in which they are looked for: a system before what it
// is made of.
var kinds = []siteKind{
	{preset: MediaWiki, find: (*survey).findMediaWiki, arrange: (*survey).arrangeMediaWiki},
	{preset: WordPress, find: (*survey).findBedrock, arrange: (*survey).arrangeBedrock},
	{preset: WordPress, find: signedBy("wp-load.php", "wp-settings.php", "wp-config-sample.php", "wp-content", "wp-config.php"), arrange: (*survey).arrangeWordPress},
	{preset: Drupal, find: (*survey).findDrupal},
	{preset: CodeIgniter, find: (*survey).findCodeIgniter},
	{preset: Grav, find: (*survey).findGrav},
	{preset: PHP, find: signedBy("index.php"), arrange: (*survey).arrangePHP},
	{preset: PHP, find: (*survey).findFrontend, arrange: (*survey).arrangeFrontend},
	{preset: PHP, find: signedBy("index.html"), arrange: (*survey).arrangeStatic},
	{preset: PHP, find: (*survey).findDockerfile, arrange: (*survey).arrangeDockerfile},
}

// signedBy finds one of the names in one of the usual docroots.
func signedBy(names ...string) func(*survey) (string, string) {
	return func(s *survey) (string, string) {
		for _, docroot := range docroots {
			for _, name := range names {
				if found := path.Join(docroot, name); s.isFile(found) || s.isFolder(found) {
					return docroot, found
				}
			}
		}
		return "", ""
	}
}

// recognize decides on the preset and the docroot.
func (s *survey) recognize(preset Preset) bool {
	for _, k := range kinds {
		if preset != "" && k.preset != preset {
			continue
		}
		if docroot, sign := k.find(s); sign != "" {
			s.settle(k.preset, docroot, sign)
			if k.arrange != nil {
				k.arrange(s)
			}
			return true
		}
	}
	if preset != "" {
		s.settle(preset, defaultDocroot(preset), "as told")
		return true
	}
	return false
}

// settle writes down what the preset does not know already.
func (s *survey) settle(preset Preset, docroot, sign string) {
	s.draft.Preset, s.docroot = preset, docroot
	s.because("preset", string(preset), sign)
	if docroot != defaultDocroot(preset) {
		s.draft.Build.Docroot = docroot
		s.because("build.docroot", docroot, sign)
	}
}

func (s *survey) findMediaWiki() (string, string) {
	for _, docroot := range docroots {
		if sign := s.firstFile(docroot, "includes/WebStart.php"); sign != "" && s.isFile(path.Join(docroot, "maintenance/update.php")) {
			return docroot, sign
		}
	}
	return "", ""
}

func (s *survey) arrangeMediaWiki() {
	s.lookAtConfiguration("LocalSettings.php", "sitectl/mediawiki/settings.php",
		"begin it with require '/usr/local/share/sitectl/mediawiki/settings.php';")
}

func (s *survey) arrangeWordPress() {
	s.lookAtConfiguration("wp-config.php", "/wp-config.php", "end it with require dirname(__DIR__) . '/wp-config.php';")
}

// lookAtConfiguration notes a configuration of the site's own that does not
// ask for the one that the preset brings along: it takes its place.
func (s *survey) lookAtConfiguration(name, other, how string) {
	name = path.Join(s.docroot, name)
	content, err := fs.ReadFile(s.folder, name)
	if err == nil && !bytes.Contains(content, []byte(other)) {
		s.note(name + " says itself where the database is. For the one that sitectl makes, take it out of git, or " + how)
	}
}

// findBedrock finds WordPress as a Composer project (https://roots.io/bedrock/).
func (s *survey) findBedrock() (string, string) {
	if s.isFile("config/application.php") && s.isFolder("web/app") && s.isFile("composer.json") {
		return "web", "config/application.php and web/app, which is Bedrock"
	}
	return "", ""
}

func (s *survey) arrangeBedrock() {
	s.draft.Files = &draftFiles{Volume: draftVolume{Path: "web/app/uploads"}}
	s.because("files.volume.path", "web/app/uploads", "where Bedrock has uploads")
}

// findDrupal finds Drupal's core, or a project that Composer puts it into.
func (s *survey) findDrupal() (string, string) {
	if docroot, sign := signedBy("core/lib/Drupal.php")(s); sign != "" {
		return docroot, sign
	}
	project := s.composerJSON()
	sign := ""
	for _, name := range []string{"drupal/core-recommended", "drupal/core", "drupal/recommended-project", "drupal/cms"} {
		if _, required := project.Require[name]; required {
			sign = "composer.json requires " + name
		}
	}
	const exported = "config/sync/core.extension.yml"
	if sign == "" && s.isFile(exported) {
		sign = exported
	}
	return project.drupalRoot(), sign
}

// findCodeIgniter finds CodeIgniter 4.
func (s *survey) findCodeIgniter() (string, string) {
	if sign := s.firstFile(".", "spark", "app/Config/Paths.php"); sign != "" && s.isFile("public/index.php") {
		return "public", sign
	}
	return "", ""
}

func (s *survey) findGrav() (string, string) {
	if s.isFolder("user/pages") && s.isFolder("system") && s.isFile("index.php") {
		return ".", "user/pages and system"
	}
	return "", ""
}

// arrangePHP has one file answer for all paths where that is how the site is
// made: a docroot of its own with nothing but index.php in it. With an
// .htaccess the site says so itself.
func (s *survey) arrangePHP() {
	if s.docroot == "." {
		return
	}
	names := s.files(s.docroot)
	others := slices.ContainsFunc(names, func(name string) bool {
		return name == ".htaccess" || name != "index.php" && strings.HasSuffix(name, ".php")
	})
	if !others {
		s.draft.Build.Fallback = "/index.php"
		s.because("build.fallback", "/index.php", s.docroot+" has no other PHP file, and no .htaccess")
	}
}

// arrangeStatic is for files alone.
func (s *survey) arrangeStatic() { s.withoutExtensions("there is no PHP") }

func (s *survey) withoutExtensions(why string) {
	s.draft.Build.PHP = &draftPHP{Extensions: []string{}}
	s.because("build.php.extensions", "none", why)
}

func (s *survey) findDockerfile() (string, string) {
	return defaultDocroot(PHP), s.firstFile(".", "Dockerfile")
}

// arrangeDockerfile is for a site of which nothing is known but how it is
// built. Its image need not have what answers the default health path.
func (s *survey) arrangeDockerfile() {
	s.draft.Build.Dockerfile = "Dockerfile"
	s.draft.Web = &draftWeb{Health: draftHealth{Path: "/"}}
	s.because("build.dockerfile", "Dockerfile", "nothing else says how the site is made")
	s.because("web.health.path", "/", "an image of the site's own has no /.sitectl/health")
	s.note("The image of the Dockerfile has to listen on port 8080 and run as a user that is not root.")
}

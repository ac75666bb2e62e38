package site

import (
	_ "embed"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// debianRelease is a release of Debian, which decides on the version of PHP.
type debianRelease struct {
	codename   string
	number     string // as in the tag of an image: debian:13-slim
	php        string
	extensions []string // that it packages, without "php-"; sorted
}

// debianReleases are those that are known, the newest first.
var debianReleases = []debianRelease{
	{"trixie", "13", "8.4", packagedExtensions("trixie")},
	{"bookworm", "12", "8.2", packagedExtensions("bookworm")},
	{"bullseye", "11", "7.4", packagedExtensions("bullseye")},
}

// extensionTable has a line for each release: its name and its extensions.
// debian/extensions.sh makes it of Debian's list of packages.
//
//go:embed debian/extensions.txt
var extensionTable string

func packagedExtensions(release string) []string {
	for line := range strings.Lines(extensionTable) {
		if words := strings.Fields(line); len(words) > 0 && words[0] == release {
			return words[1:]
		}
	}
	panic("no extensions of Debian " + release)
}

// releaseOf tells the release of Debian by the name of an image of it:
// debian:trixie-slim, mirror.example.com/library/debian:13.1 or
// registry.example.com/debian-trixie:1. Of another image nothing is known: it
// may have package sources of its own.
func releaseOf(image string) (debianRelease, bool) {
	name, _, _ := strings.Cut(path.Base(image), "@")
	name, tag, _ := strings.Cut(name, ":")
	version, named := strings.CutPrefix(name, "debian-")
	if !named {
		version = tag
	}
	if !named && name != "debian" {
		return debianRelease{}, false
	}
	version, _, _ = strings.Cut(version, "-")
	major, _, _ := strings.Cut(version, ".")
	i := slices.IndexFunc(debianReleases, func(r debianRelease) bool { return r.codename == version || r.number == major })
	if i < 0 {
		return debianRelease{}, false
	}
	return debianReleases[i], true
}

// IsDebian tells an image of a release of Debian that is known here, whose PHP
// extensions are therefore known, too.
func IsDebian(image string) bool {
	_, known := releaseOf(image)
	return known
}

func (r debianRelease) String() string { return fmt.Sprintf("Debian %s (PHP %s)", r.codename, r.php) }

// has tells whether PHP has an extension there, or can get it as a package.
func (r debianRelease) has(extension string) bool {
	name, packaged := ExtensionPackage(extension)
	return !packaged || slices.Contains(r.extensions, name)
}

// builtInExtensions are those that every PHP of Debian has: compiled in, or in
// the package php<version>-common. Some of their names belong to a package
// that is something else (php-tokenizer, php-gettext).
var builtInExtensions = []string{
	"calendar", "core", "ctype", "date", "exif", "ffi", "fileinfo", "filter", "ftp", "gettext", "hash", "iconv",
	"json", "libxml", "opcache", "openssl", "pcntl", "pcre", "pdo", "phar", "posix", "random", "reflection",
	"session", "shmop", "sockets", "sodium", "spl", "standard", "sysvmsg", "sysvsem", "sysvshm", "tokenizer", "zlib",
}

// extensionPartOf maps an extension to the one in whose package Debian has it.
var extensionPartOf = map[string]string{
	"mysqli":     "mysql",
	"mysqlnd":    "mysql",
	"pdo_mysql":  "mysql",
	"pdo_pgsql":  "pgsql",
	"pdo_sqlite": "sqlite3",
	"pdo_odbc":   "odbc",
	"dom":        "xml",
	"simplexml":  "xml",
	"xmlreader":  "xml",
	"xmlwriter":  "xml",
	"xsl":        "xml",
}

// ExtensionPackage returns the name that Debian has a PHP extension under,
// without "php-"; false means that every PHP of Debian has it.
func ExtensionPackage(extension string) (string, bool) {
	if slices.Contains(builtInExtensions, extension) {
		return "", false
	}
	if other, ok := extensionPartOf[extension]; ok {
		return other, true
	}
	return extension, true
}

// packageName is what follows "php-" in the name of a package (Debian Policy
// 5.6.1).
var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*$`)

// isExtension accepts the names of which Debian's packages could be called.
func isExtension(extension string) bool {
	name, packaged := ExtensionPackage(extension)
	return !packaged || packageName.MatchString(name)
}

// extensionPrefix is what others write before the name.
var extensionPrefix = regexp.MustCompile(`^(?i)(php[0-9.]*|ext)[-_]`)

// extensions checks the PHP extensions: Debian would say only half-way through
// the build that it has no such package.
func (c *check) extensions() {
	extensions := c.site.Build.PHP.Extensions
	paths := indexed(extensionsKey, len(extensions), "")
	release, known := releaseOf(c.site.Build.Base)
	for i, extension := range extensions {
		switch {
		case known && !release.has(extension):
			c.expect(false, paths[i], extension, "a PHP extension of "+release.String(), suggestExtension(extension, release))
		case !known:
			c.expect(isExtension(extension), paths[i], extension, "the name of a PHP extension, such as gd", "")
		}
	}
	c.unique(paths, extensions)
}

// suggestExtension returns a hint for an extension that a release lacks.
func suggestExtension(extension string, release debianRelease) string {
	for _, other := range debianReleases {
		if other.has(extension) {
			return other.String() + " has it"
		}
	}
	names := slices.Concat(release.extensions, builtInExtensions, slices.Collect(maps.Keys(extensionPartOf)))
	slices.Sort(names)
	near := nearestFew(extensionPrefix.ReplaceAllString(extension, ""), slices.Compact(names))
	if len(near) == 0 {
		return "packages.debian.org/" + release.codename + "/php lists the packages php-…"
	}
	return "did you mean " + oneOf(quoted(near)) + "?"
}

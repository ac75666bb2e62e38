package builder

import (
	"fmt"
	"regexp"
	"slices"
)

// debianName is what a Debian package may be called (Debian Policy 5.6.1).
var debianName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

// builtIn are the extensions that every PHP of Debian has: compiled in, or in
// the package php<version>-common. Some of their names belong to a package
// that is something else (php-tokenizer, php-gettext).
var builtIn = []string{
	"calendar", "core", "ctype", "date", "exif", "ffi", "fileinfo", "filter", "ftp", "gettext", "hash", "iconv",
	"json", "libxml", "opcache", "openssl", "pcntl", "pcre", "pdo", "phar", "posix", "random", "reflection",
	"session", "shmop", "sockets", "sodium", "spl", "standard", "sysvmsg", "sysvsem", "sysvshm", "tokenizer", "zlib",
}

// partOf maps an extension to the one in whose package Debian has it.
var partOf = map[string]string{
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

// packages returns the Debian packages of PHP extensions, sorted: the same
// extensions in another order are the same image.
func packages(extensions []string) ([]string, error) {
	var names []string
	for _, extension := range extensions {
		if other, ok := partOf[extension]; ok {
			extension = other
		}
		if slices.Contains(builtIn, extension) {
			continue
		}
		name := "php-" + extension
		if !debianName.MatchString(name) {
			return nil, fmt.Errorf("build.php.extensions: %q is not the name of a PHP extension", extension)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

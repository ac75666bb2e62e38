package builder

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/sitectl/sitectl/site"
)

// debianName is what a Debian package may be called (Debian Policy 5.6.1).
var debianName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

// packages returns the Debian packages of PHP extensions, sorted: the same
// extensions in another order are the same image.
func packages(extensions []string) ([]string, error) {
	var names []string
	for _, extension := range extensions {
		packaged, ok := site.ExtensionPackage(extension)
		if !ok {
			continue
		}
		name := "php-" + packaged
		if !debianName.MatchString(name) {
			return nil, fmt.Errorf("build.php.extensions: %q is not the name of a PHP extension", extension)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

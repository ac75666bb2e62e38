package builder

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sitectl/sitectl/site"
)

// checkExtensions reports the PHP extensions that packages require and the
// runtime will not have. Composer itself would not notice: it brings some
// extensions along.
func (p composerProject) checkExtensions(s site.Site) error {
	if !site.IsDebian(s.Build.Base) {
		return nil // it may have what nobody knows of
	}
	missing := p.missingExtensions(p.knownExtensions(s))
	if len(missing) == 0 {
		return nil
	}
	var list []string
	for _, extension := range slices.Sorted(maps.Keys(missing)) {
		list = append(list, extension+" (for "+strings.Join(missing[extension], ", ")+")")
	}
	return &BuildError{
		Err:  fmt.Errorf("composer.lock requires PHP extensions that the image will not have: %s", strings.Join(list, ", ")),
		hint: "add them to build.php.extensions",
	}
}

// alwaysInstalled are extensions that Debian's packages of PHP depend on.
var alwaysInstalled = []string{"readline"}

// knownExtensions are those that there will be, or that count as if they were:
// a package may stand in for one, and composer.json declare one to be there.
func (p composerProject) knownExtensions(s site.Site) map[string]bool {
	known := map[string]bool{}
	for _, extension := range slices.Concat(s.Build.PHP.Extensions, alwaysInstalled) {
		if name, packaged := site.ExtensionPackage(extension); packaged {
			known[name] = true
		}
	}
	for _, pkg := range p.lock.Packages {
		for _, links := range []phpObject{pkg.Provide, pkg.Replace} {
			for link := range links {
				known[extensionOf(link)] = true
			}
		}
	}
	if declared, ok := p.json.Config["platform"].(map[string]any); ok {
		for link := range declared {
			known[extensionOf(link)] = true
		}
	}
	return known
}

// missingExtensions maps the extensions that are not known to the packages
// that require them.
func (p composerProject) missingExtensions(known map[string]bool) map[string][]string {
	missing := map[string][]string{}
	project := composerPackage{Name: "composer.json", Require: p.lock.Platform}
	for _, pkg := range append(slices.Clone(p.lock.Packages), project) {
		for link := range pkg.Require {
			extension := extensionOf(link)
			name, packaged := site.ExtensionPackage(extension)
			if extension != "" && packaged && !known[extension] && !known[name] {
				missing[extension] = append(missing[extension], pkg.Name)
			}
		}
	}
	return missing
}

// extensionOf is the extension that a name of Composer stands for: intl for
// "ext-intl", and none for the name of a package.
func extensionOf(link string) string {
	name, ok := strings.CutPrefix(strings.ToLower(link), "ext-")
	if !ok {
		return ""
	}
	return strings.TrimPrefix(name, "zend-")
}

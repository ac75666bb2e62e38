package builder

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sitectl/sitectl/site"
	"github.com/sitectl/sitectl/templates"
)

// Dockerfile returns the Dockerfile of the runtime that a site stands on,
// unless it brings its own. What differs between sites is the base and the
// list of packages; everything else is in the files of Configuration.
func Dockerfile(s site.Site) (string, error) { return runtimeDockerfile(s, s.Build.Base) }

// runtimeDockerfile starts from the given base, which may have a digest.
func runtimeDockerfile(s site.Site, base string) (string, error) {
	// FROM splits its line into words before it looks at quotes, so a quoted
	// value alone would not keep `debian AS other` from being three.
	if _, err := name.ParseReference(base); err != nil {
		return "", fmt.Errorf("build.base: %w", err)
	}
	debian, err := packages(s.Build.PHP.Extensions)
	if err != nil {
		return "", err
	}
	return templates.Render("build/Dockerfile", map[string]any{
		"base":     base,
		"codeDir":  site.CodeDir,
		"packages": debian,
	})
}

// Configuration returns the files that are laid over the runtime, below the
// site's code, by their path in the image without the leading slash.
func Configuration(s site.Site) (map[string]string, error) {
	apache, err := apacheConfiguration(s)
	if err != nil {
		return nil, err
	}
	ini, err := phpIni(s.Build.PHP.Ini)
	if err != nil {
		return nil, err
	}
	health, err := templates.Static("build/health.php")
	if err != nil {
		return nil, err
	}
	files, err := presetFiles(s)
	if err != nil {
		return nil, err
	}
	maps.Copy(files, map[string]string{
		"etc/apache2/apache2.conf":           apache,
		"etc/php/site.ini":                   ini,
		"usr/local/share/sitectl/health.php": string(health),
	})
	return files, nil
}

func apacheConfiguration(s site.Site) (string, error) {
	var uploads []map[string]any
	for _, folder := range s.MountPoints() {
		uploads = append(uploads, map[string]any{"path": path.Join(site.CodeDir, folder)})
	}
	docroot := path.Join(site.CodeDir, s.Build.Docroot)
	var mediawiki []map[string]any
	if s.Preset == site.MediaWiki {
		mediawiki = append(mediawiki, map[string]any{"index": path.Join(docroot, "index.php")})
	}
	return templates.Render("build/apache2.conf", map[string]any{
		"docroot":   docroot,
		"fallback":  s.Build.Fallback,
		"drupal":    s.Preset == site.Drupal,
		"mediawiki": mediawiki,
		"writable":  len(uploads) > 0,
		"uploads":   uploads,
	})
}

// iniKey is what a setting of PHP is called; the ini format cannot quote it.
var iniKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$`)

// iniExpression is a value like "E_ALL & ~E_DEPRECATED". PHP calculates it
// only if it is not quoted; quoted it is text, and as a number that is 0.
var iniExpression = regexp.MustCompile(`^[A-Z0-9_|&~^() ]+$`)

func phpIni(values map[string]string) (string, error) {
	var settings, expressions []map[string]any
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !iniKey.MatchString(key) {
			return "", fmt.Errorf("build.php.ini: %q is not the name of a PHP setting", key)
		}
		setting := map[string]any{"key": key, "value": values[key]}
		if key != "error_reporting" {
			settings = append(settings, setting)
			continue
		}
		if !iniExpression.MatchString(values[key]) {
			return "", fmt.Errorf("build.php.ini.%s: %q is neither a number nor made of E_… constants", key, values[key])
		}
		expressions = append(expressions, setting)
	}
	return templates.Render("build/site.ini", map[string]any{"settings": settings, "expressions": expressions})
}

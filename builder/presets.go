package builder

import (
	"path"
	"strings"

	"github.com/sitectl/sitectl/site"
	"github.com/sitectl/sitectl/templates"
)

// presetDir is where the image has what a preset brings along: scripts for
// its Jobs, and configuration that takes its values from the files of the pod.
const presetDir = "/usr/local/share/sitectl"

// presetFiles returns the files that the preset of a site adds to its image,
// by their path in it without the leading slash. Some lie where the CMS looks
// for them, between the site's own files: one of the site's own that is there
// already takes their place.
func presetFiles(s site.Site) (map[string]string, error) {
	files := map[string]string{}
	for source, target := range presetTargets(s) {
		content, err := templates.Static(source)
		if err != nil {
			return nil, err
		}
		files[strings.TrimPrefix(target, "/")] = string(content)
	}
	if s.Preset == site.WordPress || s.Preset == site.MediaWiki {
		// Where its scripts find the CMS, or a folder that has it.
		docroot := path.Join(presetDir, string(s.Preset), "docroot")
		files[strings.TrimPrefix(docroot, "/")] = path.Join(site.CodeDir, s.Build.Docroot) + "\n"
	}
	return files, nil
}

// presetTargets maps templates to their places in the image.
func presetTargets(s site.Site) map[string]string {
	docroot := path.Join(site.CodeDir, s.Build.Docroot)
	switch s.Preset {
	case site.Drupal:
		return map[string]string{
			"drupal/settings.php": path.Join(presetDir, "drupal/settings.php"),
			"drupal/migrate.php":  path.Join(presetDir, "drupal/migrate.php"),
			"drupal/site.php":     path.Join(docroot, "sites/default/settings.php"),
			// A site's own settings.php ends by requiring this one, if it is
			// like Drupal's example.
			"drupal/local.php": path.Join(docroot, "sites/default/settings.local.php"),
		}
	case site.WordPress:
		targets := map[string]string{
			"wordpress/constants.php": path.Join(presetDir, "wordpress/constants.php"),
			"wordpress/migrate.php":   path.Join(presetDir, "wordpress/migrate.php"),
			"wordpress/cron.php":      path.Join(presetDir, "wordpress/cron.php"),
			// WordPress looks there if the docroot has none.
			"wordpress/wp-config.php": path.Join(path.Dir(docroot), "wp-config.php"),
		}
		if s.Build.Composer != nil {
			targets["wordpress/bedrock.php"] = path.Join(presetDir, "wordpress/bedrock.php")
			targets["wordpress/production.php"] = path.Join(path.Dir(docroot), "config/environments/production.php")
		}
		return targets
	case site.MediaWiki:
		return map[string]string{
			"mediawiki/settings.php":      path.Join(presetDir, "mediawiki/settings.php"),
			"mediawiki/maintenance.php":   path.Join(presetDir, "mediawiki/maintenance.php"),
			"mediawiki/migrate.php":       path.Join(presetDir, "mediawiki/migrate.php"),
			"mediawiki/cron.php":          path.Join(presetDir, "mediawiki/cron.php"),
			"mediawiki/LocalSettings.php": path.Join(docroot, "LocalSettings.php"),
		}
	default:
		return nil
	}
}

package deployer

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/sitectl/sitectl/site"
)

// checkHealthPath looks for a probe that asks the CMS for a page. While a
// migration has the site in maintenance mode, the CMS answers every page with
// 503 in every pod, old and new, so that all of them would be taken out of
// service (drush-ops/drush#6331).
func (d *Deployer) checkHealthPath(context.Context, preflight) ([]Finding, error) {
	health, migrate := d.site.Web.Health.Path, d.site.Migrate
	if migrate == nil || len(migrate.Steps) == 0 || !answeredByCMS(d.site) {
		return nil, nil
	}
	finding := Finding{
		About:   "web.health.path " + health,
		Message: "is a page of the site: if the migration puts it in maintenance mode (503), all pods are taken out of service until it is done",
		Hint:    "leave web.health out (the default asks PHP without the site's code), or name a file of the docroot, such as /healthz.txt",
		Warning: true,
	}
	if slices.ContainsFunc(migrate.Steps, setsMaintenance) {
		finding.Message = "is a page of the site: drush puts it in maintenance mode (503) while it updates the database, and all pods would be taken out of service"
		finding.Warning = false
	}
	return []Finding{finding}, nil
}

// answeredByCMS guesses from the path alone: a file has an extension.
func answeredByCMS(s site.Site) bool {
	health, _, _ := strings.Cut(s.Web.Health.Path, "?")
	switch {
	case s.Preset != site.Drupal && s.Preset != site.WordPress:
		return false
	case strings.HasPrefix(health, "/.sitectl/"):
		return false
	default:
		extension := path.Ext(health)
		return extension == "" || path.Base(health) == "index.php"
	}
}

// setsMaintenance says whether a step is one of the Drush commands that do,
// or the script of the preset, which runs one of them.
func setsMaintenance(step site.MigrateStep) bool {
	command := strings.Join(step.Command, " ")
	for _, word := range []string{"drush deploy", "drush updatedb", "drush updb", "drupal/migrate.php"} {
		if strings.Contains(command, word) {
			return true
		}
	}
	return false
}

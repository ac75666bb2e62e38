package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/site"
)

func TestHealthPathThatMaintenanceModeBreaks(t *testing.T) {
	drush := &site.Migrate{Steps: []site.MigrateStep{{Name: "update", Command: []string{"php", "vendor/bin/drush", "deploy"}}}}
	own := &site.Migrate{Steps: []site.MigrateStep{{Name: "update", Command: []string{"php", "bin/update.php"}}}}
	preset := readSite(t, "drupal", "").Migrate
	const nothing, warning, fatal = "nothing", "warning", "fatal"
	tests := []struct {
		preset  site.Preset
		path    string
		migrate *site.Migrate
		want    string
	}{
		{site.Drupal, "/.sitectl/health", preset, nothing},
		{site.Drupal, "/", preset, fatal},
		{site.Drupal, "/user/login", drush, fatal},
		{site.Drupal, "/index.php?q=health", drush, fatal},
		{site.Drupal, "/healthz.txt", drush, nothing},
		{site.Drupal, "/", own, warning},
		{site.Drupal, "/", nil, nothing},
		{site.WordPress, "/", own, warning},
		{site.PHP, "/", own, nothing},
	}
	for _, test := range tests {
		t.Run(string(test.preset)+" "+test.path, func(t *testing.T) {
			s := readSite(t, "plain", "")
			s.Preset, s.Web.Health.Path, s.Migrate = test.preset, test.path, test.migrate
			found, err := newFakeCluster(t, s).checkHealthPath(t.Context(), preflight{})
			require.NoError(t, err)
			if test.want == nothing {
				assert.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			assert.Equal(t, test.want == warning, found[0].Warning)
			assert.Contains(t, found[0].Hint, "leave web.health out")
		})
	}
}

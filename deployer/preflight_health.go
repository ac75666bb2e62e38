package deployer

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sitectl/sitectl/site"
)

// checkHealthPath looks for a probe that asks the CMS for a page. While a
// migration has the site in maintenance mode, the CMS answers every page with
// 503 in every pod, old and new, so that all of them would be taken out of
// service (drush-ops/drush#6331).
func (d *Deployer) checkHealthPath(ctx context.Context, _ preflight) ([]Finding, error) {
	if d.patching() {
		return d.checkProbe(ctx)
	}
	found := judgeHealthPath(d.site, d.site.Web.Health.Path)
	for i := range found {
		found[i].About = "web.health.path " + d.site.Web.Health.Path
		found[i].Hint = "leave web.health out (the default asks PHP without the site's code), or name a file of the docroot, such as /healthz.txt"
	}
	return found, nil
}

// checkProbe is checkHealthPath for a probe of somebody else's.
func (d *Deployer) checkProbe(ctx context.Context) ([]Finding, error) {
	web, err := d.client.AppsV1().Deployments(d.site.Namespace).Get(ctx, "web", metav1.GetOptions{})
	if apierrors.IsForbidden(err) {
		return nil, nil // reported with the permissions
	}
	if err != nil {
		return nil, fmt.Errorf("read Deployment web: %w", err)
	}
	return judgeProbe(d.site, readinessProbe(web.Spec.Template.Spec, d.container())), nil
}

func readinessProbe(pod corev1.PodSpec, container string) *corev1.Probe {
	for _, c := range pod.Containers {
		if c.Name == container || len(pod.Containers) == 1 {
			return c.ReadinessProbe
		}
	}
	return nil
}

func judgeProbe(s site.Site, probe *corev1.Probe) []Finding {
	const about = "Deployment web"
	if probe == nil {
		return []Finding{{
			About:   about,
			Message: "has no readiness probe: a new pod gets requests before it can answer them, and one that crashes later is noticed by web.verify at best",
			Hint:    "have one added, and set web.rollout.minReadySeconds to longer than the site takes to start",
			Warning: true,
		}}
	}
	if probe.HTTPGet == nil {
		return nil
	}
	found := judgeHealthPath(s, probe.HTTPGet.Path)
	for i := range found {
		found[i].About = about
		found[i].Message = fmt.Sprintf("its readiness probe, %s, %s", probe.HTTPGet.Path, found[i].Message)
		found[i].Hint = "have it ask for a file of the docroot, such as /healthz.txt"
	}
	return found
}

// judgeHealthPath says what would become of a probe of that path.
func judgeHealthPath(s site.Site, health string) []Finding {
	if s.Migrate == nil || len(s.Migrate.Steps) == 0 || !answeredByCMS(s.Preset, health) {
		return nil
	}
	if slices.ContainsFunc(s.Migrate.Steps, setsMaintenance) {
		return []Finding{{
			Message: "is a page of the site: drush puts it in maintenance mode (503) while it updates the database, and all pods would be taken out of service",
		}}
	}
	return []Finding{{
		Message: "is a page of the site: if the migration puts it in maintenance mode (503), all pods are taken out of service until it is done",
		Warning: true,
	}}
}

// answeredByCMS guesses from the path alone: a file has an extension.
func answeredByCMS(preset site.Preset, health string) bool {
	health, _, _ = strings.Cut(health, "?")
	if preset != site.Drupal && preset != site.WordPress || strings.HasPrefix(health, "/.sitectl/") {
		return false
	}
	return path.Ext(health) == "" || path.Base(health) == "index.php"
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

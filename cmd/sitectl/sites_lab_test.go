//go:build lab

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refuses checks that paths are not for visitors.
func (s *labSite) refuses(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		response, body := s.request(t, http.MethodGet, path, nil)
		assert.Equal(t, http.StatusForbidden, response.StatusCode, "%s: %s", path, body)
	}
}

// answers waits until a page has all of the lines.
func (s *labSite) answers(t *testing.T, path string, lines ...string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		body := s.page(t, path)
		for _, line := range lines {
			assert.Contains(c, body, line)
		}
	}, 30*time.Second, 200*time.Millisecond, path)
}

// runCron runs the Job of a CronJob now.
func (s *labSite) runCron(t *testing.T, name string) {
	t.Helper()
	cron, err := s.cluster.BatchV1().CronJobs(s.namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	jobs := s.cluster.BatchV1().Jobs(s.namespace)
	job, err := jobs.Create(t.Context(), &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-now-"},
		Spec:       cron.Spec.JobTemplate.Spec,
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		job, err := jobs.Get(t.Context(), job.Name, metav1.GetOptions{})
		require.NoError(c, err)
		require.Zero(c, job.Status.Failed, "the Job failed")
		assert.Equal(c, int32(1), job.Status.Succeeded)
	}, 2*time.Minute, time.Second)
}

// TestShipComposerProject ships a site with the preset drupal: installed by
// the first ship whose installation is not interrupted, updated by the next.
func TestShipComposerProject(t *testing.T) {
	t.Parallel()
	s := newLabSample(t, "composer", "composer")
	const drush = "packages/drush/bin/drush"
	whole, err := os.ReadFile(filepath.Join(s.dir, drush))
	require.NoError(t, err)
	s.write(t, drush, strings.Replace(string(whole), "$trace =", "exit(9);\n$trace =", 1))
	s.commit(t, "an installation that is killed")
	assert.Equal(t, int(statusMigration), s.sitectl(t, "ship").status)
	s.write(t, drush, string(whole))
	s.commit(t, "one that is not")
	s.ship(t)
	s.answers(t, "/some/page",
		"Greeting: Hello", "Time: this century", "Installed: 1", "Deployed: 0", "Hosts: ^"+pattern(s.address)+"$", "Salt: 52 characters",
		"Template: compiled in /tmp/drupal/php", "Release: known", "Private files: sites/default/files/private")
	s.refuses(t,
		"/core/src/Site.php", "/sites/default/settings.php", "/sites/shop/settings.php", "/modules/custom/greeting/src/Greeting.php",
		"/sites/default/files/private/letter.pdf", "/autoload.php", "/core/core.services.yml", "/composer.json")
	s.runCron(t, "cron")

	s.write(t, "web/modules/custom/greeting/src/Greeting.php", `<?php
namespace Example\Greeting;
final class Greeting { public static function text(): string { return 'Bonjour'; } }
`)
	s.commit(t, "in French")
	s.ship(t)
	s.answers(t, "/", "Greeting: Bonjour", "Installed: 1", "Deployed: 1", "Cron: 1")
}

// pattern is a host as a regular expression has it.
func pattern(host string) string {
	var out string
	for _, r := range host {
		if r == '.' || r == '-' {
			out += `\`
		}
		out += string(r)
	}
	return out
}

func TestShipBedrock(t *testing.T) {
	t.Parallel()
	s := newLabSample(t, "bedrock", "bedrock")
	s.ship(t)
	home := "http://" + s.address
	s.answers(t, "/", "Home: "+home+"\n", "Core: "+home+"/wp\n", "Content: "+home+"/app in /var/www/site/web/app\n",
		"Salts: different", "File editing: off", "Uploads: writable")
	s.runCron(t, "wp-cron")
}

func TestShipCodeIgniter(t *testing.T) {
	t.Parallel()
	s := newLabSample(t, "codeigniter", "codeigniter")
	s.ship(t)
	s.answers(t, "/hello/Ada", "Hello, Ada", "PHP 8.2 in Europe/Berlin", "cache: writable", "logs: writable", "session: writable",
		"uploads: writable", "app: read-only")
}

func TestShipGrav(t *testing.T) {
	t.Parallel()
	s := newLabSample(t, "grav", "grav")
	s.ship(t)
	s.answers(t, "/about", "Two pages and no database")
	s.answers(t, "/", "Welcome.")
	s.refuses(t, "/user/pages/01.home/default.md", "/system/Pages.php", "/cache/x", "/user/config/site.yaml")
	response, body := s.request(t, http.MethodGet, "/missing", nil)
	assert.Equal(t, http.StatusNotFound, response.StatusCode)
	assert.Equal(t, "There is no such page.\n", body)
}

func TestShipReact(t *testing.T) {
	t.Parallel()
	s := newLabSample(t, "react", "react")
	s.ship(t)
	for _, path := range []string{"/", "/some/page", "/src/App.jsx"} {
		s.answers(t, path, "<title>A site without PHP</title>")
	}
	assert.Contains(t, s.page(t, "/app.js"), "A site without PHP")
	s.refuses(t, "/package.json")

	s.write(t, "src/App.jsx", "export default () => <h1>Quite another site</h1>;\n")
	s.commit(t, "another site, of which the image has only the output")
	s.ship(t)
	s.answers(t, "/app.js", "Quite another site")
}

//go:build lab

package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
)

// initCode is code without a site file, and what its site is asked.
type initCode struct {
	name   string
	write  func(ctx context.Context, folder string) error
	page   string   // a path
	shows  []string // what its answer has in it
	closed []string // paths that are not for visitors
	cron   string   // a CronJob
	again  bool     // a second commit is shipped
}

var initSites = []initCode{
	{
		name: "wordpress", write: writeWordPress, again: true,
		page: "/", shows: []string{"Hello world!"}, cron: "wp-cron",
	},
	{
		name: "mediawiki", write: writeMediaWiki, again: true,
		page: "/", shows: []string{"MediaWiki has been installed"}, cron: "jobs",
		closed: []string{"/maintenance/update.php", "/mw-config/index.php", "/LocalSettings.php", "/vendor/autoload.php", "/extensions/Cite/ServiceWiring.php"},
	},
	{name: "guestbook", write: sampleCode("guestbook"), page: "/", shows: []string{"Guestbook"}},
	{name: "codeigniter", write: sampleCode("codeigniter"), page: "/hello/Ada", shows: []string{"Hello, Ada", "uploads: writable", "cache: writable"}},
	{name: "react", write: sampleCode("react"), page: "/some/page", shows: []string{"<title>A site without PHP</title>"}},
}

// TestInitShips: for code as it comes, `sitectl init --yes` and `sitectl ship`
// are all that is needed, with SITECTL_REGISTRY set and in a folder called like
// the site's address.
func TestInitShips(t *testing.T) {
	environment, err := readEnvironment()
	require.NoError(t, err)
	sitectl := buildSitectl(t)
	for _, site := range append(initSites, furtherInitSites...) {
		t.Run(site.name, func(t *testing.T) {
			t.Parallel()
			s := &initSite{sitectl: sitectl, environment: environment, address: "init-" + site.name + "-" + rand.String(5) + ".localhost"}
			s.repository = repository(filepath.Join(t.TempDir(), s.address))
			require.NoError(t, site.write(t.Context(), string(s.repository)))
			s.ship(t)
			s.shows(t, site)
			if site.again {
				require.NoError(t, os.WriteFile(filepath.Join(string(s.repository), "notes.txt"), []byte("The second release."), 0o644))
				require.NoError(t, s.repository.commit(t.Context(), "The second release"))
				s.do(t, "ship")
				s.shows(t, site)
			}
			for _, path := range site.closed {
				status, _ := s.get(t, path)
				assert.Equal(t, http.StatusForbidden, status, path)
			}
			if site.cron != "" {
				s.runCron(t, site.cron)
			}
		})
	}
}

// sampleCode writes a site of testdata/sites without its site file.
func sampleCode(name string) func(context.Context, string) error {
	return func(_ context.Context, folder string) error {
		return errors.Join(
			os.CopyFS(folder, os.DirFS(filepath.Join("..", "..", "testdata", "sites", name))),
			os.Remove(filepath.Join(folder, "site.yaml")))
	}
}

// initSite is a site that has nothing but its code.
type initSite struct {
	sitectl     string
	environment environment
	address     string
	repository  repository // its folder is called like the address
}

// ship does what a person does with it.
func (s *initSite) ship(t *testing.T) {
	cluster, err := newClient(s.environment.kubeconfig)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, removeNamespace(context.Background(), cluster, namespace(s.address))) })
	require.NoError(t, s.repository.create(t.Context()))
	s.do(t, "init", "--yes")
	require.NoError(t, s.repository.commit(t.Context(), "Ship with sitectl"))
	s.do(t, "ship")
}

// runCron runs a CronJob that its schedule does not run at the same time.
func (s *initSite) runCron(t *testing.T, name string) {
	cluster, err := newClient(s.environment.kubeconfig)
	require.NoError(t, err)
	s.do(t, "cron", "suspend", name)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		cron, err := cluster.BatchV1().CronJobs(namespace(s.address)).Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(c, err)
		assert.Empty(c, cron.Status.Active)
	}, 2*time.Minute, time.Second)
	s.do(t, "cron", "run", name)
}

func (s *initSite) do(t *testing.T, arguments ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), s.sitectl, arguments...)
	command.Dir = string(s.repository)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "sitectl %v:\n%s", arguments, output)
	t.Logf("sitectl %v\n%s", arguments, output)
}

// shows waits for the page of a site: the ingress learns of a new one a moment
// after the cluster does.
func (s *initSite) shows(t *testing.T, site initCode) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		status, body := s.get(c, site.page)
		assert.Equal(c, http.StatusOK, status, body)
		for _, text := range site.shows {
			assert.Contains(c, body, text)
		}
	}, time.Minute, 200*time.Millisecond)
}

// get asks the ingress as if it listened on port 80: a site that has been told
// its address redirects to it.
func (s *initSite) get(t require.TestingT, path string) (status int, body string) {
	request, err := http.NewRequest(http.MethodGet, "http://"+s.environment.ingress+path, nil)
	require.NoError(t, err)
	request.Host = s.address
	client := &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

//go:build lab

package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/sitectl/sitectl/lab/load"
)

// TestDrops: no request is dropped, whatever happens to a site that is meant
// to happen. It goes through the ingress, over kept and over new connections,
// while answers are under way that take ten seconds.
func TestDrops(t *testing.T) {
	environment, err := readEnvironment()
	require.NoError(t, err)
	cluster, err := newClient(environment.kubeconfig)
	require.NoError(t, err)
	sitectl := buildSitectl(t)
	table := &dropTable{}
	t.Cleanup(func() { table.write(t) })
	t.Run("sites", func(t *testing.T) {
		for _, replicas := range dropReplicas {
			for _, varnish := range []bool{true, false} {
				s := &dropSite{
					sitectl: sitectl, environment: environment, cluster: cluster,
					replicas: replicas, varnish: varnish, table: table,
				}
				t.Run(s.String(), func(t *testing.T) {
					t.Parallel()
					s.run(t)
				})
			}
		}
	})
}

// dropSite is a site whose requests are counted.
type dropSite struct {
	sitectl     string
	environment environment
	cluster     kubernetes.Interface
	replicas    int32
	varnish     bool
	table       *dropTable

	repository repository
	name       string // of the namespace; the address has a dot for the last dash
}

func (s *dropSite) String() string {
	text := fmt.Sprintf("%d replicas", s.replicas)
	if s.replicas == 1 {
		text = "1 replica"
	}
	if s.varnish {
		return text + " with Varnish"
	}
	return text
}

func (s *dropSite) address() string { return strings.TrimSuffix(s.name, "-localhost") + ".localhost" }

func (s *dropSite) run(t *testing.T) {
	s.create(t)
	t.Cleanup(func() {
		assert.NoError(t, removeNamespace(context.Background(), s.cluster, s.name))
	})
	s.do(t, "ship")
	s.awaitIngress(t)
	s.commit(t, "second")
	for _, act := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"rollout", func(t *testing.T) { s.do(t, "ship") }},
		{"rollback", func(t *testing.T) { s.do(t, "rollback") }},
		{"scaling", func(t *testing.T) { s.scale(t, s.replicas+2); s.scale(t, s.replicas) }},
		{"drain", s.drain},
	} {
		s.underLoad(t, act.name, act.do)
	}
}

// create makes the repository. All sites have one image repository, and so
// one image for each commit.
func (s *dropSite) create(t *testing.T) {
	id := "drops-" + rand.String(5)
	s.name = id + "-localhost"
	s.repository = repository(t.TempDir())
	require.NoError(t, os.CopyFS(string(s.repository), os.DirFS("testdata/drops")))
	path := filepath.Join(string(s.repository), "site.yaml")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	file := map[string]any{}
	require.NoError(t, yaml.Unmarshal(text, &file))
	web := file["web"].(map[string]any)
	file["site"], file["image"], web["replicas"] = s.address(), s.environment.registry+"/demo/drops", s.replicas
	if s.replicas == 1 {
		web["holdDrains"] = true
	}
	file["ingress"] = map[string]any{"hosts": []string{s.address()}}
	if s.varnish {
		web["varnish"] = map[string]any{"memory": "32Mi"}
	}
	text, err = yaml.Marshal(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o644))
	require.NoError(t, s.repository.create(t.Context()))
	s.commit(t, "first")
}

func (s *dropSite) commit(t *testing.T, message string) {
	require.NoError(t, os.WriteFile(filepath.Join(string(s.repository), "public", "message.txt"), []byte(message), 0o644))
	require.NoError(t, s.repository.commit(t.Context(), message))
}

// do runs sitectl.
func (s *dropSite) do(t *testing.T, arguments ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), s.sitectl, arguments...)
	command.Dir = string(s.repository)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "sitectl %s:\n%s", strings.Join(arguments, " "), output)
}

func (s *dropSite) awaitIngress(t *testing.T) {
	visitor, err := newBrowser(s.environment.ingress, s.address())
	require.NoError(t, err)
	require.NoError(t, visitor.awaitIngress(t.Context()))
}

// underLoad does something to the site and goes on until the pods that it
// ends are gone.
func (s *dropSite) underLoad(t *testing.T, act string, do func(*testing.T)) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	loads := map[string]func() *load.Tally{
		"kept":    func() *load.Tally { return s.load(4, 200*time.Millisecond, "/").Run(ctx, true) },
		"new":     func() *load.Tally { return s.load(4, 200*time.Millisecond, "/").Run(ctx, false) },
		"slow":    func() *load.Tally { return s.load(6, time.Second, "/slow.php").Run(ctx, true) },
		"slowNew": func() *load.Tally { return s.load(2, time.Second, "/slow.php").Run(ctx, false) },
	}
	tallies := map[string]*load.Tally{}
	var mutex sync.Mutex
	var running sync.WaitGroup
	for name, run := range loads {
		running.Go(func() {
			tally := run()
			mutex.Lock()
			defer mutex.Unlock()
			tallies[name] = tally
		})
	}
	began := time.Now()
	ended := t.Run(act, func(t *testing.T) {
		do(t)
		s.settle(t)
	})
	took := time.Since(began)
	stop()
	running.Wait()
	s.table.add(s, act, took, tallies)
	for name, tally := range tallies {
		assert.Zero(t, tally.Failed, "%s, %s connections: %v", act, name, tally.Failures)
		assert.NotZero(t, tally.Served, "%s, %s connections", act, name)
	}
	require.True(t, ended)
}

func (s *dropSite) load(workers int, interval time.Duration, path string) load.Load {
	expected := "release "
	if path != "/" {
		expected = "after ten seconds"
	}
	_, port, _ := net.SplitHostPort(s.environment.ingress)
	return load.Load{
		Ingress: s.environment.ingress, Host: net.JoinHostPort(s.address(), port),
		Workers: workers, Interval: interval, Timeout: patience,
		Request: func(int) load.Request {
			return load.Request{Method: http.MethodGet, Path: path, Right: load.Page(expected)}
		},
	}
}

// settle waits until all pods are as many as there should be, and ready.
func (s *dropSite) settle(t *testing.T) {
	s.await(t, "the pods are settled", func(web *appsv1.Deployment, pods []corev1.Pod) bool {
		return len(pods) == int(*web.Spec.Replicas) && web.Status.AvailableReplicas == *web.Spec.Replicas
	})
}

func (s *dropSite) await(t *testing.T, what string, done func(*appsv1.Deployment, []corev1.Pod) bool) {
	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, 4*time.Minute, true, func(ctx context.Context) (bool, error) {
		web, err := s.cluster.AppsV1().Deployments(s.name).Get(ctx, "web", metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		return done(web, s.pods(t)), nil
	})
	require.NoError(t, err, what)
}

func (s *dropSite) pods(t *testing.T) []corev1.Pod {
	list, err := s.cluster.CoreV1().Pods(s.name).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=web"})
	require.NoError(t, err)
	return list.Items
}

// scale does what kubectl scale does.
func (s *dropSite) scale(t *testing.T, replicas int32) {
	_, err := s.cluster.AppsV1().Deployments(s.name).UpdateScale(t.Context(), "web", &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: s.name},
		Spec:       autoscalingv1.ScaleSpec{Replicas: replicas},
	}, metav1.UpdateOptions{})
	require.NoError(t, err)
	s.settle(t)
}

// drain evicts every pod, as kubectl drain does with those of a node: it asks
// again while the disruption budget says no. That of a site of one pod always
// does, until somebody has the pod replaced.
func (s *dropSite) drain(t *testing.T) {
	var evictions sync.WaitGroup
	for _, pod := range s.pods(t) {
		replace := func() {}
		if s.replicas == 1 {
			replace = sync.OnceFunc(func() { s.restart(t) })
		}
		evictions.Go(func() { s.evict(t, pod.Name, replace) })
	}
	evictions.Wait()
	s.settle(t)
}

// restart does what kubectl rollout restart does.
func (s *dropSite) restart(t *testing.T) {
	patch := fmt.Appendf(nil, `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`, time.Now().Format(time.RFC3339))
	_, err := s.cluster.AppsV1().Deployments(s.name).Patch(t.Context(), "web", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	assert.NoError(t, err)
}

func (s *dropSite) evict(t *testing.T, pod string, refused func()) {
	err := wait.PollUntilContextTimeout(t.Context(), time.Second, 4*time.Minute, true, func(ctx context.Context) (bool, error) {
		err := s.cluster.PolicyV1().Evictions(s.name).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: s.name}})
		if apierrors.IsTooManyRequests(err) {
			refused()
			return false, nil
		}
		return err == nil || apierrors.IsNotFound(err), err
	})
	assert.NoError(t, err, "evict %s", pod)
}

// dropTable is what became of the requests.
type dropTable struct {
	mutex sync.Mutex
	rows  []string
}

func (d *dropTable) add(s *dropSite, act string, took time.Duration, tallies map[string]*load.Tally) {
	varnish := "no"
	if s.varnish {
		varnish = "yes"
	}
	row := fmt.Sprintf("%d\t%s\t%s\t%.0f s", s.replicas, varnish, act, took.Seconds())
	for _, name := range slices.Sorted(maps.Keys(tallies)) {
		row += fmt.Sprintf("\t%d\t%d", tallies[name].Served, tallies[name].Failed)
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.rows = append(d.rows, row)
}

func (d *dropTable) write(t *testing.T) {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "replicas\tVarnish\twhat happened\tin\tkept\tfailed\tnew\tfailed\tslow, kept\tfailed\tslow, new\tfailed\t")
	slices.Sort(d.rows)
	for _, row := range d.rows {
		fmt.Fprintln(table, row+"\t")
	}
	table.Flush()
	t.Log("requests served and failed, by connections\n" + text.String())
}

// buildSitectl builds the program, as a user would.
func buildSitectl(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sitectl")
	command := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./cmd/sitectl")
	command.Dir = filepath.Join("..", "..")
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	return path
}

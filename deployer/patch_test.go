package deployer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/sitectl/sitectl/site"
)

// flightDeck is a cluster with a namespace that an Ansible role has laid out,
// but for the objects of the given names.
func flightDeck(t *testing.T, without ...string) (*fakeCluster, site.Image) {
	t.Helper()
	return flightDeckFor(t, readSite(t, "patch", ""), without...)
}

func flightDeckFor(t *testing.T, s site.Site, without ...string) (*fakeCluster, site.Image) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "flight-deck.yaml"))
	require.NoError(t, err)
	objects := []runtime.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.Namespace}}}
	for _, manifest := range strings.Split(string(data), "\n---\n") {
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(manifest), nil, nil)
		require.NoError(t, err)
		if !slices.Contains(without, object.(metav1.Object).GetName()) {
			objects = append(objects, object)
		}
	}
	c := newFakeCluster(t, s, objects...)
	c.version("v1.36.3")
	c.permit(anyone)
	return c, testImage(s)
}

// The role has no probes, and who adds one takes what is at hand.
func TestProbeOfAPatchedDeployment(t *testing.T) {
	c, _ := flightDeck(t)
	c.site.Migrate = nil
	web := c.webDeployment()
	probe := web.Spec.Template.Spec.Containers[0].ReadinessProbe
	web.Spec.Template.Spec.Containers[0].ReadinessProbe = nil
	c.put(web)
	assert.Empty(t, c.findings())
	assert.Contains(t, strings.Join(c.lines, "\n"), "warning: Deployment web: has no readiness probe")

	s := readSite(t, "patch", "")
	found := judgeProbe(s, probe)
	require.Len(t, found, 1)
	assert.False(t, found[0].Warning)
	assert.Equal(t, "its readiness probe, /, is a page of the site: drush puts it in maintenance mode (503) "+
		"while it updates the database, and all pods would be taken out of service", found[0].Message)
	probe.HTTPGet.Path = "/healthz.txt"
	assert.Empty(t, judgeProbe(s, probe))
	probe.HTTPGet = nil
	assert.Empty(t, judgeProbe(s, probe))
}

func (c *fakeCluster) webDeployment() *appsv1.Deployment {
	c.t.Helper()
	web, err := c.clients.Tracker().Get(appsv1.SchemeGroupVersion.WithResource("deployments"), c.site.Namespace, "web")
	require.NoError(c.t, err)
	return web.(*appsv1.Deployment).DeepCopy()
}

func TestPatchesGolden(t *testing.T) {
	c, image := flightDeck(t)
	objects, err := c.objects(t.Context(), image)
	require.NoError(t, err)
	manifests, err := Manifests(objects)
	require.NoError(t, err)
	golden(t, filepath.Join("patch", "flight-deck.yaml"), manifests)
}

// What is recorded must not depend on what a ship itself has changed: the
// next one of the same image has nothing to do.
func TestPatchesAreTheSameAfterADeploy(t *testing.T) {
	c, image := flightDeck(t)
	before, err := c.objects(t.Context(), image)
	require.NoError(t, err)
	require.NoError(t, c.applyAll(t.Context(), slices.Concat(in(StageWeb, before), in(StageCron, before))))
	after, err := c.objects(t.Context(), image)
	require.NoError(t, err)
	assert.Equal(t, before, after)

	release, err := c.Begin(t.Context(), image)
	require.NoError(t, err)
	_, err = c.Record(t.Context(), release)
	require.NoError(t, err)
	web := c.webDeployment()
	web.Status = appsv1.DeploymentStatus{ObservedGeneration: web.Generation, Replicas: 3, UpdatedReplicas: 3, AvailableReplicas: 3}
	c.put(web)
	_, running, err := c.Current(t.Context(), image)
	require.NoError(t, err)
	assert.True(t, running)
}

func TestPatchesLeaveEverythingElseAlone(t *testing.T) {
	c, image := flightDeck(t)
	before := c.webDeployment()
	require.NoError(t, c.Apply(t.Context(), image))
	require.NoError(t, c.Data(t.Context()))
	assert.Empty(t, c.requests("create", "patch", "update", "delete"), "nothing is laid out")

	objects, err := c.objects(t.Context(), image)
	require.NoError(t, err)
	require.NoError(t, c.applyAll(t.Context(), in(StageWeb, objects)))
	require.NoError(t, c.Cron(t.Context(), image))
	after := c.webDeployment()
	assert.Equal(t, image.Reference(), after.Spec.Template.Spec.Containers[0].Image)
	assert.Equal(t, image.Reference(), after.Spec.Template.Spec.InitContainers[0].Image, "of the site, too")
	assert.Equal(t, image.Reference(), after.Spec.Template.Annotations[imageAnnotation])
	assert.Equal(t, "0", after.Spec.Strategy.RollingUpdate.MaxUnavailable.String())

	after.Spec.Template.Spec.Containers[0].Image = before.Spec.Template.Spec.Containers[0].Image
	after.Spec.Template.Spec.InitContainers[0].Image = before.Spec.Template.Spec.InitContainers[0].Image
	assert.Equal(t, before.Spec.Template.Spec, after.Spec.Template.Spec)
	assert.Equal(t, before.Spec.Selector, after.Spec.Selector)
	assert.Equal(t, before.Spec.Replicas, after.Spec.Replicas)
	assert.Equal(t, before.Spec.Template.Labels, after.Spec.Template.Labels)

	crons, err := c.client.BatchV1().CronJobs(c.site.Namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, crons.Items, 2, "none is dropped")
	for _, cron := range crons.Items {
		want := map[string]string{"cron": image.Reference(), "tractorbeam-daily": "ten7/tractorbeam"}[cron.Name]
		assert.Equal(t, want, cron.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Image, cron.Name)
	}
	named, err := c.cronJobs(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"cron"}, cronNames(named), "the others are not paused")
}

// A ship that was killed may have left the CronJobs suspended, and the new
// image in some place.
func TestWhatAKilledShipLeavesOfPatches(t *testing.T) {
	c, image := flightDeck(t)
	release, err := c.Begin(t.Context(), image)
	require.NoError(t, err)
	objects, err := c.objects(t.Context(), image)
	require.NoError(t, err)
	require.NoError(t, c.applyAll(t.Context(), in(StageWeb, objects)[1:]))
	crons, err := c.cronJobs(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.changeCron(t.Context(), crons[0], paused))
	left, err := c.Leftover(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"cron"}, left.Suspended)
	assert.True(t, left.Changed)
	require.NotNil(t, left.Release)
	assert.Equal(t, release.Number, left.Release.Number)
}

func TestPatchesWarnOfManifestsOfTheCommit(t *testing.T) {
	c, _ := flightDeck(t)
	c.site.Migrate = nil
	c.opts.Own = site.Own{Manifests: []site.OwnFile{{Path: ".sitectl/manifests/worker.yaml"}}}
	assert.Empty(t, c.findings())
	assert.Contains(t, c.lines, "warning: .sitectl/manifests/worker.yaml: is not applied in patch mode (deploy.mode); lay it out where the rest of the namespace is")
}

func cronNames(crons []batchv1.CronJob) []string {
	var names []string
	for _, cron := range crons {
		names = append(names, cron.Name)
	}
	return names
}

func TestPatchesOfWhatIsNotThere(t *testing.T) {
	c, _ := flightDeck(t, "worker", "cron")
	c.site.Deploy.Container = "php"
	assert.Equal(t, []string{
		"Deployment web: has no container php, only web and varnish",
		"Deployment worker: is not in namespace example-com",
		"CronJob cron: is not in namespace example-com",
	}, c.findings())
}

// A volume for one node and a rollout with one more pod wait for each other.
func TestPatchesOfAVolumeForOneNode(t *testing.T) {
	c, _ := flightDeck(t, "files")
	c.site.Migrate = nil
	c.put(&corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "files", Namespace: c.site.Namespace},
		Spec:       corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}},
	})
	assert.Equal(t, []string{
		"Deployment web: a new pod cannot have the volume files (ReadWriteOnce) while an old one runs, perhaps on another node",
	}, c.findings())
	c.site.Web.Rollout.MaxSurge, c.site.Web.Rollout.MaxUnavailable = 0, 1
	assert.Empty(t, c.findings())
}

// The environment of somebody else's pods may hold what nobody should read.
func TestPatchesAreRecordedWithoutTheJob(t *testing.T) {
	c, image := flightDeck(t)
	release, err := c.Begin(t.Context(), image)
	require.NoError(t, err)
	record, err := c.client.CoreV1().ConfigMaps(c.site.Namespace).Get(t.Context(), recordName(release.Number), metav1.GetOptions{})
	require.NoError(t, err)
	kept, err := unpackObjects(record.BinaryData[manifestsKey])
	require.NoError(t, err)
	assert.NotEmpty(t, in(StageWeb, kept))
	assert.NotEmpty(t, in(StageCron, kept))
	assert.Empty(t, in(StageMigrate, kept))
}

func TestPlanOfPatches(t *testing.T) {
	c, image := flightDeck(t)
	plan, err := c.Plan(t.Context(), image)
	require.NoError(t, err)
	assert.Equal(t, []string{"database", "cache"}, plan.Migration)
	var changes []string
	for _, change := range plan.Changes {
		changes = append(changes, string(change.Action)+" "+change.Kind+" "+change.Name)
	}
	assert.Equal(t, []string{"change Deployment web", "change Deployment worker", "change CronJob cron"}, changes)
}

func TestAccessInPatchMode(t *testing.T) {
	objects, err := Access(readSite(t, "patch", ""), AccessOptions{Account: "deploy"})
	require.NoError(t, err)
	manifests, err := Manifests(objects)
	require.NoError(t, err)
	for _, word := range []string{"secrets", "kind: Namespace", "ClusterRole", "statefulsets"} {
		assert.NotContains(t, string(manifests), word)
	}
}

func TestNothingIsRenderedInPatchMode(t *testing.T) {
	_, err := Objects(readSite(t, "patch", ""), site.Image{})
	assert.ErrorIs(t, err, errNotRendered)
}

func TestReleaseTag(t *testing.T) {
	pod := &corev1.Pod{}
	assert.Empty(t, releaseTag(pod))
	pod.Labels = map[string]string{"app.kubernetes.io/version": "of the chart"}
	assert.Equal(t, "of the chart", releaseTag(pod))
	pod.Annotations = map[string]string{imageAnnotation: "registry.example.com:5000/site:a1b2c3d@sha256:00"}
	assert.Equal(t, "a1b2c3d", releaseTag(pod))
}

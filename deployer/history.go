package deployer

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sitectl/sitectl/site"
)

// Every ship that changes something leaves a ConfigMap, release-<number>. It
// is written before anything of the running site changes, so that a ship
// which was killed has left word of what it was about to do.
const (
	recordPrefix = "release-"
	recordLabel  = releaseAnnotation // with the number: it tells records from other ConfigMaps
	recordKey    = "release"         // the Release, as JSON
	verifyKey    = "verify"          // what the site must answer, as JSON
	manifestsKey = "manifests"       // the rendered objects, as JSON with their stages, compressed
)

// keptReleases is how many shipped releases stay in the history. Those that
// did not succeed stay until they are older than all of these.
const keptReleases = 10

// longestMessage bounds what a record says of a failure, in bytes: the log of
// the ship says it all.
const longestMessage = 500

// Begin writes down that image is about to be shipped, under the next number.
// What follows must call End or Record.
func (d *Deployer) Begin(ctx context.Context, image site.Image) (Release, error) {
	objects, err := d.whole(ctx, image)
	if err != nil {
		return Release{}, err
	}
	release := Release{
		Commit:     image.Commit,
		Image:      reference(image),
		Digest:     image.Digest,
		By:         d.opts.By,
		At:         now(),
		Outcome:    Begun,
		Reversible: d.site.Migrate == nil || d.site.Migrate.Reversible,
	}
	if d.earlier != nil {
		release.Back = cmp.Or(d.earlier.release.Back, d.earlier.release.Number)
	}
	if release.Manifests, err = checksum(objects); err != nil {
		return Release{}, err
	}
	earlier, err := d.Releases(ctx)
	if err != nil {
		return Release{}, err
	}
	if len(earlier) > 0 {
		release.Number = earlier[0].Number
	}
	for {
		release.Number++
		err := d.createRecord(ctx, release, objects)
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return release, err
		}
		// If it exists, it is one that cannot be read, or this one: made by a
		// request whose answer was lost.
		ours := err == nil
		if !ours {
			if ours, err = d.isRecorded(ctx, release); err != nil {
				return release, err
			}
		}
		if ours {
			return release, d.mark(ctx, release.Number)
		}
	}
}

// begunAnnotation is on the Deployment web, with the number of the release,
// while a release is under way or its ship was killed: then the commit that
// runs is not all there is to know, and the next ship of it looks closer. It
// costs no further request to find out.
const begunAnnotation = "sitectl.dev/begun"

// mark notes on the Deployment web, if there is one already, which release is
// under way; nil for none.
func (d *Deployer) mark(ctx context.Context, number any) error {
	if number != nil {
		number = fmt.Sprint(number)
	}
	return d.annotateWeb(ctx, map[string]any{begunAnnotation: number})
}

// annotateWeb sets annotations of the Deployment web, if there is one, and
// removes those that are nil. No pods are replaced. It does raise the
// Deployment's generation: annotations are copied to the ReplicaSet.
func (d *Deployer) annotateWeb(ctx context.Context, annotations map[string]any) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		return err
	}
	_, err = d.client.AppsV1().Deployments(d.site.Namespace).
		Patch(ctx, "web", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("annotate Deployment web: %w", err)
	}
	return nil
}

// whole are the objects to keep with a release: all of them, so that a
// release which goes back can itself be gone back to.
func (d *Deployer) whole(ctx context.Context, image site.Image) ([]Object, error) {
	if d.earlier != nil {
		return d.earlier.objects, nil
	}
	return d.objects(ctx, image)
}

// recordable leaves out what must not be kept. In patch mode that is the
// migration Job: it is made of pods of somebody else's, whose environment may
// hold secrets.
func (d *Deployer) recordable(objects []Object) []Object {
	if !d.patching() {
		return objects
	}
	return slices.DeleteFunc(slices.Clone(objects), func(o Object) bool { return o.Stage == StageMigrate })
}

// isRecorded says whether the record of a release is the one that was to be
// written.
func (d *Deployer) isRecorded(ctx context.Context, release Release) (bool, error) {
	data, err := json.Marshal(release)
	if err != nil {
		return false, err
	}
	name := recordName(release.Number)
	record, err := d.client.CoreV1().ConfigMaps(d.site.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return false, fmt.Errorf("read ConfigMap %s: %w", name, err)
	}
	return record.Data[recordKey] == string(data), nil
}

// Migrating writes down that the migration of a release is about to run,
// before it does.
func (d *Deployer) Migrating(ctx context.Context, release Release) (Release, error) {
	release.Migrated = true
	return release, d.writeRecord(ctx, release)
}

// Interrupted writes down that the ship of a release was killed, if nobody has
// written down how it ended.
func (d *Deployer) Interrupted(ctx context.Context, release Release) (Release, error) {
	if release.Interrupted || release.Outcome != Begun {
		return release, nil
	}
	release.Interrupted = true
	return release, d.writeRecord(ctx, release)
}

// End writes down how a release ended that was not shipped. The message says
// why; its first line is kept.
func (d *Deployer) End(ctx context.Context, release Release, outcome Outcome, message string) (Release, error) {
	release.At, release.Outcome = now(), outcome
	release.Message, _, _ = strings.Cut(strings.TrimSpace(message), "\n")
	if len(release.Message) > longestMessage {
		release.Message = strings.ToValidUTF8(release.Message[:longestMessage], "") + "…"
	}
	if err := d.writeRecord(ctx, release); err != nil || outcome == Shipped { // which Record notes there
		return release, err
	}
	return release, d.mark(ctx, nil)
}

// Releases returns the history, the latest first.
func (d *Deployer) Releases(ctx context.Context) ([]Release, error) {
	records, err := d.client.CoreV1().ConfigMaps(d.site.Namespace).List(ctx, metav1.ListOptions{LabelSelector: d.recordSelector()})
	if err != nil {
		return nil, fmt.Errorf("list the records of releases: %w", err)
	}
	releases := []Release{}
	for _, record := range records.Items {
		release := Release{}
		if json.Unmarshal([]byte(record.Data[recordKey]), &release) == nil && record.Name == recordName(release.Number) {
			releases = append(releases, release)
		}
	}
	slices.SortFunc(releases, func(a, b Release) int { return cmp.Compare(b.Number, a.Number) })
	return releases, nil
}

// History is Releases for a command that has made no request before.
func (d *Deployer) History(ctx context.Context) (releases []Release, err error) {
	err = d.reach(ctx, func(ctx context.Context) error {
		releases, err = d.Releases(ctx)
		return err
	})
	return releases, err
}

// recordSelector selects the records of this site.
func (d *Deployer) recordSelector() string {
	return fmt.Sprintf("app.kubernetes.io/managed-by=%s,app.kubernetes.io/instance=%s,%s", fieldManager, d.site.Namespace, recordLabel)
}

func recordName(number int) string { return recordPrefix + strconv.Itoa(number) }

func (d *Deployer) createRecord(ctx context.Context, release Release, objects []Object) error {
	data, err := json.Marshal(release)
	if err != nil {
		return err
	}
	verify, err := json.Marshal(d.site.Web.Verify)
	if err != nil {
		return err
	}
	manifests, err := packObjects(d.recordable(objects))
	if err != nil {
		return err
	}
	record := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name: recordName(release.Number),
			Labels: map[string]string{
				"app.kubernetes.io/instance":   d.site.Namespace,
				"app.kubernetes.io/managed-by": fieldManager,
				"app.kubernetes.io/version":    release.Commit.Tag,
				recordLabel:                    strconv.Itoa(release.Number),
			},
		},
		Data:       map[string]string{recordKey: string(data), verifyKey: string(verify)},
		BinaryData: map[string][]byte{manifestsKey: manifests},
	}
	_, err = d.client.CoreV1().ConfigMaps(d.site.Namespace).Create(ctx, record, metav1.CreateOptions{FieldManager: fieldManager})
	if err != nil {
		return fmt.Errorf("write ConfigMap %s: %w", record.Name, err)
	}
	return nil
}

// writeRecord writes a release down again; the objects stay as they are.
func (d *Deployer) writeRecord(ctx context.Context, release Release) error {
	data, err := json.Marshal(release)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"data": map[string]string{recordKey: string(data)}})
	if err != nil {
		return err
	}
	name := recordName(release.Number)
	_, err = d.client.CoreV1().ConfigMaps(d.site.Namespace).
		Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil {
		return fmt.Errorf("write ConfigMap %s: %w", name, err)
	}
	return nil
}

// forgetReleases deletes the records that are older than the last few
// shipped releases.
func (d *Deployer) forgetReleases(ctx context.Context) error {
	releases, err := d.Releases(ctx)
	if err != nil {
		return err
	}
	for _, release := range forgettable(releases) {
		name := recordName(release.Number)
		err := d.client.CoreV1().ConfigMaps(d.site.Namespace).Delete(ctx, name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete ConfigMap %s: %w", name, err)
		}
	}
	return nil
}

// forgettable are those of a history, the latest first, that come after the
// last few shipped ones.
func forgettable(releases []Release) []Release {
	shipped := 0
	for i, release := range releases {
		if shipped == keptReleases {
			return releases[i:]
		}
		if release.Outcome == Shipped {
			shipped++
		}
	}
	return nil
}

// packedObject is an Object in a record.
type packedObject struct {
	Stage  Stage          `json:"stage"`
	Object map[string]any `json:"object"`
}

func packObjects(objects []Object) ([]byte, error) {
	packed := make([]packedObject, len(objects))
	for i, object := range objects {
		packed[i] = packedObject{object.Stage, object.Object}
	}
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	if err := json.NewEncoder(compressed).Encode(packed); err != nil {
		return nil, fmt.Errorf("pack the objects of a release: %w", err)
	}
	if err := compressed.Close(); err != nil {
		return nil, fmt.Errorf("pack the objects of a release: %w", err)
	}
	return out.Bytes(), nil
}

// now is the time as a record has it.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

package deployer

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// At returns a Deployer whose steps take what a release of the history has
// applied instead of what the site file says now: Preflight, Roll, Cron and
// Verify, between Begin and Record. The database, its volume and all else
// that holds data are left as they are, and no migration is run.
func (d *Deployer) At(ctx context.Context, release Release) (*Deployer, error) {
	name := recordName(release.Number)
	record, err := d.client.CoreV1().ConfigMaps(d.site.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap %s: %w", name, err)
	}
	earlier := &earlier{release: release}
	if earlier.objects, err = unpackObjects(record.BinaryData[manifestsKey]); err != nil {
		return nil, fmt.Errorf("read ConfigMap %s: %w", name, err)
	}
	at := *d
	at.earlier = earlier
	at.site.Web.Rollout.Steps = nil // it has taken them
	if err := json.Unmarshal([]byte(record.Data[verifyKey]), &at.site.Web.Verify); err != nil {
		return nil, fmt.Errorf("read ConfigMap %s: %w", name, err)
	}
	return &at, nil
}

// earlier is a release that a Deployer goes back to.
type earlier struct {
	release Release
	objects []Object // all that it has applied
	whole   bool     // it is not gone back to, but finished
}

// takenBack are the objects that going back applies. What holds data stays as
// it is: a database cannot be taken back to its former version, nor a volume
// to its former size. Configuration comes before the pods that read it.
func (e *earlier) takenBack() []Object {
	var taken []Object
	for _, object := range e.objects {
		switch {
		case object.Stage == StageWeb, object.Stage == StageCron:
			taken = append(taken, object)
		case object.Stage == StageFoundation && slices.Contains([]string{"ConfigMap", "NetworkPolicy"}, object.GetKind()):
			taken = append(taken, Object{StageWeb, object.Unstructured})
		}
	}
	return taken
}

// PutBack puts the site back to a release of the history and returns when it
// is well: every pod is of that release and available, the CronJobs are, and
// the site answers as it had to then.
func (d *Deployer) PutBack(ctx context.Context, release Release) error {
	at, err := d.At(ctx, release)
	if err != nil {
		return err
	}
	if err := at.Roll(ctx, release.Built()); err != nil {
		return err
	}
	if err := at.Cron(ctx, release.Built()); err != nil {
		return err
	}
	if err := at.Verify(ctx, release.Built()); err != nil {
		return err
	}
	return at.Prune(ctx, release.Built())
}

// Restorable says whether the site may be put back after what went wrong: not
// if somebody else has changed it meanwhile, and not if the cluster is out of
// reach.
func Restorable(err error) bool {
	var unreachable *UnreachableError
	return !errors.Is(err, errSuperseded) && !errors.As(err, &unreachable)
}

// LastShipped returns the release that was shipped last. It reports whether
// there is one.
func (d *Deployer) LastShipped(ctx context.Context) (Release, bool, error) {
	releases, err := d.Releases(ctx)
	if err != nil {
		return Release{}, false, err
	}
	last, found := lastShipped(releases)
	return last, found, nil
}

func lastShipped(releases []Release) (Release, bool) {
	i := slices.IndexFunc(releases, func(r Release) bool { return r.Outcome == Shipped })
	if i < 0 {
		return Release{}, false
	}
	return releases[i], true
}

// Way is the way back to a release.
type Way struct {
	To Release
	// Across are the releases on the way, the latest first, whose migrations
	// have run and cannot be taken back.
	Across []Release
}

// NoReleaseError says that there is no such release to go back to.
type NoReleaseError struct{ Message string }

func (e *NoReleaseError) Error() string { return e.Message }

// Hint says what to do next.
func (e *NoReleaseError) Hint() string { return "choose one that was shipped: sitectl history" }

// WayBack finds the release to go back to: by its number or the tag of its
// commit, or, if name is empty, the shipped one before that which runs.
// Errors: *NoReleaseError.
func (d *Deployer) WayBack(ctx context.Context, name string) (Way, error) {
	releases, err := d.History(ctx)
	if err != nil {
		return Way{}, err
	}
	var to Release
	if name == "" {
		running := Status{}
		if err := d.webStatus(ctx, &running); err != nil {
			return Way{}, fmt.Errorf("read Deployment web: %w", err)
		}
		to, err = before(releases, running.Image)
	} else {
		to, err = named(releases, name)
	}
	return Way{To: to, Across: across(releases, to)}, err
}

// named finds a shipped release by its number, or the latest by the tag or
// the name of its commit.
func named(releases []Release, name string) (Release, error) {
	is := func(r Release) bool { return strconv.Itoa(r.Number) == name }
	if !slices.ContainsFunc(releases, is) {
		is = func(r Release) bool {
			return r.Commit.Tag == name || len(name) >= 7 && strings.HasPrefix(r.Commit.SHA, name)
		}
	}
	found := slices.DeleteFunc(slices.Clone(releases), func(r Release) bool { return !is(r) })
	if shipped, ok := lastShipped(found); ok {
		return shipped, nil
	}
	if len(found) > 0 {
		return Release{}, &NoReleaseError{fmt.Sprintf("release %s cannot be gone back to: its outcome was %s", name, found[0].Outcome)}
	}
	return Release{}, &NoReleaseError{fmt.Sprintf("the history has no release %s", name)}
}

// before is the release before the one that runs. If that is not the one which
// was shipped last, but one that has failed half-way, it is the one shipped
// last. A release that went back counts as the one it went back to: going
// back twice goes back two releases.
func before(releases []Release, running string) (Release, error) {
	last, found := lastShipped(releases)
	if found && last.Image != running {
		return last, nil
	}
	from := last.Number
	if last.Back > 0 {
		from = last.Back
	}
	earlier := slices.DeleteFunc(slices.Clone(releases), func(r Release) bool { return r.Number >= from || r.Back > 0 })
	if to, found := lastShipped(earlier); found {
		return to, nil
	}
	return Release{}, &NoReleaseError{"there is no release to go back to"}
}

// across are the releases after one whose migration the site file does not
// call reversible. One that has failed counts: it may have done half of it.
func across(releases []Release, to Release) []Release {
	return slices.DeleteFunc(slices.Clone(releases), func(r Release) bool {
		return r.Number <= to.Number || !r.Migrated || r.Reversible
	})
}

// RenewLogin gives the pods a login to the registry that is valid now.
func (d *Deployer) RenewLogin(ctx context.Context) error { return d.applyPullSecret(ctx) }

// unpackObjects reads what packObjects has written.
func unpackObjects(packed []byte) ([]Object, error) {
	if len(packed) == 0 {
		return nil, errors.New("it does not hold the objects of the release")
	}
	compressed, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(compressed)
	if err != nil {
		return nil, err
	}
	var list []struct {
		Stage  Stage           `json:"stage"`
		Object json.RawMessage `json:"object"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, err
	}
	objects := make([]Object, len(list))
	for i, item := range list {
		// Its decoder, unlike that of the standard library, keeps whole numbers whole.
		content := &unstructured.Unstructured{}
		if err := content.UnmarshalJSON(item.Object); err != nil {
			return nil, err
		}
		objects[i] = Object{item.Stage, content}
	}
	return objects, nil
}

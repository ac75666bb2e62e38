package deployer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/sitectl/sitectl/site"
)

// oldestVersion is the first Kubernetes in which native sidecars are stable
// (KEP-753). Without them Varnish would stop before Apache and drop what is
// under way; before 1.29 the pod would not start at all.
const oldestVersion = "1.33"

// parallel is how many requests one check of Preflight, or Plan, makes at a
// time.
const parallel = 8

// Finding is one reason why a deploy would not succeed.
type Finding struct {
	About   string `json:"about"` // object or permission: "Secret smtp"
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`    // what to do
	Warning bool   `json:"warning,omitempty"` // something to know, and no reason to stop
	unseen  bool   // nothing is known: this account may not look
}

// String is a finding for people; the hint has a line of its own.
func (f Finding) String() string {
	text := f.About + ": " + f.Message
	if f.Hint != "" {
		text += "\n  " + f.Hint
	}
	return text
}

// PreflightError holds everything that was found, but for the warnings.
type PreflightError struct{ Findings []Finding }

func (e *PreflightError) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// preflight is what the checks look at.
type preflight struct {
	objects []Object // all that would be applied
	exists  bool     // whether the namespace is there
}

// check is one thing that Preflight looks at. It returns what it found; an
// error means that it could not look.
type check func(*Deployer, context.Context, preflight) ([]Finding, error)

// checks are made at the same time, and reported in this order.
var checks = []check{
	(*Deployer).checkVersion,
	(*Deployer).checkPermissions,
	(*Deployer).checkSecrets,
	(*Deployer).checkKinds,
	(*Deployer).checkStorageClasses,
	(*Deployer).checkIngressClasses,
	(*Deployer).checkGateway,
	(*Deployer).checkIssuers,
	(*Deployer).checkHealthPath,
	(*Deployer).checkVolumes,
	(*Deployer).checkStore,
	(*Deployer).checkUnused,
	(*Deployer).checkObjects,
	(*Deployer).checkQuotas,
}

// Preflight checks, without changing anything, that the cluster can be
// reached, is new enough, allows all that a deploy does, has what the site
// refers to and room for it, and would take every object without losing
// data. All that is wrong is reported together, as *PreflightError; what is
// only worth knowing goes to Options.Progress. The image may be one that is
// not built yet, without a digest.
func (d *Deployer) Preflight(ctx context.Context, image site.Image) error {
	p, err := d.survey(ctx, image)
	if err != nil {
		return err
	}
	if p.exists {
		_ = d.sightLock(ctx) // a holder that is dead by the time of Lock is known to be; Lock says what is wrong
	}
	findings, err := each(ctx, len(checks), len(checks), func(ctx context.Context, i int) ([]Finding, error) {
		return checks[i](d, ctx, p)
	})
	if err != nil {
		return err
	}
	return d.conclude(findings)
}

// survey makes the first request, which shows whether there is a cluster.
func (d *Deployer) survey(ctx context.Context, image site.Image) (preflight, error) {
	objects, err := d.objects(ctx, image)
	if err != nil {
		return preflight{}, err
	}
	p := preflight{objects: objects}
	err = d.reach(ctx, func(ctx context.Context) (err error) {
		p.exists, err = d.namespaceExists(ctx)
		return err
	})
	if err != nil {
		return preflight{}, fmt.Errorf("read Namespace %s: %w", d.site.Namespace, err)
	}
	return p, nil
}

// conclude passes on the warnings and returns the rest. Who may not look has
// to find out.
func (d *Deployer) conclude(findings []Finding) error {
	var fatal []Finding
	for _, f := range findings {
		switch {
		case f.unseen:
		case f.Warning:
			d.progress("warning: " + strings.ReplaceAll(f.String(), "\n ", ";"))
		default:
			fatal = append(fatal, f)
		}
	}
	if len(fatal) > 0 {
		return &PreflightError{Findings: fatal}
	}
	return nil
}

// each calls f for the numbers from 0 to count-1, some at a time, and returns
// what they found in that order.
func each[T any](ctx context.Context, count, atATime int, f func(ctx context.Context, i int) ([]T, error)) ([]T, error) {
	found := make([][]T, count)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, atATime))
	for i := range count {
		group.Go(func() (err error) {
			found[i], err = f(ctx, i)
			return err
		})
	}
	err := group.Wait()
	return slices.Concat(found...), err
}

// unseen is all that is found of what this account may not look at.
func unseen(about, doing string) []Finding {
	return []Finding{{About: about, Message: "this account may not " + doing, unseen: true}}
}

// namespaceExists takes a namespace that may not be read for one that exists:
// whoever may deploy into one namespace need not see it from outside.
func (d *Deployer) namespaceExists(ctx context.Context) (bool, error) {
	_, err := d.client.CoreV1().Namespaces().Get(ctx, d.site.Namespace, metav1.GetOptions{})
	switch {
	case err == nil, apierrors.IsForbidden(err):
		return true, nil
	case apierrors.IsNotFound(err):
		return false, nil
	default:
		return false, err
	}
}

func (d *Deployer) checkVersion(context.Context, preflight) ([]Finding, error) {
	if d.patching() {
		return nil, nil // the pods are none of ours
	}
	info, err := d.client.Discovery().ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("ask for the version of Kubernetes: %w", err)
	}
	found, err := version.ParseGeneric(info.GitVersion)
	if err != nil || found.AtLeast(version.MustParseGeneric(oldestVersion)) {
		return nil, nil // a distribution's own numbering is no reason to stop
	}
	return []Finding{{
		About:   "Kubernetes " + info.GitVersion,
		Message: "too old, it must be " + oldestVersion + " at least",
		Hint:    "upgrade the cluster",
	}}, nil
}

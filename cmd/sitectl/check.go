package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"sync"
	"time"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
)

// lookTimeout is how long it may take to find out that there is nothing to
// do. The full check comes after it, and whoever waits for a builder that
// does not answer waits for both.
const lookTimeout = 2 * time.Second

// checkShip checks all that a ship needs, unless the commit is running
// already: that takes two requests to find out, and then nothing else matters.
func (s *shipment) checkShip(ctx context.Context) error {
	return s.check(ctx, s.prepare, s.preflightCluster)
}

// checkDeploy is checkShip without a builder: the image must be there.
func (s *shipment) checkDeploy(ctx context.Context) error {
	return s.check(ctx, s.requireImage, s.preflightCluster)
}

func (s *shipment) check(ctx context.Context, preflights ...func(context.Context) error) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	looking, cancel := context.WithTimeout(ctx, lookTimeout)
	lookErr := s.look(looking)
	cancel()
	if s.running {
		s.log.Line(fmt.Sprintf("%s is already running, since %s", s.image.Tag, moment(&s.release.At)))
		return nil
	}
	if err := together(ctx, preflights...); err != nil || lookErr == nil {
		return err
	}
	return s.look(ctx) // the first look was cut short
}

// checkBuild checks what a build needs, unless the image is there already.
func (s *shipment) checkBuild(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	// The registry says the same again if it does not answer, and more.
	_ = s.find(ctx)
	return s.prepare(ctx)
}

// open reads what is shipped. It opens no connection.
func (s *shipment) open(ctx context.Context) (err error) {
	go builder.ReadAuthorities() // while git works
	if s.source, err = readSource(ctx, s.options); err != nil {
		return err
	}
	if err := s.source.checkNotices(); err != nil {
		return err
	}
	s.image = s.source.unbuilt()
	s.log.Line(describe(s.source))
	return s.openBuilder()
}

// openBuilder reads the logins. It connects to nothing yet.
func (s *shipment) openBuilder() (err error) {
	options := s.builderFor(s.source.site.Image)
	options.Log = s.log.Line
	options.Progress = s.progress
	options.Stderr = s.display()
	options.Secrets = s.secrets
	options.SSH = s.ssh
	options.Vertex = s.built
	if s.verbose {
		options.Verbose = s.log.Line
	}
	s.builder, err = builder.New(options)
	return err
}

// built passes on what BuildKit does, which may name what is hidden.
func (s *shipment) built(vertex builder.Vertex) {
	vertex.Name, vertex.Error = s.hidden.In(vertex.Name), s.hidden.In(vertex.Error)
	s.events.built(vertex)
}

// builderFor is where the builder and the registry of an image are, and who we
// are to them.
func (o options) builderFor(image string) builder.Options {
	return builder.Options{
		Address:         o.builder.address,
		BuilderTLS:      o.builder.tls,
		BuilderCA:       o.builder.ca,
		BuilderCert:     o.builder.cert,
		BuilderKey:      o.builder.key,
		RegistryCA:      o.registryCA,
		Login:           o.registry.login(image),
		RegistryMirrors: o.registry.mirrors,
	}
}

// describe is the line that says what is shipped where.
func describe(src source) string {
	where := src.site.Address
	if src.site.Environment != "" {
		where += " (" + src.site.Environment + ")"
	}
	return fmt.Sprintf("%s: commit %s %q", where, src.commit.Tag, src.commit.Subject)
}

// find asks the registry for the image of the commit.
func (s *shipment) find(ctx context.Context) error {
	image, found, err := s.builder.Find(ctx, s.source.site, s.source.commit)
	if found {
		s.image = image
	}
	return err
}

// look finds out whether the commit is running already.
func (s *shipment) look(ctx context.Context) error {
	if err := s.find(ctx); err != nil || s.image.Digest == "" || s.rebuild {
		return err
	}
	if err := s.connect(); err != nil {
		return err
	}
	release, running, err := s.deployer.Current(ctx, s.image)
	if running {
		s.running, s.release = true, release
	}
	return err
}

// connect reads the kubeconfig. It makes no request.
func (s *shipment) connect() error {
	if s.deployer != nil {
		return nil
	}
	login, err := s.builder.PullConfig(s.source.site)
	if err != nil {
		return err
	}
	if warning := s.builder.PullWarning(s.source.site); warning != "" {
		s.log.Line(warning)
	}
	s.deployer, err = deployer.Connect(s.source.site, deployer.Options{
		Kubeconfig: s.kubeconfig,
		PullConfig: login,
		Own:        s.source.own,
		By:         shippedBy(),
		Log:        s.log.Quote(),
		HasImage:   s.builder.Has,
		Progress:   s.log.Line,
		Rollout:    s.events.rolled,
		Secret:     s.hidden.Add,
		Applied: func(object deployer.Object, result deployer.Result) {
			if change := changeOf(object, result); change != "" {
				s.changed = append(s.changed, change)
			}
		},
	})
	return err
}

// prepare finds out what has to be built, unless the image is there already.
func (s *shipment) prepare(ctx context.Context) (err error) {
	if s.image.Digest != "" && !s.rebuild {
		return nil
	}
	options := builder.BuildOptions{Rebuild: s.rebuild}
	s.plan, err = s.builder.Prepare(ctx, s.source.site, s.source.repository, s.source.commit, options)
	if err != nil || !s.explain {
		return err
	}
	explanation, err := s.plan.Explain(ctx)
	if err == nil {
		s.explanation = &explanation
		explainInputs(s.log.Line, explanation)
	}
	return err
}

func (s *shipment) preflightCluster(ctx context.Context) error {
	if err := s.connect(); err != nil {
		return err
	}
	err := s.deployer.Preflight(ctx, s.image)
	if is[*deployer.UnreachableError](err) {
		return err
	}
	running, _, currentErr := s.deployer.Current(ctx, s.image)
	return errors.Join(err, currentErr, s.refuseOlder(ctx, running))
}

// explainInputs says why an image has to be built, or why not.
func explainInputs(line func(string), e builder.Explanation) {
	switch {
	case e.Previous == "":
		line("there is no image of this site yet")
	case len(e.Changed) == 0:
		line("nothing of what an image is made of has changed since " + e.Previous)
	default:
		line("changed since " + e.Previous + ": " + strings.Join(e.Changed, ", "))
	}
	const shown = 20
	for i, file := range e.Files {
		if i == shown {
			line(fmt.Sprintf("  and %d more", len(e.Files)-shown))
			break
		}
		line("  " + file)
	}
}

// requireImage makes sure that the image of the commit is in the registry.
func (s *shipment) requireImage(ctx context.Context) error {
	if err := s.find(ctx); err != nil || s.image.Digest != "" {
		return err
	}
	return &missingImageError{s.image.Repository + ":" + s.image.Tag}
}

// missingImageError says that there is nothing to deploy.
type missingImageError struct{ image string }

func (e *missingImageError) Error() string { return e.image + " is not in the registry" }

// Hint says what to do about it.
func (e *missingImageError) Hint() string { return "build it: sitectl build" }

// together runs checks at the same time and returns all their errors.
func together(ctx context.Context, checks ...func(context.Context) error) error {
	errs := make([]error, len(checks))
	var group sync.WaitGroup
	for i, check := range checks {
		group.Go(func() { errs[i] = check(ctx) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// shippedBy says who ships: the address of the pipeline job, else the person
// and the machine.
func shippedBy() string {
	if job := ci.Job(os.Getenv); job != "" {
		return job
	}
	person, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		person = u.Username
	}
	if name, err := os.Hostname(); err == nil {
		host = name
	}
	return person + "@" + host
}

package builder

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/sitectl/sitectl/site"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
)

// solve has BuildKit execute a Dockerfile, shows its progress, and returns
// what its exporters say. Files that cannot be sent end it. The name is shown
// before the steps; target is the repository that is pushed to, if any.
func (b *Builder) solve(ctx context.Context, shown *display, name string, target *repository, options client.SolveOpt) (map[string]string, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	for mount, files := range options.LocalMounts {
		options.LocalMounts[mount] = watched{files, func(err error) {
			stop(&BuildError{Err: fmt.Errorf("send %s to BuildKit: %w", mount, err)})
		}}
	}
	attachables, err := b.attachables()
	if err != nil {
		return nil, err
	}
	options.Frontend, options.Session = "dockerfile.v0", attachables
	var exported map[string]string
	err = b.again(ctx, func() error {
		exported, err = b.solveOnce(ctx, shown, name, target, options)
		return err
	})
	return exported, err
}

// solveOnce is solve without patience for registries.
func (b *Builder) solveOnce(ctx context.Context, shown *display, name string, target *repository, options client.SolveOpt) (map[string]string, error) {
	buildkit, err := b.connect(ctx)
	if err != nil {
		return nil, err
	}
	steps := newSteps()
	reported := make(chan *client.SolveStatus) // closed by Solve, always
	var response *client.SolveResponse
	var group errgroup.Group
	group.Go(func() (err error) {
		response, err = buildkit.Solve(ctx, nil, options, reported)
		return err
	})
	for status := range reported {
		steps.record(status)
		shown.show(ctx, name, status)
	}
	if err := group.Wait(); err != nil {
		return nil, solveFailure(ctx, name, target, steps, err)
	}
	return response.ExporterResponse, nil
}

const secretHint = "write it as --secret id=NAME,src=FILE, with a file that is there"

// attachables are what BuildKit may ask us for: registry logins, the secrets
// of the build, and the SSH agent.
func (b *Builder) attachables() ([]session.Attachable, error) {
	attachables := []session.Attachable{b.logIn()}
	var sources []secretsprovider.Source
	for _, secret := range b.options.Secrets {
		sources = append(sources, secretsprovider.Source{ID: secret.ID, FilePath: secret.File})
	}
	store, err := secretsprovider.NewStore(sources)
	if err != nil {
		return nil, &BuildError{Err: fmt.Errorf("read build secret: %w", err), hint: secretHint}
	}
	attachables = append(attachables, secretsprovider.NewSecretProvider(store))
	if b.options.SSH {
		agent, err := sshprovider.NewSSHAgentProvider([]sshprovider.AgentConfig{{ID: "default"}})
		if err != nil {
			return nil, &BuildError{Err: fmt.Errorf("reach the SSH agent: %w", err), hint: "start one and add a key: eval \"$(ssh-agent)\" && ssh-add"}
		}
		attachables = append(attachables, agent)
	}
	return attachables, nil
}

// logIn lets BuildKit ask for registry logins as it needs them.
func (b *Builder) logIn() session.Attachable {
	return authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: b.credentials.forBuildKit,
		TLSConfigs:         b.tokenTLS(),
	})
}

// solveFailure tells a failed push from a failed step.
func solveFailure(ctx context.Context, name string, target *repository, steps *steps, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("build %s: %w", name, context.Cause(ctx))
	}
	var refused *site.RepositoryError
	if errors.As(err, &refused) {
		return err
	}
	step, reason, log := steps.failure()
	// BuildKit's image exporter (exporter/containerimage/export.go) has no
	// type for this error, and a type would not cross the connection. If the
	// login is refused, only the step says so.
	if target != nil && (strings.Contains(err.Error(), "failed to push ") || strings.HasPrefix(reason, "failed to push ")) {
		return target.buildKitPush(reason)
	}
	if step == "" {
		return &BuildError{Err: fmt.Errorf("build %s: %w", name, err)}
	}
	return &BuildError{Step: step, Log: log, Line: sourceLine(err), Err: errors.New(reason)}
}

// sourceLine is the line of the Dockerfile that an error of BuildKit is about,
// from 1; 0 if it names none.
func sourceLine(err error) int {
	for _, source := range errdefs.Sources(err) {
		for _, ranged := range source.Ranges {
			return int(ranged.GetStart().GetLine())
		}
	}
	return 0
}

// single is a folder with one Dockerfile.
func single(dockerfile string) fsutil.FS {
	return staticFiles(map[string]string{"Dockerfile": dockerfile})
}

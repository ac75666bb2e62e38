package builder

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/client"
)

// connect opens a connection to BuildKit and makes sure that something is
// there: dialling alone succeeds without.
func (b *Builder) connect(ctx context.Context) (*client.Client, error) {
	probe, cancel := answerWithin(ctx, b.reach)
	defer cancel()
	buildkit, err := client.New(probe, b.options.Address)
	if err != nil {
		return nil, b.unreachable(ctx, probe, err)
	}
	workers, err := buildkit.ListWorkers(probe)
	if err == nil && len(workers) == 0 {
		err = errors.New("it has no worker")
	}
	if err != nil {
		buildkit.Close()
		return nil, b.unreachable(ctx, probe, err)
	}
	return buildkit, nil
}

func (b *Builder) checkBuilder(ctx context.Context) error {
	buildkit, err := b.connect(ctx)
	if err != nil {
		return err
	}
	return buildkit.Close()
}

func (b *Builder) unreachable(ctx, probe context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("reach BuildKit at %s: %w", b.options.Address, context.Cause(ctx))
	}
	if probe.Err() != nil {
		err = context.Cause(probe)
	}
	if _, reason, ok := strings.Cut(err.Error(), "Error while dialing: "); ok {
		err = errors.New(strings.TrimRight(reason, `"`)) // without what gRPC wraps around it
	}
	return &BuildError{
		Err: fmt.Errorf("reach BuildKit at %s: %w", b.options.Address, err),
		hint: "start buildkitd (https://github.com/moby/buildkit), or name a running one with BUILDKIT_HOST, " +
			"for example unix:///run/buildkit/buildkitd.sock or tcp://buildkitd:1234",
	}
}

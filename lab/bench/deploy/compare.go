package deploy

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/sitectl/sitectl/lab/load"
)

// How often something is done.
const (
	rollouts = 9 // each takes up to two seconds more or less than another: kubelet probes once in a second
	nothings = 7
)

// compare measures a rollout, under load, and a deploy with nothing to do.
func (b *bench) compare(ctx context.Context, r *Results) error {
	s, err := newSite(ctx, b.Folder, "healthy", b.image("healthy"), map[string]any{
		"replicas": 3, "resources": map[string]any{"cpu": "10m", "memory": "64Mi"},
	}, nil)
	if err != nil {
		return err
	}
	if err := b.layOut(ctx, s); err != nil {
		return err
	}
	rollout := Scenario{Name: "rollout", Aim: 1.05}
	for turn := range rollouts {
		b.Say("deploy: rollout %d of %d", turn+1, rollouts)
		if err := b.rollout(ctx, s, turn, &rollout); err != nil {
			return err
		}
	}
	rollout.finish()
	r.Scenarios = append(r.Scenarios, rollout)

	b.Say("deploy: nothing to do")
	nothing := Scenario{Name: "nothing to do", Aim: 0.5, RequestsAim: 10}
	if err := b.manifests(ctx, s); err != nil {
		return err
	}
	apply := []string{"apply --filename " + s.folder + ".yaml", "rollout status deployment/web"}
	if err := must(b.kubectl(ctx, s, apply...)); err != nil {
		return err
	}
	for range nothings {
		nothing.Sitectl.Runs = append(nothing.Sitectl.Runs, b.sitectl(ctx, s, nil, "deploy"))
		nothing.Kubectl.Runs = append(nothing.Kubectl.Runs, b.kubectl(ctx, s, apply...))
	}
	nothing.finish()
	r.Scenarios = append(r.Scenarios, nothing)
	return nil
}

// layOut makes the site run on both sides.
func (b *bench) layOut(ctx context.Context, s *site) error {
	b.Say("deploy: lay out two sites of three pods")
	if err := b.images.push(ctx, s.reference(), "/pod", "serve"); err != nil {
		return err
	}
	b.spaces = append(b.spaces, s.namespace(bySitectl))
	if err := must(b.sitectl(ctx, s, nil, "deploy")); err != nil {
		return err
	}
	if err := b.space(ctx, s.namespace(byKubectl), true); err != nil {
		return err
	}
	if err := b.manifests(ctx, s); err != nil {
		return err
	}
	return must(b.kubectl(ctx, s, "apply --filename "+s.folder+".yaml", "rollout status deployment/web --timeout 3m"))
}

// rollout measures both sides, each time in another order.
func (b *bench) rollout(ctx context.Context, s *site, turn int, scenario *Scenario) error {
	if err := s.commit(ctx); err != nil {
		return err
	}
	if err := b.images.push(ctx, s.reference(), "/pod", "serve"); err != nil {
		return err
	}
	sides := []struct {
		name string
		do   func() Cost
		runs *[]Cost
	}{
		{bySitectl, func() Cost { return b.sitectl(ctx, s, nil, "deploy") }, &scenario.Sitectl.Runs},
		{byKubectl, func() Cost {
			return b.kubectl(ctx, s, "set image deployment/web web="+s.reference(), "rollout status deployment/web")
		}, &scenario.Kubectl.Runs},
	}
	for i := range sides {
		side := sides[(i+turn)%len(sides)]
		cost, err := b.underLoad(ctx, s.address(side.name), side.do)
		if err != nil {
			return err
		}
		if err := must(cost); err != nil {
			return fmt.Errorf("%s: %w", side.name, err)
		}
		*side.runs = append(*side.runs, cost)
	}
	return nil
}

// settling is how long old pods take to end after a rollout.
const settling = 15 * time.Second

// underLoad counts the requests that fail meanwhile.
func (b *bench) underLoad(ctx context.Context, address string, do func() Cost) (Cost, error) {
	ingress, err := url.Parse(os.Getenv("SITECTL_INGRESS"))
	if err != nil {
		return Cost{}, err
	}
	visitors := load.Load{
		Ingress: ingress.Host, Host: address, Workers: 3, Interval: 100 * time.Millisecond, Timeout: time.Minute,
		Request: func(int) load.Request {
			return load.Request{Method: http.MethodGet, Path: "/", Right: load.Page("served")}
		},
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var tallies [2]*load.Tally
	var loads sync.WaitGroup
	for i, keepAlive := range []bool{true, false} {
		loads.Go(func() { tallies[i] = visitors.Run(loading, keepAlive) })
	}
	cost := do()
	select {
	case <-ctx.Done():
	case <-time.After(settling):
	}
	stop()
	loads.Wait()
	for _, tally := range tallies {
		cost.Served += tally.Served
		cost.Dropped += tally.Failed
	}
	return cost, ctx.Err()
}

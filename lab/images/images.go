// Package images makes the few public images that a site names, and the pause
// image of the node, from Debian packages, so that the lab needs no image
// registry but its own.
//
// Each image keeps the contract of the official image of the same name as far
// as a site relies on it: command, *_FILE variables, ports, numeric user, data
// folder.
package images

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// The images, as repository:tag. In a registry that mirrors docker.io, the
// first ones are what "debian:trixie-slim" and so on lead to.
const (
	DebianTrixie   = "library/debian:trixie-slim"
	DebianBookworm = "library/debian:bookworm-slim"
	DebianBullseye = "library/debian:bullseye-slim"
	MariaDB        = "library/mariadb:11.8"
	Memcached      = "library/memcached:1.6"
	Redis          = "library/redis:8.0"
	Varnish        = "library/varnish:7.7"

	// Pause is what containerd runs in each pod to hold its namespaces.
	Pause = "pause:1"
)

// Ensure builds the images that the cache folder lacks, two at a time on a
// machine with two cores, and removes what is no longer made. report gets a
// line without newline at each step, one at a time.
//
// An image is made again when its recipe changes, not when Debian's packages
// or this machine's mirror of them do: remove the cache folder for that. Ensure needs root, mmdebstrap, a Go
// toolchain, a Debian mirror and npm's registry, and leaves nothing outside the cache folder.
// Only one Ensure may use a cache folder at a time.
func Ensure(ctx context.Context, cacheDir string, report func(string)) error {
	cache, err := openStore(cacheDir)
	if err != nil {
		return err
	}
	builds, err := missing(cache, recipes())
	if err != nil {
		return err
	}
	if len(builds) == 0 {
		return cache.prune(recipes())
	}

	mirrors, err := hostArchive(ctx)
	if err != nil {
		return err
	}
	work := filepath.Join(cacheDir, "tmp")
	if err := os.RemoveAll(work); err != nil { // of a build that was killed
		return fmt.Errorf("clean up: %w", err)
	}
	defer os.RemoveAll(work)
	if err := buildAll(ctx, builds, builder{store: cache, archive: mirrors, work: work, report: oneAtATime(report)}); err != nil {
		return err
	}
	return cache.prune(recipes())
}

func oneAtATime(report func(string)) func(string) {
	var mu sync.Mutex
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		report(line)
	}
}

// build is one image to make. done is closed when it is in the store; it stays
// open if it failed.
type build struct {
	recipe recipe
	key    string
	base   *build // nil if the base is in the store already, or there is none
	done   chan struct{}
}

// missing returns the builds that bring the store up to date, a base before
// what is built on it. If a base has to be built, so has what is on it.
func missing(cache *store, all []recipe) ([]*build, error) {
	var builds []*build
	keys, pending := map[string]string{}, map[string]*build{}
	for _, r := range all {
		key, err := r.key(keys[r.Base])
		if err != nil {
			return nil, err
		}
		keys[r.Name] = key
		found, err := cache.has(r.Name, key)
		if err != nil {
			return nil, err
		}
		if found && pending[r.Base] == nil {
			continue
		}
		pending[r.Name] = &build{recipe: r, key: key, base: pending[r.Base], done: make(chan struct{})}
		builds = append(builds, pending[r.Name])
	}
	return builds, nil
}

// buildAll runs the builds in their order, as many at a time as there are
// processors. A base comes before what waits for it, so it always has its turn.
func buildAll(ctx context.Context, builds []*build, b builder) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for _, build := range builds {
		group.Go(func() error {
			if err := build.waitForBase(ctx); err != nil {
				return err
			}
			if err := b.run(ctx, build); err != nil {
				return fmt.Errorf("make image %s: %w", build.recipe.Name, err)
			}
			close(build.done)
			return nil
		})
	}
	return group.Wait()
}

func (b *build) waitForBase(ctx context.Context) error {
	if b.base == nil {
		return context.Cause(ctx)
	}
	select {
	case <-b.base.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/appdefaults"
)

// connection is the one connection to BuildKit of a run, opened by the first
// who needs it: an image of which everything is there already needs none.
type connection struct {
	mutex  sync.Mutex
	client *client.Client // nil until it is opened
	daemon *daemon        // nil unless BuildKit was started for it
}

// way is a way to come by BuildKit.
type way struct {
	name   string        // completes "reach …" and "builder: …"
	why    string        // it is taken if it works
	within time.Duration // to find out that it does not
	// open returns a connection to a BuildKit that answers.
	open func(context.Context) (*client.Client, error)
	// look says whether open would succeed, as far as that can be known
	// without starting anything. Nil if opening starts nothing anyway.
	look func(context.Context) error
}

// ways returns the ways to BuildKit, the first that works to be taken. A
// builder that somebody has named is the only one: another one in its place
// might be on a machine that must not see the site's secrets.
func (b *Builder) ways() []way {
	if address := b.options.Address; address != "" {
		return []way{{
			name: "BuildKit at " + address, why: "it is named by --builder or BUILDKIT_HOST", within: b.reach,
			open: func(ctx context.Context) (*client.Client, error) { return b.dial(ctx, address) },
		}}
	}
	var ways []way
	for _, address := range b.sockets {
		ways = append(ways, way{
			name: "BuildKit at " + address, why: "it listens where buildkitd does by default", within: b.reach / 4,
			open: func(ctx context.Context) (*client.Client, error) { return b.dial(ctx, address) },
		})
	}
	engine := b.engine()
	return append(ways, way{
		name: engine.name, why: "no buildkitd is running, and the engine has BuildKit", within: b.reach / 2,
		open: engine.open,
	}, way{
		name: "a buildkitd of this run's own", why: "nothing else is running", within: b.reach,
		open: b.start, look: b.canStart,
	})
}

// defaultSockets are the addresses that buildkitd listens at unless it is
// told otherwise: that of a rootless one of the same user, and root's.
func defaultSockets() []string {
	if user := appdefaults.UserAddress(); os.Geteuid() != 0 && user != appdefaults.Address {
		return []string{user, appdefaults.Address}
	}
	return []string{appdefaults.Address}
}

// connect returns the connection to BuildKit, which is the same one for the
// whole run and must not be closed by who uses it: Close does. If no builder
// is running, one is started. Errors: *BuildError.
func (b *Builder) connect(ctx context.Context) (*client.Client, error) {
	b.connection.mutex.Lock()
	defer b.connection.mutex.Unlock()
	if b.connection.client != nil {
		return b.connection.client, nil
	}
	_, err := b.search(ctx, func(ctx context.Context, w way) (err error) {
		b.connection.client, err = w.open(ctx)
		return err
	})
	return b.connection.client, err
}

// Close closes the connection to BuildKit, if there is one, and stops the
// buildkitd that was started for it.
func (b *Builder) Close() error {
	b.connection.mutex.Lock()
	defer b.connection.mutex.Unlock()
	var err error
	if b.connection.client != nil {
		err = b.connection.client.Close()
	}
	if b.connection.daemon != nil {
		err = errors.Join(err, b.connection.daemon.stop())
	}
	b.connection.client, b.connection.daemon = nil, nil
	return err
}

// checkBuilder says whether connect would succeed. It starts nothing.
func (b *Builder) checkBuilder(ctx context.Context) error {
	_, err := b.search(ctx, func(ctx context.Context, w way) error {
		if w.look != nil {
			return w.look(ctx)
		}
		buildkit, err := w.open(ctx)
		if err != nil {
			return err
		}
		return buildkit.Close()
	})
	return err
}

// search uses one way after the other until one works, and returns that.
func (b *Builder) search(ctx context.Context, use func(context.Context, way) error) (way, error) {
	var tried []attempt
	for _, w := range b.ways() {
		probe, cancel := answerWithin(ctx, w.within)
		err := use(probe, w)
		cancel()
		if err == nil {
			b.say("builder: %s, because %s", w.name, w.why)
			return w, nil
		}
		if ctx.Err() != nil {
			return way{}, fmt.Errorf("reach %s: %w", w.name, context.Cause(ctx))
		}
		b.say("builder: not %s: %s", w.name, strings.ReplaceAll(err.Error(), "\n", " "))
		tried = append(tried, attempt{w.name, err})
	}
	if b.options.Address != "" {
		return way{}, unreachable(b.options.Address, tried[0])
	}
	return way{}, unusable(tried)
}

// say tells who wants to know what was decided, each thing once: what the
// preflight has found out is found out again.
func (b *Builder) say(format string, arguments ...any) {
	line := fmt.Sprintf(format, arguments...)
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.options.Verbose != nil && !b.said[line] {
		b.said[line] = true
		b.options.Verbose(line)
	}
}

// dial opens a connection to an address.
func (b *Builder) dial(ctx context.Context, address string) (*client.Client, error) {
	if err := checkAddress(address); err != nil {
		return nil, err
	}
	options, err := b.options.encryption(address)
	if err != nil {
		return nil, err
	}
	return dialWorker(ctx, address, append(options, throughProgram(address)...)...)
}

// dialWorker opens a connection and makes sure that something is there that
// can build: dialling alone succeeds without.
func dialWorker(ctx context.Context, address string, options ...client.ClientOpt) (*client.Client, error) {
	buildkit, err := client.New(ctx, address, options...)
	if err != nil {
		return nil, plainly(ctx, err)
	}
	workers, err := buildkit.ListWorkers(ctx)
	if err == nil && len(workers) == 0 {
		err = errors.New("it has no worker")
	}
	if err != nil {
		return nil, errors.Join(plainly(ctx, err), buildkit.Close())
	}
	return buildkit, nil
}

// plainly returns the error without what gRPC and BuildKit's client wrap
// around it, and the reason of a context that has ended instead of its end.
func plainly(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	text := err.Error()
	if _, quoted, ok := strings.Cut(text, "connection error: desc = "); ok {
		if reason, err := strconv.Unquote(quoted); err == nil {
			text = reason
		}
	}
	for _, before := range []string{
		"failed to list workers: Unavailable: ", "transport: ", "Error while dialing: ", "Is 'docker daemon' running on this host?: ",
		"error reading server preface: ", "failed to write client preface: ",
	} {
		if _, reason, ok := strings.Cut(text, before); ok {
			text = reason
		}
	}
	text = strings.Replace(text, ", make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=", ": ", 1)
	if _, reason, ok := strings.Cut(text, ": connect: "); ok && strings.HasPrefix(text, "dial unix ") {
		text = reason // its path was said
	}
	return errors.New(strings.TrimSpace(text))
}

// attempt is a way that did not work.
type attempt struct {
	name string
	err  error
}

// unreachable says that the builder that somebody has named does not work.
func unreachable(address string, a attempt) error {
	hint := "name a running one with --builder or BUILDKIT_HOST (" + strings.Join(addressForms, ", ") + "), " +
		"or none to have one found or started"
	if strings.HasPrefix(address, "tcp://") {
		hint = "if it takes TLS only, give the certificates with --builder-tls; or " + hint
	}
	return &BuildError{Err: fmt.Errorf("reach %s: %w", a.name, a.err), hint: hint}
}

// unusable says what was tried.
func unusable(tried []attempt) error {
	var text strings.Builder
	text.WriteString("find a builder: none can be used; tried in this order:")
	for _, a := range tried {
		reason := strings.ReplaceAll(a.err.Error(), "\n", "\n      ")
		fmt.Fprintf(&text, "\n  %s: %s", a.name, reason)
	}
	return &BuildError{Err: errors.New(text.String()), hint: howToGetOne(runtime.GOOS, os.Geteuid())}
}

// howToGetOne says how to come by a builder on an operating system.
func howToGetOne(system string, user int) string {
	named := "name a running BuildKit with --builder or BUILDKIT_HOST, for example tcp://buildkitd:1234"
	if system != "linux" {
		return named + "; or start Docker Desktop, OrbStack or Colima"
	}
	programs := "buildkitd and buildkit-runc from https://github.com/moby/buildkit/releases into PATH"
	if user != 0 {
		programs += " and apt-get install rootlesskit uidmap"
	}
	return named + "; or put " + programs + "; or start a Docker engine with the containerd image store " +
		"(the default of a new Docker 29, https://docs.docker.com/engine/storage/containerd/)"
}

// Command demo ships a sample site twice, the second time under a load that
// comes through the ingress, and reports what was built, pushed, served and
// lost. It ends with status 1 if anything was lost.
//
// The cluster, the registry and the builder are those of the environment; see
// environment.go for the variables.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/sitectl/sitectl/lab/load"
)

func main() {
	opts := readFlags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	site    string // guestbook or wordpress
	sitectl string // path of the program
	sites   string // folder with the sample sites
	down    bool   // remove what earlier demos shipped, and do nothing else
}

func readFlags() options {
	var opts options
	flag.StringVar(&opts.site, "site", "guestbook", "the sample site to ship: guestbook or wordpress")
	flag.StringVar(&opts.sitectl, "sitectl", "sitectl", "the sitectl `program`")
	flag.StringVar(&opts.sites, "sites", filepath.Join("..", "testdata", "sites"), "the `folder` with the sample sites")
	flag.BoolVar(&opts.down, "down", false, "remove the namespaces of the sample sites, with all their data")
	flag.Parse()
	return opts
}

func run(ctx context.Context, opts options) error {
	env, err := readEnvironment()
	if err != nil {
		return err
	}
	if opts.down {
		return removeNamespaces(ctx, env.kubeconfig)
	}
	w, err := newWebsite(opts, env)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "sitectl-demo-")
	if err != nil {
		return err
	}
	d := demo{website: w, environment: env, sitectl: opts.sitectl, repository: repository(filepath.Join(folder, opts.site))}
	return errors.Join(d.run(ctx), os.RemoveAll(folder))
}

// website is a sample site.
type website interface {
	// address is the host name that the site answers to.
	address() string
	// write puts the site's files into a folder.
	write(ctx context.Context, folder string) error
	// change is the line that the second ship brings.
	change() edit
	// prepare puts something into the site that has just been shipped, and
	// checks that visitors can read it.
	prepare(ctx context.Context, b *browser) error
	// request is the nth request of the load, counted from 1.
	request(n int) load.Request
	// verify checks that visitors see the change, from the release of tag.
	verify(ctx context.Context, b *browser, tag string) error
}

func newWebsite(opts options, env environment) (website, error) {
	files := os.DirFS(filepath.Join(opts.sites, opts.site))
	switch opts.site {
	case "guestbook":
		return &guestbook{files: files}, nil
	case "wordpress":
		return &wordpress{files: files, kubeconfig: env.kubeconfig}, nil
	default:
		return nil, fmt.Errorf("there is no sample site %q: it is guestbook or wordpress", opts.site)
	}
}

// Command registry is the lab's image registry: the Distribution registry with
// only its file-system driver and htpasswd authentication, so that it builds
// fast and stays small.
//
// One storage folder is served at two addresses, both with TLS:
//
//   - -address: the private registry. Every request needs a user and password of
//     the htpasswd file (bcrypt lines; each request costs one bcrypt comparison,
//     so a low cost keeps pulls of many layers fast). Tags and blobs can be
//     deleted.
//   - -mirror: the anonymous mirror of docker.io. It only reads, and only below
//     library/ and pause.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/sirupsen/logrus"
)

type options struct {
	Address  string // host:port of the private registry
	Mirror   string // host:port of the docker.io mirror
	Storage  string // folder, created if missing
	Htpasswd string // file with lines of user:bcrypt
	Cert     string // PEM file, leaf first
	Key      string // PEM file
}

func main() {
	var opts options
	flag.StringVar(&opts.Address, "address", "127.0.0.1:5000", "`host:port` of the private registry")
	flag.StringVar(&opts.Mirror, "mirror", "127.0.0.1:5001", "`host:port` of the anonymous mirror of docker.io")
	flag.StringVar(&opts.Storage, "storage", "", "storage `folder`")
	flag.StringVar(&opts.Htpasswd, "htpasswd", "", "`file` with users and bcrypt hashes")
	flag.StringVar(&opts.Cert, "cert", "", "PEM `file` of the certificate of both addresses")
	flag.StringVar(&opts.Key, "key", "", "PEM `file` of the certificate's key")
	flag.Parse()

	logrus.SetLevel(logrus.WarnLevel) // the access log has a line per request already
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, opts options, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	if opts.Storage == "" || opts.Htpasswd == "" || opts.Cert == "" || opts.Key == "" {
		return errors.New("-storage, -htpasswd, -cert and -key are required")
	}
	// A missing file would be created by Distribution, with a user of its own.
	if _, err := os.Stat(opts.Htpasswd); err != nil {
		return fmt.Errorf("find users: %w", err)
	}
	if err := os.MkdirAll(opts.Storage, 0o700); err != nil {
		return fmt.Errorf("make storage folder: %w", err)
	}
	return serve(ctx, opts, privateHandler(ctx, opts), mirrorHandler(ctx, opts))
}

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gorilla/handlers"
	"golang.org/x/sync/errgroup"
)

// stopTimeout is how long running requests may go on after the signal to stop.
const stopTimeout = 5 * time.Second

// serve answers at both addresses until ctx is done, then lets running
// requests finish.
func serve(ctx context.Context, opts options, private, mirror http.Handler) error {
	certificate, err := tls.LoadX509KeyPair(opts.Cert, opts.Key)
	if err != nil {
		return fmt.Errorf("load certificate: %w", err)
	}
	privateListener, err := net.Listen("tcp", opts.Address)
	if err != nil {
		return err
	}
	defer privateListener.Close()
	mirrorListener, err := net.Listen("tcp", opts.Mirror)
	if err != nil {
		return err
	}
	defer mirrorListener.Close()

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveListener(ctx, privateListener, certificate, private) })
	group.Go(func() error { return serveListener(ctx, mirrorListener, certificate, mirror) })
	return group.Wait()
}

// serveListener returns nil when ctx ended it. Requests that are still running
// stopTimeout later are cut off; their clients take an upload up again.
func serveListener(ctx context.Context, listener net.Listener, certificate tls.Certificate, handler http.Handler) error {
	server := &http.Server{
		Handler:           handlers.CombinedLoggingHandler(os.Stdout, handler),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
	}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		timeout, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		stopped <- server.Shutdown(timeout)
	})
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	}
	if err := <-stopped; err != nil {
		return server.Close()
	}
	return nil
}

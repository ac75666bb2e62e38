package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"time"

	"github.com/sitectl/sitectl/lab/load"
)

// browser visits a site through its ingress: it keeps cookies, and does not
// follow redirects.
type browser struct {
	client  *http.Client
	ingress string // host:port
	address string // "guestbook.localhost"
	site    string // "http://guestbook.localhost:8088"
}

// newBrowser returns a browser that takes every host name to the ingress.
func newBrowser(ingress, address string) (*browser, error) {
	_, port, err := net.SplitHostPort(ingress)
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	return &browser{
		ingress: ingress,
		address: address,
		site:    "http://" + net.JoinHostPort(address, port),
		client: &http.Client{
			Jar:     jar,
			Timeout: time.Minute,
			Transport: &http.Transport{
				DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
					return dialer.DialContext(ctx, network, ingress)
				},
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// another returns a browser without the cookies of this one.
func (b *browser) another() (*browser, error) { return newBrowser(b.ingress, b.address) }

// get fetches a path and checks the answer.
func (b *browser) get(ctx context.Context, path string, right func(load.Response) error) (load.Response, error) {
	answer, err := b.send(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return load.Response{}, err
	}
	if err := right(answer); err != nil {
		return load.Response{}, fmt.Errorf("GET %s: %w", path, err)
	}
	return answer, nil
}

func (b *browser) send(ctx context.Context, method, path string, header http.Header, body []byte) (load.Response, error) {
	sent, err := http.NewRequestWithContext(ctx, method, b.site+path, bytes.NewReader(body))
	if err != nil {
		return load.Response{}, err
	}
	if header != nil {
		sent.Header = header
	}
	got, err := b.client.Do(sent)
	if err != nil {
		return load.Response{}, err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		return load.Response{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return load.Response{Status: got.StatusCode, Header: got.Header, Body: string(text)}, nil
}

// awaitIngress waits until the ingress knows the site: an ingress controller
// hears of a new Ingress a little later than the API server.
func (b *browser) awaitIngress(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("it did not answer within a minute"))
	defer cancel()
	retry := time.NewTicker(200 * time.Millisecond)
	defer retry.Stop()
	for {
		_, err := b.get(ctx, "/", load.Page())
		if err == nil {
			return nil
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return fmt.Errorf("visit %s: %w (%w)", b.site, context.Cause(ctx), err)
		}
	}
}

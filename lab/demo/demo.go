package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sitectl/sitectl/lab/load"
)

const (
	workers     = 8                      // connections at a time of each kind
	interval    = 200 * time.Millisecond // between two requests of a worker
	patience    = 30 * time.Second       // with a request, before it counts as failed
	before      = 5 * time.Second        // of load before the second ship
	after       = 20 * time.Second       // of load after it: old pods are still ending
	longestLoad = 20 * time.Minute       // ends by itself even if a ship does not
	visits      = 10                     // to check the new release: more than there are pods
)

// demo is one run of the whole.
type demo struct {
	website     website
	environment environment
	sitectl     string
	repository  repository
}

func (d demo) run(ctx context.Context) error {
	visitor, err := newBrowser(d.environment.ingress, d.website.address())
	if err != nil {
		return err
	}
	say("put the site into a git repository")
	if err := d.create(ctx); err != nil {
		return err
	}
	say("ship it")
	var r results
	if r.first, err = ship(ctx, d.sitectl, d.repository); err != nil {
		return err
	}
	say("visit it at %s", visitor.site)
	if err := visitor.awaitIngress(ctx); err != nil {
		return err
	}
	if err := d.website.prepare(ctx, visitor); err != nil {
		return err
	}
	if err := d.shipUnderLoad(ctx, &r); err != nil {
		return err
	}
	say("check that visitors see the change")
	if err := d.verify(ctx, visitor, r.second.Image.Tag); err != nil {
		return err
	}
	r.write(os.Stdout)
	d.invite(visitor)
	return r.verdict()
}

// create makes the repository with the site as its first commit, with images
// going to the registry of the environment.
func (d demo) create(ctx context.Context) error {
	if err := os.Mkdir(string(d.repository), 0o755); err != nil {
		return err
	}
	if err := d.website.write(ctx, string(d.repository)); err != nil {
		return err
	}
	if err := d.repository.create(ctx); err != nil {
		return err
	}
	registry := edit{file: "site.yaml", old: "image: 127.0.0.1:5000/", new: "image: " + d.environment.registry + "/"}
	if err := d.repository.apply(registry); err != nil {
		return err
	}
	return d.repository.commit(ctx, "Begin with the sample site")
}

// shipUnderLoad changes a line and ships it while the site is asked for
// pages over both kinds of connection.
func (d demo) shipUnderLoad(ctx context.Context, r *results) error {
	loading, stop := context.WithTimeout(ctx, longestLoad)
	var loads sync.WaitGroup
	loads.Go(func() { r.keptAlive = d.load().Run(loading, true) })
	loads.Go(func() { r.newEach = d.load().Run(loading, false) })
	err := d.shipChange(ctx, r)
	if err == nil && loading.Err() != nil {
		err = fmt.Errorf("the load ended after %v, before the ship did", longestLoad)
	}
	stop()
	loads.Wait()
	if err != nil {
		// What was lost until then is part of the story.
		r.writeLoad(os.Stderr)
	}
	return err
}

func (d demo) shipChange(ctx context.Context, r *results) error {
	say("put it under load: %d kept connections, and %d clients with a new one for each request", workers, workers)
	if err := pause(ctx, before); err != nil {
		return err
	}
	say("change a line, commit it and ship it under the load")
	if err := d.repository.apply(d.website.change()); err != nil {
		return err
	}
	if err := d.repository.commit(ctx, "Change a line"); err != nil {
		return err
	}
	var err error
	if r.second, err = ship(ctx, d.sitectl, d.repository); err != nil {
		return err
	}
	say("go on with the load for %v, while the old pods end", after)
	return pause(ctx, after)
}

func (d demo) load() load.Load {
	_, port, _ := net.SplitHostPort(d.environment.ingress) // newBrowser has checked it
	return load.Load{
		Ingress:  d.environment.ingress,
		Host:     net.JoinHostPort(d.website.address(), port),
		Workers:  workers,
		Interval: interval,
		Timeout:  patience,
		Request:  d.website.request,
	}
}

// verify visits the site as several new visitors, whom the Service spreads
// over the pods.
func (d demo) verify(ctx context.Context, someone *browser, tag string) error {
	for range visits {
		visitor, err := someone.another()
		if err != nil {
			return err
		}
		if err := d.website.verify(ctx, visitor, tag); err != nil {
			return err
		}
	}
	return nil
}

func (d demo) invite(visitor *browser) {
	fmt.Printf("Open %s/\n", visitor.site)
	fmt.Printf("or:  curl -H 'Host: %s' http://%s/\n", strings.TrimPrefix(visitor.site, "http://"), d.environment.ingress)
}

// say tells what comes next.
func say(format string, values ...any) { fmt.Printf("==> "+format+"\n", values...) }

func pause(ctx context.Context, length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errors.New("interrupted")
	}
}

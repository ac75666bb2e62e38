// Command bench builds made-up sites side by side with sitectl and with the
// pipeline that many write by hand: a Dockerfile with `COPY . .`, buildctl and
// a cache in the registry; and it deploys small ones with sitectl and with
// kubectl. It prints how they compare and writes all figures as JSON. What it
// finds is never a reason to fail.
//
// For builds it starts the builders and the registry itself, from the programs
// of the lab, because they have to be empty and are removed afterwards. The lab
// has to be up; the environment is that of `lab env`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sitectl/sitectl/lab/platform"
)

func main() {
	opts, err := readFlags()
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, opts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	part    string // build, deploy or all
	files   []int  // of each site
	json    string // file for the results
	sitectl string // path of the program
	runs    int
	budget  time.Duration
}

func readFlags() (options, error) {
	var opts options
	files := flag.String("files", "1000,10000,50000", "how many `files` the sites have")
	flag.StringVar(&opts.part, "part", "all", "the `part` to run: build, deploy or all")
	flag.StringVar(&opts.json, "json", "bench.json", "the `file` to write the results to")
	flag.StringVar(&opts.sitectl, "sitectl", "sitectl", "the sitectl `program`")
	flag.IntVar(&opts.runs, "runs", 9, "how often something is done at most, for the median")
	flag.DurationVar(&opts.budget, "budget", 15*time.Second, "after how much `time` with something it is not done again")
	flag.Parse()
	if !slices.Contains([]string{"build", "deploy", "all"}, opts.part) {
		return opts, fmt.Errorf("-part %q: it is build, deploy or all", opts.part)
	}
	for text := range strings.SplitSeq(*files, ",") {
		count, err := strconv.Atoi(text)
		if err != nil || count < 100 {
			return opts, fmt.Errorf("-files %q: each is a number from 100", *files)
		}
		opts.files = append(opts.files, count)
	}
	var err error
	opts.sitectl, err = filepath.Abs(opts.sitectl)
	return opts, err
}

func run(ctx context.Context, opts options) error {
	lab, err := readLab()
	if err != nil {
		return err
	}
	// A run needs gigabytes, and /tmp may be in memory.
	folder, err := os.MkdirTemp("/var/tmp", "sitectl-bench-")
	if err != nil {
		return err
	}
	b := &bench{options: opts, lab: lab, folder: folder}
	r := newResults()
	if opts.part != "deploy" {
		err = b.run(ctx, &r)
	}
	if opts.part != "build" && err == nil {
		err = b.deploy(ctx, &r)
	}
	if len(r.Sites) > 0 || r.Deploy != nil { // also if what came next failed: they took minutes
		r.write(os.Stdout)
		err = errors.Join(err, r.save(opts.json))
	}
	return errors.Join(err, os.RemoveAll(folder))
}

// laboratory is what of the lab is used.
type laboratory struct {
	registry  string // SITECTL_REGISTRY: host:port, which has the base image
	authority string // SITECTL_REGISTRY_CA: PEM file
	platform  *platform.Lab
	programs  programs
}

func readLab() (laboratory, error) {
	lab := laboratory{registry: os.Getenv("SITECTL_REGISTRY"), authority: os.Getenv("SITECTL_REGISTRY_CA")}
	if lab.registry == "" || lab.authority == "" {
		return lab, errors.New("the environment lacks SITECTL_REGISTRY or SITECTL_REGISTRY_CA (`lab env` prints them)")
	}
	this, err := platform.New("")
	if err != nil {
		return lab, err
	}
	lab.platform = this
	for name, path := range map[string]*string{
		"buildkitd": &lab.programs.buildkitd, "buildctl": &lab.programs.buildctl,
		"runc": &lab.programs.runc, "registry": &lab.programs.registry,
	} {
		if *path, err = this.Program(name); err != nil {
			return lab, err
		}
	}
	return lab, nil
}

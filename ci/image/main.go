// Image builds the image that pipelines run in, and pushes it: with sitectl,
// from a repository that it lays out for that, as the programs in the image
// are in no commit. The repository, and with it the image, is the same whoever
// makes it of a commit.
package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"text/template"
)

// options are the flags.
type options struct {
	image   string // registry/repository
	version string // of sitectl, as the linker gets it
	root    string // folder of sitectl's source
	rebuild bool   // whether to build all of it anew
}

func main() {
	var o options
	flag.StringVar(&o.image, "image", "", "registry/repository to push to")
	flag.StringVar(&o.version, "version", "devel", "version of sitectl")
	flag.StringVar(&o.root, "root", ".", "folder of sitectl's source")
	flag.BoolVar(&o.rebuild, "rebuild", false, "build all of it anew, for example to take in security updates")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	reference, size, err := o.build(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
	fmt.Printf("%s (%.1f MB to pull)\n", reference, float64(size)/1e6)
}

// build builds and pushes the image, and gives it its tags. It returns the
// image with its digest, and its compressed size in bytes.
func (o options) build(ctx context.Context) (reference string, size int64, err error) {
	if o.image == "" {
		return "", 0, errors.New("-image says where to push to: registry/repository")
	}
	folder, err := os.MkdirTemp("", "sitectl-image-")
	if err != nil {
		return "", 0, err
	}
	defer os.RemoveAll(folder)
	if err := o.layOut(ctx, folder); err != nil {
		return "", 0, err
	}
	arguments := []string{"build", "--output", "json"}
	if o.rebuild {
		arguments = append(arguments, "--rebuild")
	}
	// It builds itself, the one that is in the image.
	command := exec.CommandContext(ctx, filepath.Join(folder, "bin", "sitectl"), arguments...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.Dir, command.Stderr = folder, os.Stderr
	out, err := command.Output()
	if err != nil {
		return "", 0, fmt.Errorf("sitectl build: %w", err)
	}
	var built struct {
		Image struct{ Reference string }
	}
	if err := json.Unmarshal(out, &built); err != nil {
		return "", 0, fmt.Errorf("sitectl build: read its result: %w", err)
	}
	size, err = o.tag(ctx, built.Image.Reference)
	return built.Image.Reference, size, err
}

//go:embed tree
var tree embed.FS

// layOut makes the repository: what is in tree, and the programs.
func (o options) layOut(ctx context.Context, folder string) error {
	files, err := fs.Sub(tree, "tree")
	if err != nil {
		return err
	}
	if err := os.CopyFS(folder, files); err != nil {
		return err
	}
	if err := o.render(filepath.Join(folder, "site.yaml")); err != nil {
		return err
	}
	if err := o.compile(ctx, ".", "-s -w -X main.linkedVersion="+o.version, "./cmd/sitectl", filepath.Join(folder, "bin", "sitectl")); err != nil {
		return err
	}
	err = o.compile(ctx, "lab/parts/buildkit", "-s -w", "github.com/moby/buildkit/cmd/buildkitd", filepath.Join(folder, "bin", "buildkitd"))
	if err != nil {
		return err
	}
	return o.commit(ctx, folder)
}

func (o options) render(file string) error {
	parsed, err := template.ParseFS(tree, "tree/site.yaml")
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, map[string]string{"Image": o.image, "Version": o.version}); err != nil {
		return err
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}

// compile builds a program as a release has it: the same bytes everywhere.
func (o options) compile(ctx context.Context, module, linking, program, output string) error {
	return run(ctx, filepath.Join(o.root, module), []string{"GOOS=linux", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOAMD64=v1", "GOARM64=v8.0"},
		"go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", linking, "-o", output, program)
}

// commit makes the one commit of the repository, by nobody and at the time of
// the commit that sitectl is of.
func (o options) commit(ctx context.Context, folder string) error {
	command := exec.CommandContext(ctx, "git", "log", "-1", "--format=%cI")
	command.Dir = o.root
	out, err := command.Output()
	if err != nil {
		return fmt.Errorf("read the time of the commit: %w", err)
	}
	now := strings.TrimSpace(string(out))
	environment := []string{
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_DATE=" + now, "GIT_COMMITTER_DATE=" + now,
		"GIT_AUTHOR_NAME=sitectl", "GIT_AUTHOR_EMAIL=sitectl@localhost", "GIT_COMMITTER_NAME=sitectl", "GIT_COMMITTER_EMAIL=sitectl@localhost",
	}
	for _, arguments := range [][]string{
		{"init", "--quiet", "--initial-branch=main"},
		{"add", "--all", "--force"},
		{"commit", "--quiet", "--message", "sitectl " + o.version},
	} {
		if err := run(ctx, folder, environment, "git", arguments...); err != nil {
			return err
		}
	}
	return nil
}

// run runs a program whose output matters only if it fails.
func run(ctx context.Context, folder string, environment []string, program string, arguments ...string) error {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir, command.Env = folder, append(os.Environ(), environment...)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, strings.Join(arguments, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

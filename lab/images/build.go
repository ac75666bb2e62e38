package images

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sitectl/sitectl/lab/npm"
)

// builder makes images into a store.
type builder struct {
	store   *store
	archive archive
	work    string // folder for temporary files
	report  func(string)
}

// run makes one image. Its base, if it has one, is in the store.
func (b builder) run(ctx context.Context, build *build) error {
	r := build.recipe
	work := filepath.Join(b.work, build.key)
	// apt downloads as a user of its own, if that user can get here.
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(work)

	base, below, err := b.base(r)
	if err != nil {
		return err
	}
	whole := filepath.Join(work, "root.tar")
	if err := b.rootFilesystem(ctx, r, base, work, whole); err != nil {
		return err
	}
	b.report(r.Name + ": writing the layer")
	layer, err := packLayer(filepath.Join(work, "layer.tar.gz"), whole, below)
	if err != nil {
		return err
	}
	image, err := assemble(base, layer, r)
	if err != nil {
		return err
	}
	return b.store.put(image, r.Name, build.key)
}

// rootFilesystem writes the tar of the image's whole root file system.
func (b builder) rootFilesystem(ctx context.Context, r recipe, base v1.Image, work, whole string) error {
	switch {
	case r.Name == Pause:
		b.report(r.Name + ": compiling")
		return b.compilePause(ctx, work, whole)
	case r.Base == "":
		b.report(r.Name + ": bootstrapping Debian " + r.Suite)
		return b.bootstrap(ctx, r, work, whole)
	default:
		b.report(r.Name + ": installing " + strings.Join(r.Packages, ", "))
		return b.install(ctx, r, base, work, whole)
	}
}

// base returns the image to add a layer to, and what is in it.
func (b builder) base(r recipe) (v1.Image, tree, error) {
	if r.Base == "" {
		return mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), nil, nil
	}
	base, err := b.store.image(r.Base)
	if err != nil {
		return nil, nil, err
	}
	content := mutate.Extract(base)
	defer content.Close()
	below, err := readTree(content)
	if err != nil {
		return nil, nil, fmt.Errorf("read image %s: %w", r.Base, err)
	}
	return base, below, nil
}

// bootstrap makes a Debian root file system from nothing.
func (b builder) bootstrap(ctx context.Context, r recipe, work, whole string) error {
	files, err := b.copySources(work, "scripts")
	if err != nil {
		return err
	}
	list := filepath.Join(work, "debian.sources")
	if err := os.WriteFile(list, []byte(b.archive.sources(r.Suite)), 0o644); err != nil {
		return err
	}
	args := []string{
		"--mode=root", "--variant=minbase", "--format=tar",
		"--aptopt=" + filepath.Join(files, "apt.conf"),
		"--dpkgopt=" + filepath.Join(files, "dpkg.cfg"),
		`--customize-hook=sh "$SCRIPTS/finish-debian.sh" "$1" "$SOURCES"`,
	}
	if packages := b.archive.bootstrapPackages(); len(packages) > 0 {
		args = append(args, "--include="+strings.Join(packages, ","))
	}
	args = append(args, r.Suite, whole, list)
	env := append(b.archive.environment(), "TMPDIR="+work, "SCRIPTS="+files, "SOURCES="+list)
	return run(ctx, isolated(ctx, env, "mmdebstrap", args...))
}

// install adds packages and files to the root file system of base.
func (b builder) install(ctx context.Context, r recipe, base v1.Image, work, whole string) error {
	scripts, err := b.copySources(work, "scripts")
	if err != nil {
		return err
	}
	files, err := b.copySources(work, "files/"+r.Files)
	if err != nil {
		return err
	}
	if err := errors.Join(npm.Unpack(ctx, r.NPM, files), addCertificates(r.Trust, files)); err != nil {
		return err
	}
	setup := filepath.Join(work, "setup.sh")
	if err := os.WriteFile(setup, []byte(r.Setup), 0o644); err != nil {
		return err
	}
	env := append(b.archive.environment(),
		"ROOT="+filepath.Join(work, "root"), "WHOLE="+whole, "FILES="+files, "SETUP="+setup,
		"PACKAGES="+strings.Join(r.Packages, " "),
		"ACCOUNT="+r.User.Name, "ACCOUNT_ID="+strconv.Itoa(r.User.ID), "ACCOUNT_HOME="+r.User.Home)
	cmd := isolated(ctx, env, "sh", filepath.Join(scripts, "install.sh"))
	content := mutate.Extract(base)
	defer content.Close()
	cmd.Stdin = content
	return run(ctx, cmd)
}

// copySources writes an embedded folder into the work folder. Programs are
// what goes into a bin folder.
func (b builder) copySources(work, folder string) (string, error) {
	target := filepath.Join(work, folder)
	err := fs.WalkDir(sources, folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(work, path), 0o755)
		}
		content, err := sources.ReadFile(path)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if filepath.Base(filepath.Dir(path)) == "bin" {
			mode = 0o755
		}
		return os.WriteFile(filepath.Join(work, path), content, mode)
	})
	return target, err
}

// packLayer makes a layer of what is in the tar file whole and not below.
func packLayer(file, whole string, below tree) (v1.Layer, error) {
	in, err := os.Open(whole)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if err := writeLayer(out, in, below); err != nil {
		return nil, err
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromFile(file, tarball.WithMediaType(types.OCILayer))
}

// assemble adds the layer and the recipe's configuration to base.
func assemble(base v1.Image, layer v1.Layer, r recipe) (v1.Image, error) {
	image, err := mutate.Append(base, mutate.Addendum{
		Layer:     layer,
		MediaType: types.OCILayer,
		History:   v1.History{CreatedBy: "sitectl lab " + r.Name, Created: v1.Time{Time: epoch}},
	})
	if err != nil {
		return nil, fmt.Errorf("add layer: %w", err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Created = v1.Time{Time: epoch}
	config.Config = r.Config
	return mutate.ConfigFile(image, config)
}

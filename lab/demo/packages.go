package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// debianPackages are packages of a Debian release that need not be the one
// that runs here, and that are not installed.
type debianPackages struct {
	suite string // trixie
	names []string
	cache string // a folder that is kept from one run to the next, for apt's lists
}

// packagesOf are packages for an application, of the release that images are
// made of, so that it fits their PHP.
func packagesOf(application string, names ...string) (debianPackages, error) {
	cache, err := os.UserCacheDir()
	return debianPackages{suite: "trixie", names: names, cache: filepath.Join(cache, "sitectl-lab", application)}, err
}

// extract downloads the packages, checks their signatures as apt does, and
// unpacks them into a folder.
func (p debianPackages) extract(ctx context.Context, folder string) error {
	if err := p.prepare(); err != nil {
		return err
	}
	if err := p.apt(ctx, "update"); err != nil {
		return err
	}
	if err := p.apt(ctx, append([]string{"download"}, p.names...)...); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(p.downloads(), "*.deb"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := runQuietly(exec.CommandContext(ctx, "dpkg-deb", "--extract", file, folder)); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the folders and files of an apt that knows nothing of what is
// installed here.
func (p debianPackages) prepare() error {
	// A new version would stand beside an old one.
	if err := os.RemoveAll(p.downloads()); err != nil {
		return err
	}
	for _, folder := range []string{p.downloads(), filepath.Join(p.cache, "lists", "partial"), filepath.Join(p.cache, "archives", "partial")} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
	sources := fmt.Sprintf("deb [signed-by=%[1]s] http://deb.debian.org/debian %[2]s main\n"+
		"deb [signed-by=%[1]s] http://deb.debian.org/debian-security %[2]s-security main\n", keyring, p.suite)
	if err := os.WriteFile(filepath.Join(p.cache, "sources.list"), []byte(sources), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.cache, "status"), nil, 0o644)
}

func (p debianPackages) apt(ctx context.Context, arguments ...string) error {
	command := exec.CommandContext(ctx, "apt-get", append([]string{
		"--quiet",
		"--option=Dir::State=" + p.cache,
		"--option=Dir::State::status=" + filepath.Join(p.cache, "status"),
		"--option=Dir::Cache=" + p.cache,
		"--option=Dir::Etc::sourcelist=" + filepath.Join(p.cache, "sources.list"),
		"--option=Dir::Etc::sourceparts=/dev/null",
		"--option=Dir::Etc::preferences=/dev/null",
		"--option=Dir::Etc::preferencesparts=/dev/null",
		"--option=Acquire::Languages=none",
		"--option=Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"--option=APT::Sandbox::User=root", // the cache is root's own
	}, arguments...)...)
	command.Dir = p.downloads()
	return runQuietly(command)
}

// downloads is where apt puts the packages.
func (p debianPackages) downloads() string { return filepath.Join(p.cache, "packages") }

// Package npm gets packages from npm's registry, without npm.
package npm

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// Package is a package of npm's registry that is unpacked into a folder.
type Package struct {
	Name, Version string
	Integrity     string // as in package-lock.json: "sha512-" and base64
	Only          string // the one file to take; empty for all
	Target        string // where in the folder; empty for the folder itself
}

const defaultRegistry = "https://registry.npmjs.org"

// registryHere is the registry that npm on this machine uses.
func registryHere(ctx context.Context) string {
	for _, name := range []string{"NPM_CONFIG_REGISTRY", "npm_config_registry"} {
		if registry := os.Getenv(name); registry != "" {
			return strings.TrimSuffix(registry, "/")
		}
	}
	out, err := exec.CommandContext(ctx, "npm", "config", "get", "registry").Output()
	if registry := strings.TrimSpace(string(out)); err == nil && strings.HasPrefix(registry, "http") {
		return strings.TrimSuffix(registry, "/")
	}
	return defaultRegistry
}

// Unpack unpacks packages into a folder.
func Unpack(ctx context.Context, packages []Package, folder string) error {
	if len(packages) == 0 {
		return nil
	}
	registry := registryHere(ctx)
	for _, p := range packages {
		if err := p.unpack(ctx, registry, filepath.Join(folder, p.Target)); err != nil {
			return fmt.Errorf("get %s %s from %s: %w", p.Name, p.Version, registry, err)
		}
	}
	return nil
}

// Install returns the folder of the package in a cache, and unpacks it there
// unless the cache has it.
func (p Package) Install(ctx context.Context, cache string) (string, error) {
	folder := filepath.Join(cache, p.Name+"-"+p.Version)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unfinished, err := os.MkdirTemp(cache, "unfinished-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(unfinished)
	if err := Unpack(ctx, []Package{p}, unfinished); err != nil {
		return "", err
	}
	// Only a whole package ever has the final name. Whoever came first with
	// the same one has won.
	if err := os.Rename(unfinished, folder); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return folder, nil
}

func (p Package) unpack(ctx context.Context, registry, target string) error {
	address := fmt.Sprintf("%s/%s/-/%s-%s.tgz", registry, p.Name, p.Name, p.Version)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", address, answer.Status)
	}
	sum := sha512.New()
	if err := p.extract(io.TeeReader(answer.Body, sum), target); err != nil {
		return err
	}
	return p.verify(answer.Body, sum)
}

// verify compares what was read, and what of it is left, with the integrity.
func (p Package) verify(rest io.Reader, sum hash.Hash) error {
	if _, err := io.Copy(sum, rest); err != nil {
		return err
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != p.Integrity {
		return fmt.Errorf("it is not what was expected: its integrity is %s", got)
	}
	return nil
}

// extract writes the regular files of a package, which has no others. Each
// name begins with a folder that is not part of it.
func (p Package) extract(archive io.Reader, target string) error {
	plain, err := gzip.NewReader(archive)
	if err != nil {
		return err
	}
	for reader := tar.NewReader(plain); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		_, name, _ := strings.Cut(path.Clean("/" + header.Name)[1:], "/")
		if header.Typeflag != tar.TypeReg || name == "" || p.Only != "" && name != p.Only {
			continue
		}
		if err := writeProgram(filepath.Join(target, name), header.Mode, reader); err != nil {
			return err
		}
	}
}

func writeProgram(file string, mode int64, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	permissions := os.FileMode(0o644)
	if mode&0o100 != 0 {
		permissions = 0o755
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, permissions)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	return errors.Join(err, out.Close())
}

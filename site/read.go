package site

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Resolved is a site together with the place each of its values was written
// at.
type Resolved struct {
	Site Site
	// Origins is keyed by the path of a key, for example "web.replicas",
	// "cron[0].schedule" or `build.php.ini["opcache.enable"]`. A key that was
	// removed by an explicit null is in it, too.
	Origins map[string]Origin
	// Environments are the names of those that the file declares, in order.
	Environments []string
}

// Read reads a site file and resolves it for one environment. An empty
// environment stands for "production" if the file declares it, else for the
// only one that it declares.
//
// The error is of type Problems and holds everything that is wrong with the
// file, in any of its environments.
func Read(path, environment string) (Site, error) {
	resolved, err := ResolveFile(path, environment)
	return resolved.Site, err
}

// readFile reads no more than shows that a file is too large.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxFileSize+1))
}

// unreadable drops the path from the error, for every problem begins with it.
func unreadable(path string, err error) Problem {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	p := Problem{File: path, Message: fmt.Sprintf("cannot read the site file: %v", err)}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.Hint = "write one: sitectl init, or name another one with --file"
	case errors.Is(err, syscall.EISDIR):
		p.Hint = "name the file in it: --file " + filepath.Join(path, "site.yaml")
	}
	return p
}

// Parse is Read for a file that is already in memory; name is what its
// problems call it.
func Parse(name string, data []byte, environment string) (Site, error) {
	resolved, err := Resolve(name, data, environment)
	return resolved.Site, err
}

// Resolve is Parse that also tells where each value comes from.
func Resolve(name string, data []byte, environment string) (Resolved, error) {
	report := &report{file: name}
	root := parseDocument(data, report)
	if root == nil {
		return Resolved{}, report.err()
	}
	file := decodeFile(root, report)
	if file == nil {
		return Resolved{}, report.err()
	}
	chosen := file.choose(environment)
	resolutions := file.resolveAll()
	for _, r := range resolutions {
		r.validate(report)
	}
	validateTogether(resolutions, report)
	if err := report.err(); err != nil {
		return Resolved{}, err
	}
	return Resolved{
		Site:         resolutions[chosen].site,
		Origins:      resolutions[chosen].places.origins(),
		Environments: file.environmentNames(),
	}, nil
}

// Environments returns the names of the environments that a site file
// declares, also if the rest of it is wrong; none if it cannot be read.
func Environments(path string) []string {
	data, err := readFile(path)
	if err != nil {
		return nil
	}
	report := &report{file: path}
	root := parseDocument(data, report)
	if root == nil {
		return nil
	}
	file := decodeFile(root, report)
	if file == nil {
		return nil
	}
	return file.environmentNames()
}

// ResolveFile is Resolve for a file, as Read is Parse.
func ResolveFile(path, environment string) (Resolved, error) {
	data, err := readFile(path)
	if err != nil {
		return Resolved{}, Problems{unreadable(path, err)}
	}
	return Resolve(path, data, environment)
}

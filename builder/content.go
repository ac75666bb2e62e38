package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/sitectl/sitectl/site"
	"github.com/tonistiigi/fsutil"
)

// file is a regular file or a symlink that goes into a layer. Its content is
// known by name before it is read, so that a layer that the registry has
// already is never read at all.
type file struct {
	path       string // in the image, without the leading slash
	executable bool   // 0755, otherwise 0644
	target     string // what a symlink points to; empty for a regular file
	size       int64  // of a regular file, in bytes
	object     string // name of the content: a git object name or a SHA-256, in hex
	open       func() (io.ReadCloser, error)
}

// identity is what of a file makes a difference to a layer.
func (f file) identity() string {
	kind := "-"
	switch {
	case f.target != "":
		kind = "l"
	case f.executable:
		kind = "x"
	}
	return kind + " " + f.object + " " + f.path + "\x00"
}

// filesHash names the content of a list of files, whoever has them.
func filesHash(files []file) string {
	sum := sha256.New()
	for _, f := range files {
		io.WriteString(sum, f.identity())
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// treeFile is an entry of a git tree, at a path of the image.
func treeFile(tree *site.Tree, entry site.Entry, at string) file {
	f := file{
		path:       at,
		executable: entry.Mode == site.ModeExecutable,
		object:     entry.Object,
		open:       func() (io.ReadCloser, error) { return tree.Open(entry.Path) },
	}
	if entry.Mode == site.ModeSymlink {
		f.target = entry.Target
	} else {
		f.size = entry.Size
	}
	return f
}

// codeFiles are the files of a commit that are part of the site's image: its
// tree without what .dockerignore names, and what pods mount volumes over.
func codeFiles(ctx context.Context, s site.Site, tree *site.Tree) ([]file, error) {
	shipped, err := siteFiles(ctx, tree, s.Outside()...)
	if err != nil {
		return nil, err
	}
	return filesOf(ctx, tree, shipped, strings.TrimPrefix(site.CodeDir, "/"))
}

// filesOf are the files of a tree that a view of it shows, below a folder of
// the image.
func filesOf(ctx context.Context, tree *site.Tree, view fsutil.FS, below string) ([]file, error) {
	var files []file
	err := view.Walk(ctx, "", func(name string, _ fs.DirEntry, err error) error {
		if entry, ok := tree.Lookup(name); ok && err == nil {
			files = append(files, treeFile(tree, entry, path.Join(below, name)))
		}
		return err
	})
	return files, err
}

// memoryFiles are files that are in memory, given by path in the image.
func memoryFiles(contents map[string]string) []file {
	var files []file
	for _, name := range slices.SortedFunc(maps.Keys(contents), fsutil.ComparePath) {
		content := contents[name]
		sum := sha256.Sum256([]byte(content))
		files = append(files, file{
			path: name, size: int64(len(content)), object: hex.EncodeToString(sum[:]),
			open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil },
		})
	}
	return files
}

// sortFiles orders files as a walk through the folders meets them.
func sortFiles(files []file) {
	slices.SortFunc(files, func(a, b file) int { return fsutil.ComparePath(a.path, b.path) })
}

// group is what files have in common that change at the same rate. Its name
// is that of its layers.
type group struct {
	name  string
	files []file // sorted
	// stage is the name of the inputs of the stage that made the files; empty
	// for files of the commit and of the recipe.
	stage string
}

// The groups, in the order of their layers. A node unpacks every layer above
// the first one that changed, so what changes most comes last.
const (
	groupConfiguration = "configuration"
	groupVendor        = "vendor"
	groupFrontend      = "frontend"
	groupCore          = "core"
	groupCode          = "code"
)

var groupOrder = []string{groupConfiguration, groupVendor, groupFrontend, groupCore, groupCode}

// codeGroups divides the files of a commit.
func codeGroups(s site.Site, files []file) []group {
	groups := []group{{name: groupVendor}, {name: groupCore}, {name: groupCode}}
	index := map[string]int{groupVendor: 0, groupCore: 1, groupCode: 2}
	for _, f := range files {
		i := index[groupOf(s, f.path)]
		groups[i].files = append(groups[i].files, f)
	}
	return slices.DeleteFunc(groups, func(g group) bool { return len(g.files) == 0 })
}

// coreFolders are the folders below the docroot that only an update of the
// CMS changes.
var coreFolders = map[site.Preset][]string{
	site.WordPress: {"wp-admin", "wp-includes"},
	site.Drupal:    {"core"},
	site.MediaWiki: {"includes", "languages", "maintenance", "resources"},
}

func groupOf(s site.Site, name string) string {
	docroot := strings.TrimPrefix(path.Join(site.CodeDir, s.Build.Docroot), "/")
	for _, folder := range coreFolders[s.Preset] {
		if within(name, path.Join(docroot, folder)) {
			return groupCore
		}
	}
	for _, above := range []string{docroot, strings.TrimPrefix(site.CodeDir, "/")} {
		if within(name, path.Join(above, "vendor")) {
			return groupVendor
		}
	}
	return groupCode
}

// checkConflicts reports the paths that a stage makes and the commit has with
// another content: one of the two would silently hide the other.
func checkConflicts(stages []group, code []file) error {
	committed := make(map[string]file, len(code))
	for _, f := range code {
		committed[f.path] = f
	}
	var paths []string
	for _, stage := range stages {
		for _, made := range stage.files {
			other, ok := committed[made.path]
			if !ok {
				continue
			}
			if same, err := sameContent(made, other); err != nil {
				return err
			} else if !same {
				paths = append(paths, strings.TrimPrefix("/"+made.path, site.CodeDir+"/"))
			}
		}
	}
	if len(paths) == 0 {
		return nil
	}
	return &BuildError{
		Err:  fmt.Errorf("the commit has files that the build makes, too, with another content: %s", strings.Join(paths, ", ")),
		hint: "take them out of git, or name them in .dockerignore",
	}
}

func sameContent(a, b file) (bool, error) {
	if a.target != b.target || a.size != b.size {
		return false, nil
	}
	if a.target != "" {
		return true, nil
	}
	left, err := contentHash(a)
	if err != nil {
		return false, err
	}
	right, err := contentHash(b)
	return left == right, err
}

func contentHash(f file) (string, error) {
	content, err := f.open()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, content)
	return hex.EncodeToString(sum.Sum(nil)), errors.Join(err, content.Close())
}

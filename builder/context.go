package builder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/moby/patternmatcher/ignorefile"
	"github.com/sitectl/sitectl/site"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// notShipped are files that say how a site is built and shipped rather than
// being part of it. Leaving them out keeps a change of, say, the number of
// replicas from changing the image.
var notShipped = []string{
	"site.yaml", ".dockerignore",
	".git*", "**/.gitignore", "**/.gitattributes", "**/.gitmodules", "**/.gitkeep",
}

// files are what BuildKit sees of a build context: a list of files and
// folders, sorted folder by folder, and a way to read a file. Nothing of it
// need be on disk.
type files struct {
	stats []*types.Stat
	read  func(path string) (io.ReadCloser, error)
}

var _ fsutil.FS = (*files)(nil)

// siteFiles is what of a commit is part of a site's image: its tree without
// what .dockerignore names, and without what is outside, given as patterns of
// the same kind.
func siteFiles(ctx context.Context, tree *site.Tree, outside ...string) (fsutil.FS, error) {
	var excluded []string
	if _, ok := tree.Lookup(".dockerignore"); ok {
		content, err := tree.ReadFile(".dockerignore")
		if err != nil {
			return nil, err
		}
		if excluded, err = ignorefile.ReadAll(bytes.NewReader(content)); err != nil {
			return nil, fmt.Errorf("read .dockerignore: %w", err)
		}
	}
	filtered, err := fsutil.NewFilterFS(treeFiles(tree), &fsutil.FilterOpt{
		ExcludePatterns: slices.Concat(excluded, notShipped, outside),
	})
	if err != nil {
		return nil, fmt.Errorf("read .dockerignore: %w", err)
	}
	return filtered, check(ctx, tree, filtered)
}

// check reports every file of a context that cannot be part of an image.
func check(ctx context.Context, tree *site.Tree, context fsutil.FS) error {
	var entries []site.Entry
	err := context.Walk(ctx, "", func(path string, _ fs.DirEntry, err error) error {
		if entry, ok := tree.Lookup(path); ok {
			entries = append(entries, entry)
		}
		return err
	})
	return errors.Join(site.Check(entries), err)
}

// treeFiles shows a git tree to BuildKit. Owner and permissions are always
// the same: root's, and 0755 or 0644, as git tells only the executable apart.
func treeFiles(tree *site.Tree) *files {
	var stats []*types.Stat
	for _, entry := range tree.Entries {
		stat := &types.Stat{Path: entry.Path, Mode: 0o644, Size: entry.Size, ModTime: modTime(entry.Object)}
		switch entry.Mode {
		case site.ModeExecutable:
			stat.Mode = 0o755
		case site.ModeSymlink:
			stat.Mode = uint32(os.ModeSymlink | 0o777)
			stat.Linkname = entry.Target
		}
		stats = append(stats, stat)
	}
	return &files{stats: withFolders(stats), read: tree.Open}
}

// staticFiles shows files that are in memory, given by path, to BuildKit.
func staticFiles(contents map[string]string) *files {
	var stats []*types.Stat
	for name, content := range contents {
		sum := sha256.Sum256([]byte(content))
		stats = append(stats, &types.Stat{
			Path: name, Mode: 0o644, Size: int64(len(content)), ModTime: modTime(hex.EncodeToString(sum[:])),
		})
	}
	slices.SortFunc(stats, func(a, b *types.Stat) int { return fsutil.ComparePath(a.Path, b.Path) })
	read := func(name string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(contents[name])), nil
	}
	return &files{stats: withFolders(stats), read: read}
}

// withFolders adds the folders that a sorted list of files lies in, each
// before its content.
func withFolders(stats []*types.Stat) []*types.Stat {
	var out []*types.Stat
	seen := map[string]bool{".": true}
	for _, stat := range stats {
		var missing []string
		for dir := path.Dir(stat.Path); !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			missing = append(missing, dir)
		}
		for _, dir := range slices.Backward(missing) {
			out = append(out, &types.Stat{Path: dir, Mode: uint32(os.ModeDir | 0o755), ModTime: oldest.UnixNano()})
		}
		out = append(out, stat)
	}
	return out
}

// The times of files in an image, from the name of their content.
var (
	oldest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	newest = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
)

// modTime derives the time of a file from the name of its content, which git
// and we know by hash.
//
// BuildKit keeps what it was sent and asks for a file again only if its size
// or time differ. A commit's tree has no times; with one time for all, a
// change that keeps the size ("v1" to "v2") would never arrive, and with the
// time of the checkout every file would be sent by every CI job. So the time
// is a function of the content: it differs if the content does (in
// nanoseconds over twenty years, 59 bits) and is the same on every machine,
// which makes the layer the same, too. A browser that asks for a file
// "If-Modified-Since" sees a new time, in seconds over twenty years, as well:
// it need only differ, as Apache's ETag is made of time and size.
func modTime(object string) int64 {
	bits, err := hex.DecodeString(object[:16])
	if err != nil {
		return oldest.UnixNano() // not a hash, so nothing that git printed
	}
	span := uint64(newest.Sub(oldest))
	return oldest.UnixNano() + int64(binary.BigEndian.Uint64(bits)%span)
}

// Walk implements fsutil.FS: it calls fn for what is below target, or for all.
func (f *files) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	target = strings.TrimPrefix(path.Clean("/"+target), "/")
	skipped := "/" // a prefix that no path has
	for _, stat := range f.stats {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if strings.HasPrefix(stat.Path, skipped) || !within(stat.Path, target) {
			continue
		}
		err := fn(stat.Path, &fsutil.DirEntryInfo{Stat: stat}, nil)
		switch {
		case err == nil:
		case !errors.Is(err, fs.SkipDir):
			return err
		case stat.IsDir():
			skipped = stat.Path + "/"
		case path.Dir(stat.Path) == ".":
			return nil // the rest of the folder is the rest of all
		default:
			skipped = path.Dir(stat.Path) + "/"
		}
	}
	return nil
}

// within reports whether name is target or below it; everything is below "".
func within(name, target string) bool {
	rest, ok := strings.CutPrefix(name, target)
	return ok && (target == "" || rest == "" || rest[0] == '/')
}

// Open implements fsutil.FS.
func (f *files) Open(name string) (io.ReadCloser, error) { return f.read(name) }

// watched reports a file that cannot be read. fsutil's sender (send.go) has no
// word for it: it sends an empty file if Open fails, and waits for ever if
// Read does. So both become an error of Read, and failed has to end the build.
type watched struct {
	fsutil.FS
	failed func(error)
}

func (w watched) Open(name string) (io.ReadCloser, error) {
	file, err := w.FS.Open(name)
	if err != nil {
		file = io.NopCloser(unreadable{err})
	}
	return watchedFile{file, w.failed}, nil
}

type watchedFile struct {
	io.ReadCloser
	failed func(error)
}

func (f watchedFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.failed(err)
	}
	return n, err
}

type unreadable struct{ err error }

func (u unreadable) Read([]byte) (int, error) { return 0, u.err }

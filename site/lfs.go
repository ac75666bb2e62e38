package site

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	hashes "hash" // the package has a function hash
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// pointer is what git has of a file in Git LFS
// (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md): the SHA-256 of
// the content, by which LFS keeps it, and its size.
//
// A pointer is told by its form, whether or not .gitattributes says that the
// path is in LFS: without that, a checkout leaves the pointer where the file
// should be, which nobody wants to ship. One with "ext-" lines, for an
// extension of LFS, is not recognised: its content is made by a program of
// the user's.
var pointer = regexp.MustCompile(`^version https://git-lfs\.github\.com/spec/v1\n` +
	`oid sha256:([0-9a-f]{64})\n` +
	`size (0|[1-9][0-9]{0,18})\n$`)

// How large a pointer is, in bytes: for a size of one digit, and of nineteen.
// So only few of a site's files need be read to find out.
const (
	smallestPointer = 126
	largestPointer  = smallestPointer + 18
)

func mayBePointer(entry Entry) bool {
	return (entry.Mode == ModeFile || entry.Mode == ModeExecutable) &&
		entry.Size >= smallestPointer && entry.Size <= largestPointer
}

// findLFS lets every entry whose content is a pointer of Git LFS be the file
// that it points to, and notes where that is not in the clone.
func (t *Tree) findLFS(ctx context.Context, r *Repository, entries []*Entry, contents []string) error {
	var objects *lfsObjects
	var source int
	for i, entry := range entries {
		match := pointer.FindStringSubmatch(contents[i])
		if match == nil {
			continue
		}
		size, err := strconv.ParseInt(match[2], 10, 64)
		if err != nil {
			continue // more than a file can have
		}
		if objects == nil {
			if objects, err = r.lfsObjects(ctx); err != nil {
				return err
			}
			source = t.addSource(objects)
		}
		entry.Object, entry.Size, entry.source = match[1], size, source
		entry.problem = objects.check(*entry)
	}
	return nil
}

// lfsObjects is the folder in which Git LFS keeps contents.
type lfsObjects struct {
	dir string
}

// lfsObjects finds that folder: "lfs" in the repository's own, which all its
// worktrees share, unless lfs.storage (git-lfs-config(5)) names another.
func (r *Repository) lfsObjects(ctx context.Context) (*lfsObjects, error) {
	common, err := r.git(ctx, nil, "rev-parse", "--git-common-dir")
	if err != nil {
		return nil, fmt.Errorf("look for Git LFS: %w", err)
	}
	common = r.absolute(strings.TrimSuffix(common, "\n"))
	storage := filepath.Join(common, "lfs")
	if out, err := r.git(ctx, nil, "config", "--type=path", "lfs.storage"); err == nil {
		if storage = strings.TrimSuffix(out, "\n"); !filepath.IsAbs(storage) {
			storage = filepath.Join(common, storage)
		}
	}
	return &lfsObjects{dir: filepath.Join(storage, "objects")}, nil
}

func (l *lfsObjects) path(entry Entry) string {
	return filepath.Join(l.dir, entry.Object[:2], entry.Object[2:4], entry.Object)
}

// check says why the content of an entry cannot be read.
func (l *lfsObjects) check(entry Entry) *RepositoryError {
	if entry.Size == 0 {
		return nil // Git LFS keeps no file for it
	}
	const hint = "git lfs pull (GitLab: the runner's image needs git-lfs; GitHub: actions/checkout with lfs: true), " +
		"or name it in .dockerignore"
	info, err := os.Stat(l.path(entry))
	switch {
	case err != nil:
		return &RepositoryError{
			Err:  fmt.Errorf("%q is %w without its content: %w", entry.Path, ErrLFS, err),
			hint: hint,
		}
	case info.Size() != entry.Size:
		return &RepositoryError{
			Err: fmt.Errorf("%q is %w to %d bytes, but %s has %d",
				entry.Path, ErrLFS, entry.Size, l.path(entry), info.Size()),
			hint: "remove that file, then " + hint,
		}
	default:
		return nil
	}
}

// open implements source.
func (l *lfsObjects) open(entry Entry) (io.ReadCloser, error) {
	if entry.Size == 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	file, err := os.Open(l.path(entry))
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", entry.Path, err)
	}
	return &lfsFile{file: file, entry: entry, left: entry.Size, sum: sha256.New()}, nil
}

// close implements source.
func (l *lfsObjects) close() {}

// lfsFile checks a content while it passes by.
type lfsFile struct {
	file  *os.File
	entry Entry
	left  int64
	sum   hashes.Hash
	wrong error // the content is not what it should be
	told  bool  // and Read has said so
}

// Read says in place of the end that the content was wrong.
func (f *lfsFile) Read(p []byte) (int, error) {
	if f.left == 0 && f.wrong != nil {
		f.told = true
		return 0, f.wrong
	}
	if f.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > f.left {
		p = p[:f.left]
	}
	n, err := f.file.Read(p)
	f.left -= int64(n)
	f.sum.Write(p[:n])
	if err != nil {
		return n, fmt.Errorf("read %q: %w", f.entry.Path, noEOF(err))
	}
	if f.left > 0 {
		return n, nil
	}
	if sum := hex.EncodeToString(f.sum.Sum(nil)); sum != f.entry.Object {
		f.wrong = fmt.Errorf("read %q: Git LFS has another content in %s: its SHA-256 is %s",
			f.entry.Path, f.file.Name(), sum)
	}
	return n, nil
}

// Close says it to whoever stopped at the size and did not read on to the end.
func (f *lfsFile) Close() error {
	err := f.file.Close()
	if f.wrong != nil && !f.told {
		return f.wrong
	}
	return err
}

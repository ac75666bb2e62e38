package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// EntryMode is what an entry of a git tree stands for, as git writes it.
type EntryMode string

// The modes that git uses.
const (
	ModeFile       EntryMode = "100644"
	ModeExecutable EntryMode = "100755"
	ModeSymlink    EntryMode = "120000"
	ModeSubmodule  EntryMode = "160000"
)

// Entry is a file of a git tree. Folders have no entries of their own, and
// what is empty is not in git.
type Entry struct {
	Path string // relative to the tree, with slashes; any bytes but NUL
	Mode EntryMode
	// Object is the name of the content, in lower-case hex: git's, or for a
	// file in Git LFS its SHA-256. It depends on nothing but the content.
	Object string
	Size   int64  // in bytes; 0 for a submodule
	Target string // what a symlink points to

	source  int              // where the content is: one of the tree's sources
	problem *RepositoryError // why it is not there
}

// source is where contents are read from: a repository or a store of Git LFS.
type source interface {
	open(entry Entry) (io.ReadCloser, error)
	close()
}

// Check says why an entry cannot be part of an image: the content of a
// submodule or of a file in Git LFS is not in the clone, a symlink out of the
// tree points to something else, or nothing, in the image, and BuildKit's
// protocol has no way to write a name that is not UTF-8. The error is a
// *RepositoryError.
func (e Entry) Check() error {
	switch {
	case !utf8.ValidString(e.Path) || !utf8.ValidString(e.Target):
		return &RepositoryError{
			Err:  fmt.Errorf("%q has %w", e.Path, ErrEncoding),
			hint: "rename it, or name its folder in .dockerignore",
		}
	case e.problem != nil:
		return e.problem
	case e.Mode == ModeSubmodule:
		return noSubmodule(e)
	case e.Mode == ModeSymlink && e.outside():
		return &RepositoryError{
			Err:  fmt.Errorf("%q is %w: it points to %q", e.Path, ErrOutside, e.Target),
			hint: "let it point to a file of the repository, or name it in .dockerignore",
		}
	default:
		return nil
	}
}

func (e Entry) outside() bool {
	target := path.Join(path.Dir(e.Path), e.Target)
	return path.IsAbs(e.Target) || target == ".." || strings.HasPrefix(target, "../")
}

// Check says why some entries cannot be part of an image, the ones of a kind
// in one *RepositoryError.
func Check(entries []Entry) error {
	kinds := []error{ErrSubmodule, ErrLFS, ErrOutside, ErrEncoding, ErrOwner, ErrIncomplete}
	found := make([][]error, len(kinds))
	var others []error
	for _, entry := range entries {
		err := entry.Check()
		if err == nil {
			continue
		}
		if i := slices.IndexFunc(kinds, func(kind error) bool { return errors.Is(err, kind) }); i >= 0 {
			found[i] = append(found[i], err)
		} else {
			others = append(others, err)
		}
	}
	var problems []error
	for i := range kinds {
		problems = append(problems, together(found[i]))
	}
	return errors.Join(append(problems, others...)...)
}

// together makes one error of several of the same kind, with one hint.
func together(errs []error) error {
	const shown = 10
	if len(errs) < 2 {
		return errors.Join(errs...)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d files cannot be shipped:", len(errs))
	for _, err := range errs[:min(shown, len(errs))] {
		text.WriteString("\n  " + err.Error())
	}
	if len(errs) > shown {
		fmt.Fprintf(&text, "\n  and %d more", len(errs)-shown)
	}
	all := &RepositoryError{Err: worded{text.String(), errs[0]}}
	var first *RepositoryError
	if errors.As(errs[0], &first) {
		all.hint = first.hint
	}
	return all
}

// worded is an error in other words.
type worded struct {
	text string
	error
}

func (w worded) Error() string { return w.text }

func (w worded) Unwrap() error { return w.error }

// Tree is the content of a git tree, read from git's object store: nothing is
// checked out, no filter or attribute changes a byte, and a file of any size
// is streamed. Submodules whose commit is in the clone are part of it, and
// files in Git LFS have their content rather than the pointer to it.
type Tree struct {
	Name    string  // object name
	Entries []Entry // sorted by path, folder by folder

	byPath  map[string]int
	sources []source
	cancel  context.CancelCauseFunc
}

// errClosed is what readers say that were still open when the tree was closed.
var errClosed = errors.New("the tree was closed")

// Tree reads the list of files of a tree, in 0.1 s for 50,000. It may hold git
// processes until Close; they, too, end with the context.
func (r *Repository) Tree(ctx context.Context, name string) (*Tree, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	tree := &Tree{Name: name, cancel: cancel}
	if err := tree.add(ctx, r, name, ""); err != nil {
		return nil, errors.Join(fmt.Errorf("read tree %s: %w", name, err), tree.Close())
	}
	slices.SortFunc(tree.Entries, func(a, b Entry) int { return comparePaths(a.Path, b.Path) })
	tree.byPath = make(map[string]int, len(tree.Entries))
	for i, entry := range tree.Entries {
		tree.byPath[entry.Path] = i
	}
	return tree, nil
}

// add lists a tree, or a submodule's commit, below a folder: "" or "themes/one/".
func (t *Tree) add(ctx context.Context, r *Repository, name, below string) error {
	if err := r.completeTree(ctx, name); err != nil {
		return err
	}
	out, err := r.git(ctx, nil, "ls-tree", "-r", "-z", "-l", "--full-tree", name)
	if err != nil {
		return err
	}
	entries, err := parseEntries(out, below, t.addSource(newBlobs(ctx, r)))
	if err != nil {
		return err
	}
	if err := t.follow(ctx, r, entries); err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Mode == ModeSubmodule {
			submodule, err := r.submodule(ctx, name, strings.TrimPrefix(entry.Path, below), entry)
			if err == nil {
				if err := t.add(ctx, submodule, entry.Object, entry.Path+"/"); err != nil {
					return fmt.Errorf("submodule %q: %w", entry.Path, err)
				}
				continue
			}
			if !errors.As(err, &entry.problem) {
				return err
			}
		}
		t.Entries = append(t.Entries, entry)
	}
	return nil
}

// longestTarget is what Linux takes, in bytes (PATH_MAX), and a bound for what
// is read into memory.
const longestTarget = 4096

// follow reads where symlinks and the pointers of Git LFS lead.
func (t *Tree) follow(ctx context.Context, r *Repository, entries []Entry) error {
	var links, files []*Entry
	for i := range entries {
		switch entry := &entries[i]; {
		case entry.Mode == ModeSymlink && entry.Size > longestTarget:
			entry.problem = &RepositoryError{
				Err:  fmt.Errorf("%q is %w: it points to a path of %d bytes", entry.Path, ErrOutside, entry.Size),
				hint: "remove it, or name it in .dockerignore",
			}
		case entry.Mode == ModeSymlink:
			links = append(links, entry)
		case mayBePointer(*entry):
			files = append(files, entry)
		}
	}
	contents, err := r.contents(ctx, slices.Concat(links, files))
	if err != nil {
		return err
	}
	for i, link := range links {
		link.Target = contents[i]
	}
	return t.findLFS(ctx, r, files, contents[len(links):])
}

func (t *Tree) addSource(source source) int {
	t.sources = append(t.sources, source)
	return len(t.sources) - 1
}

// parseEntries parses `git ls-tree -r -z -l`: "<mode> <type> <object> <size>\t<path>\0".
func parseEntries(out, below string, source int) ([]Entry, error) {
	entries := make([]Entry, 0, strings.Count(out, "\x00"))
	for line := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		if line == "" {
			continue // the empty tree
		}
		meta, name, ok := strings.Cut(line, "\t")
		mode, meta, _ := strings.Cut(meta, " ")
		_, meta, _ = strings.Cut(meta, " ")
		object, size, _ := strings.Cut(meta, " ")
		if !ok || object == "" {
			return nil, fmt.Errorf("git ls-tree printed %q", line)
		}
		entry := Entry{Path: below + name, Mode: EntryMode(mode), Object: object, source: source}
		size = strings.TrimLeft(size, " ")
		if size == "BAD" {
			return nil, incomplete(entry)
		}
		if entry.Mode != ModeSubmodule {
			bytes, err := strconv.ParseInt(size, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("git ls-tree printed %q: %w", line, err)
			}
			entry.Size = bytes
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

func incomplete(entry Entry) error {
	return &RepositoryError{
		Err:  fmt.Errorf("%w: git has no object %s, the content of %q", ErrIncomplete, entry.Object, entry.Path),
		hint: "clone it again; `git fsck` lists all that is missing",
	}
}

// comparePaths orders paths as a walk through the folders meets them: what is
// in the folder "a" comes before "a.b". git compares the folder as "a/", which
// puts it after.
func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		if a[i] == '/' || b[i] != '/' && a[i] < b[i] {
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}

// Lookup returns the entry of a path.
func (t *Tree) Lookup(path string) (Entry, bool) {
	i, ok := t.byPath[path]
	if !ok {
		return Entry{}, false
	}
	return t.Entries[i], true
}

// Open streams the content of a file. It may be called at any time from any
// goroutine, but only two files of a repository are read at once: another Open
// waits until a reader is closed. So a goroutine must not open a second file
// before it has closed the first. Waiting and reading end with the context of
// the tree, and with Close.
//
// A file in Git LFS is checked against its SHA-256 while it is read; a wrong
// one is an error instead of its end, or of Close before that.
func (t *Tree) Open(path string) (io.ReadCloser, error) {
	entry, ok := t.Lookup(path)
	if !ok {
		return nil, fmt.Errorf("open %q: no such file in tree %s", path, t.Name)
	}
	if entry.problem != nil {
		return nil, fmt.Errorf("open %q: %w", path, entry.problem)
	}
	return t.sources[entry.source].open(entry)
}

// ReadFile returns the content of a small file.
func (t *Tree) ReadFile(path string) ([]byte, error) {
	file, err := t.Open(path)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(file)
	return content, errors.Join(err, file.Close())
}

// Close ends the git processes that serve Open. It waits for no reader: one
// that is still open fails.
func (t *Tree) Close() error {
	t.cancel(errClosed)
	for _, source := range t.sources {
		source.close()
	}
	return nil
}

package site

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
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

// Entry is a file of a git tree. Folders have no entries of their own.
type Entry struct {
	Path   string // relative to the tree, with slashes; any bytes but NUL
	Mode   EntryMode
	Object string // object name of the content
	Size   int64  // in bytes; 0 for a submodule
	Target string // what a symlink points to
}

// Check says why an entry cannot be part of an image: the content of a
// submodule is not in the commit, a symlink out of the tree points to
// something else, or nothing, in the image, and BuildKit's protocol has no
// way to write a name that is not UTF-8. The error is a *RepositoryError.
func (e Entry) Check() error {
	switch {
	case !utf8.ValidString(e.Path) || !utf8.ValidString(e.Target):
		return &RepositoryError{
			Err:  fmt.Errorf("%q has %w", e.Path, ErrEncoding),
			hint: "rename it, or name its folder in .dockerignore",
		}
	case e.Mode == ModeSubmodule:
		return &RepositoryError{
			Err:  fmt.Errorf("%q is %w", e.Path, ErrSubmodule),
			hint: "put its files into the repository, get them with Composer or npm, or name it in .dockerignore",
		}
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

// Tree is the content of a git tree, read from git's object store: nothing is
// checked out, no filter or attribute changes a byte, and a file of any size
// is streamed.
type Tree struct {
	Name    string  // object name
	Entries []Entry // sorted by path, folder by folder

	byPath map[string]int
	blobs  *blobReader
}

// Tree reads the list of files of a tree. It holds a git process until Close;
// that one, too, ends with the context.
func (r *Repository) Tree(ctx context.Context, name string) (*Tree, error) {
	out, err := r.git(ctx, nil, "ls-tree", "-r", "-z", "-l", "--full-tree", name)
	if err != nil {
		return nil, fmt.Errorf("read tree %s: %w", name, err)
	}
	entries, err := parseEntries(out)
	if err != nil {
		return nil, fmt.Errorf("read tree %s: %w", name, err)
	}
	blobs, err := openBlobs(ctx, r.dir)
	if err != nil {
		return nil, fmt.Errorf("read tree %s: %w", name, err)
	}
	tree := &Tree{Name: name, Entries: entries, byPath: make(map[string]int, len(entries)), blobs: blobs}
	for i, entry := range entries {
		tree.byPath[entry.Path] = i
	}
	if err := tree.readTargets(); err != nil {
		return nil, errors.Join(fmt.Errorf("read tree %s: %w", name, err), tree.Close())
	}
	return tree, nil
}

// parseEntries parses `git ls-tree -r -z -l`: "<mode> <type> <object> <size>\t<path>\0".
func parseEntries(out string) ([]Entry, error) {
	var entries []Entry
	for line := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		if line == "" {
			continue // the empty tree
		}
		meta, name, ok := strings.Cut(line, "\t")
		fields := strings.Fields(meta)
		if !ok || len(fields) != 4 {
			return nil, fmt.Errorf("git ls-tree printed %q", line)
		}
		entry := Entry{Path: name, Mode: EntryMode(fields[0]), Object: fields[2]}
		if fields[3] == "BAD" {
			return nil, incomplete(entry)
		}
		if entry.Mode != ModeSubmodule {
			size, err := strconv.ParseInt(fields[3], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("git ls-tree printed %q: %w", line, err)
			}
			entry.Size = size
		}
		entries = append(entries, entry)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return comparePaths(a.Path, b.Path) })
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

// readTargets reads what the symlinks point to.
func (t *Tree) readTargets() error {
	for i := range t.Entries {
		entry := &t.Entries[i]
		if entry.Mode != ModeSymlink {
			continue
		}
		target, err := t.ReadFile(entry.Path)
		if err != nil {
			return err
		}
		entry.Target = string(target)
	}
	return nil
}

// Lookup returns the entry of a path.
func (t *Tree) Lookup(path string) (Entry, bool) {
	i, ok := t.byPath[path]
	if !ok {
		return Entry{}, false
	}
	return t.Entries[i], true
}

// Open streams the content of a file. Only one is read at a time: the next
// Open waits until the reader before is closed.
func (t *Tree) Open(path string) (io.ReadCloser, error) {
	entry, ok := t.Lookup(path)
	if !ok {
		return nil, fmt.Errorf("open %q: no such file in tree %s", path, t.Name)
	}
	if entry.Mode == ModeSubmodule {
		return nil, fmt.Errorf("open %q: it is a submodule", path)
	}
	return t.blobs.open(entry)
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

// Close ends the git process that serves Open.
func (t *Tree) Close() error { return t.blobs.close() }

// blobReader is a running `git cat-file --batch`: a line with an object name
// goes in, "<object> <type> <size>\n<content>\n" comes out.
type blobReader struct {
	ctx    context.Context // of the process, to tell why it ended
	mutex  sync.Mutex      // held while a blob is being read
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	failed error // after it, input and output no longer match
}

func openBlobs(ctx context.Context, dir string) (*blobReader, error) {
	args := []string{"cat-file", "--batch"}
	command := gitCommand(ctx, dir, args...)
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, gitError(ctx, args, "", err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, gitError(ctx, args, "", err)
	}
	if err := command.Start(); err != nil {
		return nil, gitError(ctx, args, "", err)
	}
	return &blobReader{ctx: ctx, cmd: command, stdin: stdin, stdout: bufio.NewReader(stdout)}, nil
}

func (b *blobReader) open(entry Entry) (io.ReadCloser, error) {
	b.mutex.Lock()
	if err := b.request(entry); err != nil {
		b.mutex.Unlock()
		return nil, fmt.Errorf("open %q: %w", entry.Path, err)
	}
	return &blob{reader: b, left: entry.Size, path: entry.Path}, nil
}

// request asks for a blob and checks that the answer is that blob.
func (b *blobReader) request(entry Entry) error {
	if b.failed != nil {
		return b.failed
	}
	if _, err := io.WriteString(b.stdin, entry.Object+"\n"); err != nil {
		return b.fail(err)
	}
	header, err := b.stdout.ReadString('\n')
	if err != nil {
		return b.fail(err)
	}
	want := fmt.Sprintf("%s blob %d\n", entry.Object, entry.Size)
	if header == want {
		return nil
	}
	if header == entry.Object+" missing\n" {
		return incomplete(entry)
	}
	return b.fail(fmt.Errorf("git cat-file answered %q instead of %q", header, want))
}

// fail remembers an error after which nothing more can be read, and prefers
// the reason why the process was ended over how that looked from here.
func (b *blobReader) fail(err error) error {
	if b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	b.failed = fmt.Errorf("read from git cat-file: %w", err)
	return b.failed
}

func (b *blobReader) close() error {
	b.stdin.Close() // git ends at the end of its input
	b.mutex.Lock()
	defer b.mutex.Unlock()
	io.Copy(io.Discard, b.stdout)
	if err := b.cmd.Wait(); err != nil && b.ctx.Err() == nil {
		return fmt.Errorf("end git cat-file: %w", err)
	}
	return nil
}

// blob is the content of one file while it passes by.
type blob struct {
	reader *blobReader
	left   int64
	path   string
	closed bool
}

func (f *blob) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > f.left {
		p = p[:f.left]
	}
	n, err := f.reader.stdout.Read(p)
	f.left -= int64(n)
	if err != nil {
		return n, fmt.Errorf("read %q: %w", f.path, f.reader.fail(noEOF(err)))
	}
	return n, nil
}

// noEOF makes an end in the middle of a file an error.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close skips what was not read, so that the next answer follows.
func (f *blob) Close() error {
	if f.closed {
		return nil
	}
	f.closed = true
	defer f.reader.mutex.Unlock()
	if f.reader.failed != nil {
		return nil // Read has said so
	}
	if _, err := io.CopyN(io.Discard, f.reader.stdout, f.left+1); err != nil { // and the line feed after it
		return fmt.Errorf("read %q: %w", f.path, f.reader.fail(noEOF(err)))
	}
	return nil
}

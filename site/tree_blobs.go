package site

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
)

// contents reads many small blobs at once.
func (r *Repository) contents(ctx context.Context, entries []*Entry) ([]string, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	var names strings.Builder
	for _, entry := range entries {
		names.WriteString(entry.Object + "\n")
	}
	args := []string{"cat-file", "--batch", "--buffer"}
	command := r.command(ctx, args...)
	command.Stdin = strings.NewReader(names.String())
	out, err := output(ctx, command, args)
	if err != nil {
		return nil, err
	}
	contents := make([]string, len(entries))
	for i, entry := range entries {
		header, rest, _ := strings.Cut(out, "\n")
		if err := checkHeader(*entry, header); err != nil {
			return nil, err
		}
		if int64(len(rest)) <= entry.Size {
			return nil, fmt.Errorf("read %q: git cat-file ended after %d bytes", entry.Path, len(rest))
		}
		contents[i], out = rest[:entry.Size], rest[entry.Size+1:]
	}
	return contents, nil
}

// checkHeader checks that what git cat-file prints is what was asked for.
func checkHeader(entry Entry, header string) error {
	want := fmt.Sprintf("%s blob %d", entry.Object, entry.Size)
	switch header {
	case want:
		return nil
	case entry.Object + " missing":
		return incomplete(entry)
	default:
		return fmt.Errorf("git cat-file answered %q instead of %q", header, want)
	}
}

// blobs reads the objects of a repository through a few gits, each of which is
// started when it is first needed: a build with nothing to do needs none.
type blobs struct {
	ctx        context.Context // of the processes
	repository *Repository
	idle       chan *blobReader // nil for one that is not started

	mutex   sync.Mutex
	started []*blobReader
}

// readers is how many files of a repository are read at once: as many as
// layers are written at once.
const readers = 2

func newBlobs(ctx context.Context, r *Repository) *blobs {
	b := &blobs{ctx: ctx, repository: r, idle: make(chan *blobReader, readers)}
	for range readers {
		b.idle <- nil
	}
	return b
}

// open streams a blob; it waits for a reader that is idle.
func (b *blobs) open(entry Entry) (io.ReadCloser, error) {
	var reader *blobReader
	select {
	case reader = <-b.idle:
	case <-b.ctx.Done():
		return nil, fmt.Errorf("open %q: %w", entry.Path, context.Cause(b.ctx))
	}
	if reader == nil {
		var err error
		if reader, err = b.start(); err != nil {
			b.idle <- nil
			return nil, fmt.Errorf("open %q: %w", entry.Path, err)
		}
	}
	if err := reader.request(entry); err != nil {
		b.idle <- reader
		return nil, fmt.Errorf("open %q: %w", entry.Path, err)
	}
	return &blob{blobs: b, reader: reader, left: entry.Size, path: entry.Path}, nil
}

func (b *blobs) start() (*blobReader, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	reader, err := startBlobReader(b.ctx, b.repository)
	if err == nil {
		b.started = append(b.started, reader)
	}
	return reader, err
}

// close waits for the processes, whose context has to be at its end.
func (b *blobs) close() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, reader := range b.started {
		reader.end()
	}
}

// blobReader is a running `git cat-file --batch`: a line with an object name
// goes in, "<object> <type> <size>\n<content>\n" comes out.
type blobReader struct {
	ctx    context.Context // of the process, to tell why it ended
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr bytes.Buffer // to be read after the end
	ended  sync.Once
	failed error // after it, input and output no longer match
}

func startBlobReader(ctx context.Context, r *Repository) (*blobReader, error) {
	// What is smaller than the threshold (512 MiB by default), git reads into
	// memory; what is larger, it streams, unless it is stored as a delta.
	args := []string{"-c", "core.bigFileThreshold=4m", "cat-file", "--batch"}
	reader := &blobReader{ctx: ctx, cmd: r.command(ctx, args...)}
	reader.cmd.Stderr = &reader.stderr
	var err error
	if reader.stdin, err = reader.cmd.StdinPipe(); err != nil {
		return nil, gitError(ctx, args, "", err)
	}
	stdout, err := reader.cmd.StdoutPipe()
	if err != nil {
		return nil, gitError(ctx, args, "", err)
	}
	reader.stdout = bufio.NewReader(stdout)
	if err := reader.cmd.Start(); err != nil {
		return nil, gitError(ctx, args, "", err)
	}
	return reader, nil
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
		return b.fail(noEOF(err))
	}
	err = checkHeader(entry, strings.TrimSuffix(header, "\n"))
	if err != nil && !errors.Is(err, ErrIncomplete) {
		return b.fail(err)
	}
	return err // without an object, there is no more to read
}

// fail remembers an error after which nothing more can be read, and prefers
// the reason why the process was ended, or what git said, over how that looked
// from here.
func (b *blobReader) fail(err error) error {
	words := strings.TrimSpace(b.end())
	switch {
	case b.ctx.Err() != nil:
		err = context.Cause(b.ctx)
	case words != "":
		err = fmt.Errorf("%s: %w", words, err)
	}
	b.failed = fmt.Errorf("read from git cat-file: %w", err)
	return b.failed
}

// end ends the process, if it has not ended by itself, and returns what it
// wrote to its standard error.
func (b *blobReader) end() string {
	b.ended.Do(func() {
		b.stdin.Close()
		_ = b.cmd.Process.Kill() // it may be writing what nobody will read
		_ = b.cmd.Wait()
	})
	return b.stderr.String()
}

// blob is the content of one file while it passes by.
type blob struct {
	blobs  *blobs
	reader *blobReader
	left   int64
	path   string
	closed bool
}

func (f *blob) Read(p []byte) (int, error) {
	if f.reader.failed != nil {
		return 0, f.reader.failed
	}
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
	defer func() { f.blobs.idle <- f.reader }()
	if f.reader.failed != nil {
		return nil // Read has said so
	}
	if _, err := io.CopyN(io.Discard, f.reader.stdout, f.left+1); err != nil { // and the line feed after it
		return fmt.Errorf("read %q: %w", f.path, f.reader.fail(noEOF(err)))
	}
	return nil
}

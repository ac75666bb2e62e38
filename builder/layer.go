package builder

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
)

// layerFormat is part of the name of a layer's inputs. It changes with
// whatever changes the bytes that writeLayer makes of the same files.
const layerFormat = "1"

// layerInputs names what a layer is made of, without making it.
func layerInputs(files []file) string {
	return layerFormat + ":" + filesHash(files)
}

// layer is a layer as a registry takes it. Its content is in a file that has
// no name any more, so nothing is left of it, however the process ends.
type layer struct {
	digest, diffID v1.Hash
	size           int64
	content        *os.File
}

var _ v1.Layer = (*layer)(nil)

func (l *layer) Digest() (v1.Hash, error)             { return l.digest, nil }
func (l *layer) DiffID() (v1.Hash, error)             { return l.diffID, nil }
func (l *layer) Size() (int64, error)                 { return l.size, nil }
func (l *layer) MediaType() (types.MediaType, error)  { return types.OCILayer, nil }
func (l *layer) Compressed() (io.ReadCloser, error)   { return l.open(), nil }
func (l *layer) Uncompressed() (io.ReadCloser, error) { return gzip.NewReader(l.open()) }

func (l *layer) open() io.ReadCloser {
	return io.NopCloser(io.NewSectionReader(l.content, 0, l.size))
}

// close gives the disk space back.
func (l *layer) close() error { return l.content.Close() }

// writeLayer makes a layer of sorted files. The same files make the same
// bytes, whoever makes them, where and when: root owns them, and time is that
// of modTime.
func writeLayer(ctx context.Context, files []file) (*layer, error) {
	content, err := unnamedFile()
	if err != nil {
		return nil, fmt.Errorf("make a layer: %w", err)
	}
	made, err := compress(ctx, content, files)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a layer: %w", err), content.Close())
	}
	return made, nil
}

// unnamedFile is a temporary file that is gone when it is closed.
func unnamedFile() (*os.File, error) {
	file, err := os.CreateTemp("", "sitectl-*")
	if err != nil {
		return nil, err
	}
	return file, os.Remove(file.Name())
}

func compress(ctx context.Context, content *os.File, files []file) (*layer, error) {
	compressed := &counted{out: content, sum: sha256.New()}
	buffered := bufio.NewWriterSize(compressed, 256<<10)
	zipped := gzip.NewWriter(buffered)
	plain := &counted{out: zipped, sum: sha256.New()}
	if err := writeTar(ctx, plain, files); err != nil {
		return nil, err
	}
	if err := errors.Join(zipped.Close(), buffered.Flush()); err != nil {
		return nil, err
	}
	return &layer{digest: compressed.hash(), diffID: plain.hash(), size: compressed.size, content: content}, nil
}

// counted counts and hashes what is written to it.
type counted struct {
	out  io.Writer
	sum  hash.Hash
	size int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.out.Write(p)
	c.sum.Write(p[:n])
	c.size += int64(n)
	return n, err
}

func (c *counted) hash() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(c.sum.Sum(nil))}
}

// writeTar writes files and the folders that they lie in.
func writeTar(ctx context.Context, out io.Writer, files []file) error {
	archive := tar.NewWriter(out)
	known := map[string]bool{".": true}
	buffer := make([]byte, 128<<10)
	for _, f := range files {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := writeFolders(archive, path.Dir(f.path), known); err != nil {
			return err
		}
		if err := writeFile(archive, f, buffer); err != nil {
			return fmt.Errorf("%q: %w", f.path, err)
		}
	}
	return archive.Close()
}

func writeFolders(archive *tar.Writer, folder string, known map[string]bool) error {
	if known[folder] {
		return nil
	}
	if err := writeFolders(archive, path.Dir(folder), known); err != nil {
		return err
	}
	known[folder] = true
	return archive.WriteHeader(&tar.Header{
		Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, ModTime: oldest,
	})
}

func writeFile(archive *tar.Writer, f file, buffer []byte) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: 0o644, Size: f.size, ModTime: layerTime(f.object)}
	switch {
	case f.target != "":
		header.Typeflag, header.Mode, header.Size, header.Linkname = tar.TypeSymlink, 0o777, 0, f.target
	case f.executable:
		header.Mode = 0o755
	}
	if err := archive.WriteHeader(header); err != nil || f.target != "" {
		return err
	}
	content, err := f.open()
	if err != nil {
		return err
	}
	// Without its own WriterTo and ReaderFrom, io.CopyBuffer uses the buffer.
	_, err = io.CopyBuffer(struct{ io.Writer }{archive}, struct{ io.Reader }{content}, buffer)
	return errors.Join(err, content.Close())
}

// layerTime is modTime in whole seconds, as tar has them without an extension.
func layerTime(object string) time.Time {
	return time.Unix(0, modTime(object)).UTC().Truncate(time.Second)
}

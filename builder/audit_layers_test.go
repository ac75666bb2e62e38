package builder

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAuditUnpacks(t *testing.T) {
	plain := archive(t, su("usr/bin/su"), packed{name: "big", content: strings.Repeat("0123456789", 100_000)})
	encoder, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	for name, content := range map[string][]byte{
		"plain":         plain,
		"gzip":          []byte(gzipped(string(plain))),
		"zstd":          encoder.EncodeAll(plain, nil),
		"gzip, in two":  append([]byte(gzipped(string(plain[:1000]))), gzipped(string(plain[1000:]))...),
		"without end":   plain[:len(plain)-1024],
		"with an extra": append(bytes.Clone(plain), make([]byte, 10_000)...),
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, []string{"setuid /usr/bin/su"}, brief(auditLayers(t, static.NewLayer(content, types.OCILayer))))
		})
	}
	assert.Empty(t, auditLayers(t, static.NewLayer(nil, types.OCILayer)), "an empty layer")
}

func TestAuditOfBrokenLayers(t *testing.T) {
	plain := archive(t, packed{name: "first", content: "1"}, packed{name: "second", content: strings.Repeat("2", 5000)})
	zipped := []byte(gzipped(string(plain)))
	encoder, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	squeezed := encoder.EncodeAll(plain, nil)
	changed := bytes.Clone(zipped)
	changed[len(changed)-8] ^= 1                                           // its checksum
	window := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xb0, 0x00, 0x00, 0x00} // 4 GiB
	for name, test := range map[string]struct {
		content []byte
		message string
	}{
		"no archive":        {[]byte(strings.Repeat("text ", 1000)), `after "/": archive/tar: invalid tar header`},
		"half an archive":   {plain[:len(plain)-4000], `"/second": unexpected EOF`},
		"half a header":     {plain[:1300], `after "/first": unexpected EOF`},
		"half gzip":         {zipped[:len(zipped)/2], "unexpected EOF"},
		"gzip, changed":     {changed, "gzip: invalid checksum"},
		"gzip, header only": {zipped[:5], "unexpected EOF"},
		"gzip, then text":   {append(bytes.Clone(zipped), "text that follows"...), "gzip: invalid header"},
		"half zstd":         {squeezed[:len(squeezed)-5], "unexpected EOF"},
		"zstd, huge window": {window, "window size exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			layer := static.NewLayer(test.content, types.OCILayer)
			_, err := audit(t.Context(), audited{Config: hardened(), Layers: []v1.Layer{layer}}, nil, nil)
			require.ErrorContains(t, err, test.message)
			assert.ErrorContains(t, err, "audit of layer "+shortDigest(layerDigest(t, layer).String()))
		})
	}
}

// generated is a layer that is written while it is read.
type generated struct {
	v1.Layer // for the rest
	write    func(*tar.Writer) error
}

func (g generated) Digest() (v1.Hash, error) {
	return v1.Hash{Algorithm: "sha256", Hex: "0123456789abcdef"}, nil
}

func (g generated) Compressed() (io.ReadCloser, error) {
	reader, writer := io.Pipe()
	go func() {
		archive := tar.NewWriter(writer)
		writer.CloseWithError(errors.Join(g.write(archive), archive.Close()))
	}()
	return reader, nil
}

// Neither a large file nor many files cost memory for their content. What is
// measured is what the audit holds when it has read nearly everything.
func TestAuditMemoryIsBounded(t *testing.T) {
	block := make([]byte, 1<<20)
	for name, test := range map[string]struct {
		write func(*tar.Writer) error
		most  int64 // bytes
	}{
		"a file of 1 GiB": {func(archive *tar.Writer) error {
			err := archive.WriteHeader(&tar.Header{Name: "big", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1 << 30})
			for range 1 << 10 {
				_, failed := archive.Write(block)
				err = errors.Join(err, failed)
			}
			return err
		}, 4 << 20},
		"50,000 files": {func(archive *tar.Writer) error {
			var err error
			for i := range 50_000 {
				err = errors.Join(err, archive.WriteHeader(&tar.Header{
					Name: fmt.Sprintf("var/www/site/vendor/package%d/src/File%d.php", i/100, i), Typeflag: tar.TypeReg, Mode: 0o644, Size: 10_000,
				}))
				_, failed := archive.Write(block[:10_000])
				err = errors.Join(err, failed)
			}
			return err
		}, 16 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			before, held := liveHeap(), int64(0)
			assert.Empty(t, auditLayers(t, generated{write: func(archive *tar.Writer) error {
				err := test.write(archive)
				held = liveHeap() - before
				return err
			}}))
			assert.Less(t, held, test.most)
		})
	}
}

// liveHeap is how much memory is in use, in bytes.
func liveHeap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// A sparse file pretends to be large; its zeros are not in the layer.
func TestAuditOfSparseFile(t *testing.T) {
	// In the PAX format, version 0.1: a map of one byte at the end.
	const size = "1099511627776" // 1 TiB
	layer := layerOf(t, packed{name: "sparse", content: "x", pax: map[string]string{
		"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": size,
		"GNU.sparse.numblocks": "1", "GNU.sparse.map": "1099511627775,1",
	}})
	assert.Empty(t, auditLayers(t, layer))
}

func TestAuditIsCancelled(t *testing.T) {
	stopped := errors.New("stopped by a person")
	ctx, cancel := context.WithCancelCause(t.Context())
	layer := generated{write: func(archive *tar.Writer) error {
		for {
			cancel(stopped)
			if err := archive.WriteHeader(&tar.Header{Name: "a", Typeflag: tar.TypeReg}); err != nil {
				return err
			}
		}
	}}
	_, err := audit(ctx, audited{Config: hardened(), Layers: []v1.Layer{layer}}, nil, nil)
	require.ErrorIs(t, err, stopped)
}

// unreachableLayer is a layer that its registry does not give.
type unreachableLayer struct{ v1.Layer }

var errGone = errors.New("the registry is gone")

func (unreachableLayer) Compressed() (io.ReadCloser, error) { return nil, errGone }

func TestAuditWithoutTheRegistry(t *testing.T) {
	_, err := audit(t.Context(), audited{Config: hardened(), Layers: []v1.Layer{unreachableLayer{layerOf(t)}}}, nil, nil)
	require.ErrorIs(t, err, errGone)
}

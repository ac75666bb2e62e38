package builder

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWriteLayer(t *testing.T) {
	long := strings.Repeat("n", 255)
	files := memoryFiles(map[string]string{
		"srv/index.php": "<?php", "srv/bin/run": "#!/bin/sh", "srv/" + long: "", "srv/two words\nand a line/ü": "x", "srv/-f": "y",
	})
	files[0].executable = true
	files = append(files, file{path: "srv/link", target: "index.php", object: files[0].object})
	sortFiles(files)

	made, err := writeLayer(t.Context(), files)
	require.NoError(t, err)
	defer made.close()
	require.NoError(t, validate.Layer(made), "hashes and size are those of the content")

	content, err := made.Uncompressed()
	require.NoError(t, err)
	found := map[string]*tar.Header{}
	for reader := tar.NewReader(content); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		found[header.Name] = header
		assert.Zero(t, header.Uid)
		assert.Zero(t, header.Gid)
		assert.Empty(t, header.Uname)
		assert.Zero(t, header.ModTime.Nanosecond())
	}
	assert.Contains(t, found, "srv/")
	assert.Contains(t, found, "srv/"+long)
	assert.Contains(t, found, "srv/two words\nand a line/ü")
	assert.EqualValues(t, 0o755, found["srv/"].Mode)
	assert.EqualValues(t, 0o644, found["srv/index.php"].Mode)
	assert.Equal(t, "index.php", found["srv/link"].Linkname)
	assert.Len(t, found, len(files)+3, "each folder once")
}

func TestWriteLayerIsReproducible(t *testing.T) {
	files := memoryFiles(map[string]string{"a/b": "1", "a/c": strings.Repeat("content ", 100_000)})
	first, err := writeLayer(t.Context(), files)
	require.NoError(t, err)
	defer first.close()
	second, err := writeLayer(t.Context(), files)
	require.NoError(t, err)
	defer second.close()
	assert.Equal(t, first.digest, second.digest)
	assert.NotEqual(t, first.digest, first.diffID)
}

// The time of a file follows from its content, so that a browser that has the
// old one of the same size is not told that it still has the right one.
func TestLayerTimeFollowsTheContent(t *testing.T) {
	files := memoryFiles(map[string]string{"one": "v1", "two": "v2", "same": "v1"})
	assert.NotEqual(t, layerTime(files[0].object), layerTime(files[2].object))
	assert.Equal(t, layerTime(files[0].object), layerTime(files[1].object))
}

func TestWriteLayerEndsWithAnUnreadableFile(t *testing.T) {
	files := memoryFiles(map[string]string{"a": "1"})
	broken := errors.New("git is gone")
	files[0].open = func() (io.ReadCloser, error) { return nil, broken }
	_, err := writeLayer(t.Context(), files)
	require.ErrorIs(t, err, broken)
	assert.ErrorContains(t, err, `"a"`)

	short := memoryFiles(map[string]string{"a": "12"})
	short[0].size = 3
	_, err = writeLayer(t.Context(), short)
	require.Error(t, err, "a file that is shorter than it was said to be")
}

func TestWriteLayerEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped by a person")
	cancel(stopped)
	_, err := writeLayer(ctx, memoryFiles(map[string]string{"a": "1"}))
	require.ErrorIs(t, err, stopped)
}

func TestALayerLeavesNoFileBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	made, err := writeLayer(t.Context(), memoryFiles(map[string]string{"a": "1"}))
	require.NoError(t, err)
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	assert.Empty(t, left, "whatever becomes of the process")
	require.NoError(t, made.close())
}

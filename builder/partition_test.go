package builder

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// plugins is a tree of plugins of a few files each, sorted.
func plugins(count int) []file {
	var files []file
	for p := range count {
		for f := range 3 + p%17 {
			name := fmt.Sprintf("plugins/plugin-%03d/src/file-%02d.php", p, f)
			files = append(files, file{path: name, size: int64(1000 + 37*((p*31+f*7)%90)), object: "aa"})
		}
	}
	sortFiles(files)
	return files
}

// names are those of the pieces: each the list of its files.
func names(pieces [][]file) []string {
	var names []string
	for _, piece := range pieces {
		names = append(names, filesHash(piece))
	}
	return names
}

func TestPartitionKeepsEveryFileInOrder(t *testing.T) {
	files := plugins(200)
	pieces := partition(files, 1<<20)
	assert.Equal(t, files, slices.Concat(pieces...))
	require.Greater(t, len(pieces), 10)
	for i, piece := range pieces {
		var size int64
		for _, f := range piece {
			size += weight(f)
		}
		assert.LessOrEqual(t, size, int64(1<<20), "piece %d", i)
		if i < len(pieces)-1 {
			assert.GreaterOrEqual(t, size, int64(1<<19), "piece %d", i)
		}
	}
}

func TestPartitionCutsBetweenFolders(t *testing.T) {
	for _, piece := range partition(plugins(200), 1<<20)[1:] {
		assert.Regexp(t, `/file-00\.php$`, piece[0].path, "a plugin is not cut in two")
	}
}

func TestPartitionIsStable(t *testing.T) {
	const largest = 1 << 20
	files := plugins(1200)
	before := names(partition(files, largest))
	insert := func(at int, name string, size int64) []file {
		changed := slices.Insert(slices.Clone(files), at, file{path: name, size: size, object: "bb"})
		sortFiles(changed)
		return changed
	}
	edited := slices.Clone(files)
	edited[1000].object, edited[1000].size = "cc", edited[1000].size+40
	for name, changed := range map[string][]file{
		"one line":           edited,
		"a file":             insert(500, "plugins/plugin-090/src/new.php", 3000),
		"a file at the head": insert(0, "aaa.php", 3000),
		"a file less":        slices.Delete(slices.Clone(files), 700, 701),
		"a plugin less":      slices.DeleteFunc(slices.Clone(files), func(f file) bool { return within(f.path, "plugins/plugin-123") }),
	} {
		t.Run(name, func(t *testing.T) {
			after := names(partition(changed, largest))
			fresh := 0
			for _, piece := range after {
				if !slices.Contains(before, piece) {
					fresh++
				}
			}
			assert.LessOrEqual(t, fresh, 3, "of %d pieces", len(after))
			assert.Positive(t, fresh)
		})
	}
}

func TestPartitionOfLargeFiles(t *testing.T) {
	files := []file{{path: "a", size: 10}, {path: "b", size: 100 << 20}, {path: "c", size: 10}}
	pieces := partition(files, 1<<20)
	require.Len(t, pieces, 3)
	small := plugins(3)
	pieces = partition(append(small, file{path: "video.mp4", size: 5 << 20}), 1<<20)
	require.Len(t, pieces, 2, "what is before a large file stays together")
	assert.Equal(t, small, pieces[0])
	assert.Empty(t, partition(nil, 1<<20))
	assert.Len(t, partition(files[:1], 1<<20), 1)
}

func TestPieceSize(t *testing.T) {
	for _, total := range []int64{0, 1, 1 << 20, 12 << 20} {
		assert.EqualValues(t, smallestPiece, pieceSize(total))
	}
	assert.Equal(t, pieceSize(94<<20), pieceSize(95<<20), "a tree that grows a little keeps its cuts")
	assert.LessOrEqual(t, pieceSize(94<<20), int64(94<<20)/cutsPerTree)
}

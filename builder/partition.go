package builder

import (
	"hash/fnv"
	"math/bits"
	"strings"
)

// The tree is cut into pieces of its list of files, and each piece is a layer,
// so that a change of one file sends, stores and pulls one piece.
//
// Where to cut must not depend on more than what is near: if a new file moved
// every cut after it, every layer would be new. So this is content-defined
// chunking, known from backups, on a list of paths. Within a window of sizes,
// the cut is where the folder changes that is nearest to the root, which keeps
// a plugin in one piece; a hash of the path decides between equals. Two lists
// that differ in some files soon agree on a cut, and from there on all are the
// same.

const (
	// cutsPerTree bounds a piece to this part of the tree: a change of one
	// file costs at most a twelfth. Between 12 and 48 pieces is what a node
	// can mount, and pull in parallel, without thinking.
	cutsPerTree = 12
	// smallestPiece is the size below which a smaller piece saves nothing, in
	// bytes: about what a registry answers in a round trip.
	smallestPiece = 1 << 20
)

// pieceSize is the largest size of a piece for a tree of that many bytes. It
// changes only where the tree doubles: a tree that grows by a file keeps its
// cuts.
func pieceSize(total int64) int64 {
	if total <= 0 {
		return smallestPiece
	}
	rounded := int64(1) << (bits.Len64(uint64(total)) - 1)
	return max(rounded/cutsPerTree, smallestPiece)
}

// partition cuts a sorted list of files into pieces of at most the given size
// in bytes, and at least half of it where files allow. A file that is larger
// is a piece of its own.
func partition(files []file, largest int64) [][]file {
	var pieces [][]file
	for len(files) > 0 {
		n := firstPiece(files, largest)
		pieces = append(pieces, files[:n:n])
		files = files[n:]
	}
	return pieces
}

// firstPiece returns how many of the files are the first piece.
func firstPiece(files []file, largest int64) int {
	size := weight(files[0])
	best := 0
	var bestCut cut
	for i := 1; i < len(files); i++ {
		if size >= largest/2 {
			if here := cutBetween(files[i-1].path, files[i].path); best == 0 || here.before(bestCut) {
				best, bestCut = i, here
			}
		}
		size += weight(files[i])
		if size > largest && best == 0 {
			return i // files[i] alone jumps over the window
		}
		if size > largest {
			return best
		}
	}
	return len(files)
}

// weight is the size of a file in a layer, rounded up to a power of two, so
// that the edit of a file hardly ever moves a cut.
func weight(f file) int64 {
	const header = 512 // of a tar archive
	return 1 << bits.Len64(uint64(f.size+header-1))
}

// cut is a place between two files.
type cut struct {
	depth int // of the folder that both files are in
	hash  uint64
}

func (c cut) before(other cut) bool {
	if c.depth != other.depth {
		return c.depth < other.depth
	}
	return c.hash < other.hash
}

func cutBetween(left, right string) cut {
	depth := 0
	for i := 0; i < len(left) && i < len(right) && left[i] == right[i]; i++ {
		if left[i] == '/' {
			depth++
		}
	}
	// A folder is cut off by its name and not by that of its first file.
	name := right
	if segments := strings.SplitN(right, "/", depth+2); len(segments) == depth+2 {
		name = strings.Join(segments[:depth+1], "/")
	}
	sum := fnv.New64a()
	sum.Write([]byte(name))
	return cut{depth: depth, hash: sum.Sum64()}
}

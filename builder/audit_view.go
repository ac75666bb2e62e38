package builder

import (
	"archive/tar"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
)

// view is what a container sees: the layers on top of each other. It knows
// files by name and not their content.
type view struct {
	root  *node
	nodes int // made so far
}

// node is a file or folder. A hard link has one of its own.
type node struct {
	kind     byte             // a type of archive/tar, never a link
	mode     uint32           // permissions, 04000 for setuid and 02000 for setgid
	uid, gid uint32           // owner
	layer    int32            // index of the layer that it is from
	implied  bool             // a folder that its layer does not mention
	target   string           // of a symlink
	children map[string]*node // of a folder
}

func (n *node) isFile() bool   { return n.kind == tar.TypeReg }
func (n *node) isFolder() bool { return n.kind == tar.TypeDir }

const (
	// maxNodes bounds the memory that an image may cost, at some 150 bytes for
	// each file: a large site with its dependencies has a tenth of that.
	maxNodes = 1 << 20
	// maxPath is PATH_MAX of Linux, in bytes.
	maxPath = 4096
	// maxLinks is how many symlinks Linux follows on one path.
	maxLinks = 40
)

func newView() *view { return &view{root: impliedFolder(0)} }

// impliedFolder is what a runtime makes of a folder that no layer mentions.
func impliedFolder(layer int32) *node {
	return &node{kind: tar.TypeDir, mode: 0o755, layer: layer, implied: true, children: map[string]*node{}}
}

// The names that OCI layers have for deleted files:
// https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
const (
	whiteout     = ".wh."
	whiteoutMeta = whiteout + whiteout // AUFS has files of its own
	opaque       = whiteoutMeta + ".opq"
)

// placed is where an entry of a layer came to lie.
type placed struct {
	node *node // nil if it is no file
	// foreign: where or what the entry is depends on layers below its own, by
	// a hard link or a folder that its own layer does not mention and that may
	// be a symlink. What makes layers mentions them all.
	foreign bool
}

var (
	errNoTarget = errors.New("is a hard link to a file that is not there")
	errTooMany  = fmt.Errorf("is one of more than %d files", maxNodes)
)

// apply adds an entry as containerd does (pkg/archive/tar.go, applyNaive):
// inside of the image's root, whatever the name, and through symlinks.
func (v *view) apply(header *tar.Header, layer int32) (placed, error) {
	name := path.Clean("/" + header.Name)
	if len(name) > maxPath || len(header.Linkname) > maxPath {
		return placed{}, fmt.Errorf("has a name of more than %d bytes", maxPath)
	}
	if name == "/" {
		if header.Typeflag == tar.TypeDir {
			v.root.describe(header, layer)
			v.root.implied = false
		}
		return placed{node: v.root}, nil
	}
	above, base := path.Split(name)
	folder, foreign, err := v.folder(above, layer, true)
	if err != nil {
		return placed{}, err
	}
	if strings.HasPrefix(base, whiteout) {
		folder.delete(base, layer)
		return placed{foreign: foreign}, nil
	}
	n, other, err := v.node(header, layer, folder.children[base])
	if err != nil {
		return placed{}, err
	}
	folder.children[strings.Clone(base)] = n
	return placed{node: n, foreign: foreign || other}, nil
}

// node makes the node of an entry, in place of another or of nil.
func (v *view) node(header *tar.Header, layer int32, existing *node) (n *node, foreign bool, err error) {
	if v.nodes++; v.nodes > maxNodes {
		return nil, false, errTooMany
	}
	n = &node{kind: header.Typeflag}
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		n.kind = tar.TypeReg
	case tar.TypeDir:
		n.children = map[string]*node{}
		if existing != nil && existing.isFolder() {
			n.children = existing.children
		}
	case tar.TypeSymlink:
		n.target = strings.Clone(header.Linkname)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
	case tar.TypeLink:
		target, err := v.lookup(header.Linkname)
		if err != nil {
			return nil, false, err
		}
		*n = *target
		foreign = target.layer != layer
	default:
		return nil, false, fmt.Errorf("is of a type that no runtime unpacks: %q", header.Typeflag)
	}
	bits := n.mode
	n.describe(header, layer)
	n.mode |= bits // of a hard link, what unpacks it decides whose bits count
	return n, foreign, nil
}

func (n *node) describe(header *tar.Header, layer int32) {
	n.mode = uint32(header.Mode) & 0o7777
	n.uid, n.gid = uint32(header.Uid), uint32(header.Gid)
	n.layer = layer
}

// lookup finds what a hard link points to, which may be a symlink.
func (v *view) lookup(name string) (*node, error) {
	above, base := path.Split(path.Clean("/" + name))
	folder, _, err := v.folder(above, 0, false)
	if err != nil {
		return nil, err
	}
	if n := folder.children[base]; n != nil && !n.isFolder() {
		return n, nil
	}
	return nil, errNoTarget
}

// folder walks to a folder through symlinks, as if the image's root were the
// machine's, and makes what is missing. It reports whether the way there
// depends on other layers than the given.
func (v *view) folder(name string, layer int32, create bool) (folder *node, foreign bool, err error) {
	walked := []*node{v.root}
	rest := strings.Split(name, "/")
	for links := 0; len(rest) > 0; rest = rest[1:] {
		here := walked[len(walked)-1]
		switch rest[0] {
		case "", ".":
			continue
		case "..":
			walked = walked[:max(len(walked)-1, 1)]
			continue
		}
		next := here.children[rest[0]]
		foreign = foreign || next == nil || next.layer != layer || !next.isFolder() || next.implied
		switch {
		case next == nil && !create:
			return nil, foreign, errNoTarget
		case next == nil:
			if v.nodes++; v.nodes > maxNodes {
				return nil, foreign, errTooMany
			}
			next = impliedFolder(layer)
			here.children[strings.Clone(rest[0])] = next
		case next.kind == tar.TypeSymlink:
			if links++; links > maxLinks {
				return nil, foreign, fmt.Errorf("is behind more than %d symlinks", maxLinks)
			}
			if path.IsAbs(next.target) {
				walked = walked[:1]
			}
			// The next round begins behind the first.
			rest = append(append([]string{""}, strings.Split(next.target, "/")...), rest[1:]...)
			continue
		case !next.isFolder():
			return nil, foreign, errors.New("is below something that is not a folder")
		}
		if len(walked) > maxPath/2 {
			return nil, foreign, errors.New("is below too many folders")
		}
		walked = append(walked, next)
	}
	return walked[len(walked)-1], foreign, nil
}

// delete does what a whiteout says. It concerns the layers below only, even if
// it comes after a file of its own layer.
func (n *node) delete(base string, layer int32) {
	if base == opaque {
		n.prune(layer)
		return
	}
	if strings.HasPrefix(base, whiteoutMeta) {
		return
	}
	name := strings.TrimPrefix(base, whiteout)
	if child := n.children[name]; child != nil && child.goes(layer) {
		delete(n.children, name)
	}
}

// prune deletes everything in a folder that is from a layer below.
func (n *node) prune(layer int32) {
	maps.DeleteFunc(n.children, func(_ string, child *node) bool { return child.goes(layer) })
}

// goes tells whether a node and everything in it is from a layer below, and
// takes out what is.
func (n *node) goes(layer int32) bool {
	n.prune(layer)
	return n.layer != layer && len(n.children) == 0
}

// all are the files and folders by their path, sorted.
func (v *view) all() iter.Seq2[string, *node] {
	return func(yield func(string, *node) bool) { v.root.walk("/", yield) }
}

func (n *node) walk(name string, yield func(string, *node) bool) bool {
	if !yield(name, n) {
		return false
	}
	for _, base := range slices.Sorted(maps.Keys(n.children)) {
		if !n.children[base].walk(path.Join(name, base), yield) {
			return false
		}
	}
	return true
}

// account is the user that an image runs as.
type account struct{ uid, gid uint32 }

// unknown is a number that no file belongs to: to chown(2) it means "leave it".
const unknown = math.MaxUint32

func (a account) String() string {
	if a.uid == unknown {
		return "everyone"
	}
	return fmt.Sprintf("user %d:%d", a.uid, a.gid)
}

// mayWrite tells whether a user can change a file or folder. Its owner can
// change its mode first. Groups that /etc/group adds are not known here.
func (a account) mayWrite(n *node) bool {
	switch {
	case n.uid == a.uid:
		return true
	case n.gid == a.gid:
		return n.mode&0o020 != 0
	default:
		return n.mode&0o002 != 0
	}
}

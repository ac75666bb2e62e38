package builder

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// inspection is what reading the layers of an image has shown so far.
type inspection struct {
	user     account
	search   *secretSearch
	view     *view
	digests  []string // of the layers
	findings []Finding
	seen     map[Finding]bool // those of layers: a layer may have a file twice
	marks    map[v1.Hash]string
	unread   int // layers
	// uncertain: something depends on a layer that was not read.
	uncertain bool
	alone     bool // the layer being read is clean whatever the others are
	head      []byte
}

// inspect reads the layers that have no valid mark.
func inspect(ctx context.Context, image audited, search *secretSearch) (*inspection, error) {
	user, _ := userOf(image.Config)
	i := &inspection{
		user: user, search: search, view: newView(),
		seen: map[Finding]bool{}, marks: map[v1.Hash]string{}, head: make([]byte, headSize),
	}
	var digests []v1.Hash
	for _, layer := range image.Layers {
		digest, err := layer.Digest()
		if err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
		digests = append(digests, digest)
		i.digests = append(i.digests, digest.String())
	}
	valid := newMarks(user, i.digests)
	for n, layer := range image.Layers {
		if mark := image.Marks[digests[n]]; valid.hold(mark, n) {
			i.marks[digests[n]] = mark
			i.unread++
			continue
		}
		if err := i.read(ctx, n, layer); err != nil {
			return nil, fmt.Errorf("audit of layer %s: %w", shortDigest(i.digests[n]), err)
		}
		if i.alone {
			i.marks[digests[n]] = valid.alone()
		}
		i.markTogether(digests[:n+1], valid)
	}
	for name, n := range i.view.all() {
		i.judge(name, n)
	}
	return i, nil
}

// markTogether marks the layers so far that are clean only with each other: a
// base has setuid programs, and the layer on top of it clears their bits.
func (i *inspection) markTogether(digests []v1.Hash, valid marks) {
	var unmarked []v1.Hash
	for _, digest := range digests {
		if i.marks[digest] == "" {
			unmarked = append(unmarked, digest)
		}
	}
	if len(unmarked) == 0 || len(i.findings) > 0 || i.uncertain {
		return
	}
	for name, n := range i.view.all() {
		if breaksView(name, n, i.user) {
			return
		}
	}
	for _, digest := range unmarked {
		i.marks[digest] = valid.together(len(digests))
	}
}

// read reads a layer to its end, so that its digest is verified, too.
func (i *inspection) read(ctx context.Context, n int, layer v1.Layer) error {
	packed, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer packed.Close()
	plain, done, err := unpack(stoppable{ctx, packed})
	if err != nil {
		return err
	}
	defer done()
	i.alone = true
	if err := i.entries(n, io.TeeReader(plain, i.search)); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, packed)
	return err
}

// stoppable is a reader that ends with its context.
type stoppable struct {
	ctx context.Context
	io.Reader
}

func (s stoppable) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.Reader.Read(p)
}

// maxWindow is how much memory a layer may ask for to be unpacked, in bytes:
// the limit that zstd(1) has by default.
const maxWindow = 128 << 20

// unpack tells by the first bytes how a layer is compressed, as its media type
// may be wrong.
func unpack(packed io.Reader) (plain io.Reader, done func(), err error) {
	buffered := bufio.NewReaderSize(packed, 64<<10)
	magic, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		reader, err := gzip.NewReader(buffered)
		return reader, func() {}, err
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		reader, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, err
		}
		return reader, reader.Close, nil
	default:
		return buffered, func() {}, nil
	}
}

// entries reads a layer entry by entry. What goes through the stream is also
// searched for secrets: that covers names, attributes and whatever lies between
// or behind files, without the zeros of which a sparse file pretends to be full.
func (i *inspection) entries(n int, stream io.Reader) error {
	archive := tar.NewReader(stream)
	last := "/"
	for {
		header, err := archive.Next()
		if i.search.found() {
			// By now the rest of the last file went by, and this header.
			if err != nil || !i.search.inHeader(header) {
				i.found(n, ruleSecret, last, "has a secret of the build in it")
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("after %q: %w", last, err)
		}
		last = path.Clean("/" + header.Name)
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if err := i.entry(n, header, archive); err != nil {
			return fmt.Errorf("%q: %w", last, err)
		}
	}
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return fmt.Errorf("after %q: %w", last, err)
	}
	if i.search.found() {
		i.found(n, ruleSecret, "/", "has a secret of the build behind its last file")
	}
	return nil
}

// entry looks at an entry by itself and puts it where it belongs.
func (i *inspection) entry(n int, header *tar.Header, content io.Reader) error {
	e := entry{path: path.Clean("/" + header.Name), header: header}
	switch header.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		e.file, e.size = true, header.Size
		read, err := io.ReadFull(content, i.head[:min(header.Size, headSize)])
		if err != nil {
			return err
		}
		e.head = i.head[:read]
	}
	if i.search.inHeader(header) {
		i.found(n, ruleSecret, e.path, "has a secret of the build in its name or attributes")
	}
	for _, rule := range layerRules {
		if reason := rule.broken(e); reason != "" {
			i.found(n, rule.name, e.path, reason)
		}
	}
	put, err := i.view.apply(header, int32(n))
	if i.unread > 0 && (err != nil || put.foreign) {
		i.uncertain = true
		return nil
	}
	if err != nil {
		return err
	}
	if put.foreign || put.node != nil && breaksView(e.path, put.node, i.user) {
		i.alone = false
	}
	return nil
}

// found notes what is wrong with a layer.
func (i *inspection) found(n int, rule, name, reason string) {
	i.alone = false
	finding := Finding{Rule: rule, Path: name, Layer: i.digests[n], Reason: reason}
	if !i.seen[finding] {
		i.seen[finding] = true
		i.findings = append(i.findings, finding)
	}
}

// judge notes what is wrong with a file that a container sees.
func (i *inspection) judge(name string, n *node) {
	for _, rule := range viewRules {
		if reason := rule.broken(name, n, i.user); reason != "" {
			layer := ""
			if len(i.digests) > 0 {
				layer = i.digests[n.layer]
			}
			i.findings = append(i.findings, Finding{Rule: rule.name, Path: name, Layer: layer, Reason: reason})
		}
	}
}

func breaksView(name string, n *node, user account) bool {
	for _, rule := range viewRules {
		if rule.broken(name, n, user) != "" {
			return true
		}
	}
	return false
}

// marks are what is written next to a layer that passed. A layer alone may be
// clean, and then is clean in any image with the same user. Or it is clean
// together with the layers below it and some above; that says nothing about
// an image with others.
type marks struct {
	user   account
	stacks []string // names of the lowest 0, 1, 2, ... layers
}

func newMarks(user account, digests []string) marks {
	m := marks{user: user, stacks: []string{""}}
	sum := sha256.New()
	for _, digest := range digests {
		io.WriteString(sum, digest+"\n")
		m.stacks = append(m.stacks, hex.EncodeToString(sum.Sum(nil)))
	}
	return m
}

func (m marks) alone() string {
	return fmt.Sprintf("%s %d:%d", auditVersion, m.user.uid, m.user.gid)
}

// together marks the lowest layers, as many as given.
func (m marks) together(layers int) string {
	return m.alone() + " " + m.stacks[layers]
}

// hold tells whether a mark is true of the layer with that index.
func (m marks) hold(mark string, layer int) bool {
	if mark == m.alone() {
		return true
	}
	for layers := layer + 1; layers < len(m.stacks); layers++ {
		if mark == m.together(layers) {
			return true
		}
	}
	return false
}

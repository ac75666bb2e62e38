package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// epoch is the newest time in an image (SOURCE_DATE_EPOCH): the day trixie was
// released. It makes two builds of one recipe from the same packages equal.
var epoch = time.Date(2025, time.August, 9, 0, 0, 0, 0, time.UTC)

// fileState is what of a file makes a difference between two layers.
type fileState struct {
	kind     byte
	mode     int64
	uid, gid int
	modified int64 // Unix seconds
	target   string
	xattrs   string
	content  [sha256.Size]byte
}

// tree maps clean paths without a leading slash to what is there.
type tree map[string]fileState

// readTree reads an uncompressed layer.
func readTree(layer io.Reader) (tree, error) {
	files := tree{}
	err := eachEntry(layer, func(header *tar.Header, content []byte) error {
		files[header.Name] = stateOf(header, content)
		return nil
	})
	return files, err
}

// writeLayer turns the tar of a whole root file system into a gzip-compressed
// layer with what differs from the tree below, in the order of the tar, and
// whiteouts for what of it is gone.
//
// The content of /dev is left out: a container gets its own.
func writeLayer(w io.Writer, whole io.Reader, below tree) error {
	compressed, err := gzip.NewWriterLevel(w, gzip.BestSpeed) // it never leaves the machine
	if err != nil {
		return err
	}
	layer := tar.NewWriter(compressed)
	seen, changed := tree{}, map[string]bool{}
	err = eachEntry(whole, func(header *tar.Header, content []byte) error {
		state := stateOf(header, content)
		seen[header.Name] = state
		// A hard link is as new as what it leads to.
		linkToChanged := header.Typeflag == tar.TypeLink && changed[header.Linkname]
		if below[header.Name] == state && !linkToChanged {
			return nil
		}
		changed[header.Name] = true
		return writeEntry(layer, header, content)
	})
	if err != nil {
		return err
	}
	if err := writeWhiteouts(layer, below, seen); err != nil {
		return err
	}
	return errors.Join(layer.Close(), compressed.Close())
}

// eachEntry calls visit for each entry of a tar that belongs into a layer, its
// names cleaned and its times no newer than the epoch.
func eachEntry(archive io.Reader, visit func(*tar.Header, []byte) error) error {
	reader := tar.NewReader(archive)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read root file system: %w", err)
		}
		header.Name = cleanName(header.Name)
		// The root itself is the container runtime's.
		if header.Name == "" || strings.HasPrefix(header.Name, "dev/") {
			continue
		}
		if header.Typeflag == tar.TypeLink {
			header.Linkname = cleanName(header.Linkname)
		}
		if header.ModTime = header.ModTime.Truncate(time.Second); header.ModTime.After(epoch) {
			header.ModTime = epoch
		}
		if aptPartial[header.Name] {
			header.Uid, header.Gid = 0, 0
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			return fmt.Errorf("read /%s of root file system: %w", header.Name, err)
		}
		if err := visit(header, content); err != nil {
			return err
		}
	}
}

// aptPartial are apt's folders for unfinished downloads. They are root's, or
// those of apt's own user if it could reach the folder of the build. apt sets
// their owner again whenever it downloads.
var aptPartial = map[string]bool{"var/lib/apt/lists/partial": true, "var/cache/apt/archives/partial": true}

func cleanName(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

func stateOf(header *tar.Header, content []byte) fileState {
	return fileState{
		kind:     header.Typeflag,
		mode:     header.Mode,
		uid:      header.Uid,
		gid:      header.Gid,
		modified: header.ModTime.Unix(),
		target:   header.Linkname,
		xattrs:   xattrs(header),
		content:  sha256.Sum256(content),
	}
}

// xattrPrefix is how GNU tar and the container runtimes name extended
// attributes, such as file capabilities.
const xattrPrefix = "SCHILY.xattr."

func xattrs(header *tar.Header) string {
	var all strings.Builder
	for _, key := range slices.Sorted(maps.Keys(header.PAXRecords)) {
		if strings.HasPrefix(key, xattrPrefix) {
			fmt.Fprintf(&all, "%s=%q\n", key, header.PAXRecords[key])
		}
	}
	return all.String()
}

func writeEntry(layer *tar.Writer, header *tar.Header, content []byte) error {
	entry := &tar.Header{
		Typeflag: header.Typeflag,
		Name:     header.Name,
		Linkname: header.Linkname,
		Mode:     header.Mode,
		Uid:      header.Uid,
		Gid:      header.Gid,
		Size:     int64(len(content)),
		ModTime:  header.ModTime,
		Devmajor: header.Devmajor,
		Devminor: header.Devminor,
	}
	if entry.Typeflag == tar.TypeDir {
		entry.Name += "/"
	}
	for key, value := range header.PAXRecords {
		if strings.HasPrefix(key, xattrPrefix) {
			if entry.PAXRecords == nil {
				entry.PAXRecords = map[string]string{}
			}
			entry.PAXRecords[key] = value
		}
	}
	if err := layer.WriteHeader(entry); err != nil {
		return fmt.Errorf("add /%s to layer: %w", header.Name, err)
	}
	if _, err := io.Copy(layer, bytes.NewReader(content)); err != nil {
		return fmt.Errorf("add /%s to layer: %w", header.Name, err)
	}
	return nil
}

// writeWhiteouts marks what is gone as the OCI image specification says, with
// one entry for a whole folder.
func writeWhiteouts(layer *tar.Writer, below, whole tree) error {
	for _, name := range slices.Sorted(maps.Keys(below)) {
		if _, found := whole[name]; found {
			continue
		}
		folder, base := path.Split(name)
		if folder != "" && whole[path.Clean(folder)].kind != tar.TypeDir {
			continue // gone with its folder
		}
		whiteout := &tar.Header{Typeflag: tar.TypeReg, Name: folder + ".wh." + base, Mode: 0o644, ModTime: epoch}
		if err := layer.WriteHeader(whiteout); err != nil {
			return fmt.Errorf("remove /%s in layer: %w", name, err)
		}
	}
	return nil
}

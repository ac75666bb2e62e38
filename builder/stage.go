package builder

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/sitectl/sitectl/site"
	"github.com/tonistiigi/fsutil"
)

// stage is one thing that BuildKit executes for a site: Composer, or npm. It
// sees files of the commit and makes others.
type stage struct {
	name       string   // shown before its steps: "composer"
	group      string   // of the files that it makes
	dockerfile string   // its last stage has nothing but the files made, relative to the repository
	inputs     []string // files and folders of the commit that it sees
}

// key names everything that the stage's layers depend on.
func (st *stage) key(s site.Site, tree *site.Tree, largest int64) string {
	return hashOf(map[string]any{
		"largest":    largest,
		"layers":     layerFormat,
		"dockerfile": st.dockerfile,
		"platform":   s.Build.Platform,
		"files":      filesHash(st.files(tree)),
	})
}

// files are what the stage sees of the commit.
func (st *stage) files(tree *site.Tree) []file {
	var files []file
	for _, entry := range tree.Entries {
		if st.sees(entry.Path) {
			files = append(files, treeFile(tree, entry, entry.Path))
		}
	}
	return files
}

// context is what the stage sees of the commit, for BuildKit.
func (st *stage) context(tree *site.Tree) *files {
	var seen site.Tree
	for _, entry := range tree.Entries {
		if st.sees(entry.Path) {
			seen.Entries = append(seen.Entries, entry)
		}
	}
	context := treeFiles(&seen)
	context.read = tree.Open
	return context
}

func (st *stage) sees(name string) bool {
	for _, input := range st.inputs {
		if input == "." || within(name, input) {
			return true
		}
	}
	return false
}

// run has BuildKit execute the stage and brings home what it made. The files
// are those of the returned archive, which is to be closed after them.
func (b *Builder) run(ctx context.Context, shown *display, s site.Site, tree *site.Tree, st *stage) ([]file, io.Closer, error) {
	seen := st.context(tree)
	if err := check(ctx, tree, seen); err != nil {
		return nil, nil, err
	}
	archive, err := unnamedFile()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: keep what it makes: %w", st.name, err)
	}
	_, err = b.solve(ctx, shown, st.name, nil, client.SolveOpt{
		FrontendAttrs: map[string]string{"filename": "Dockerfile", "platform": s.Build.Platform},
		LocalMounts:   map[string]fsutil.FS{"dockerfile": single(st.dockerfile), "context": seen},
		SharedKey:     s.Image + ":" + st.name,
		Exports: []client.ExportEntry{{
			Type:   client.ExporterTar,
			Output: func(map[string]string) (io.WriteCloser, error) { return emptied(archive) },
		}},
		CacheImports: []client.CacheOptionsEntry{b.cache(s, st.name)},
		CacheExports: []client.CacheOptionsEntry{b.cache(s, st.name)},
	})
	if err != nil {
		return nil, nil, errors.Join(hinted(err), archive.Close())
	}
	files, err := readArchive(archive, strings.TrimPrefix(site.CodeDir, "/"))
	if err != nil {
		return nil, nil, errors.Join(&BuildError{Err: fmt.Errorf("%s: read what it made: %w", st.name, err)}, archive.Close())
	}
	return files, archive, nil
}

// cache is where BuildKit keeps the steps of a stage for builders that have
// none. That this fails is no reason for a ship to fail.
func (b *Builder) cache(s site.Site, name string) client.CacheOptionsEntry {
	return client.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{
		"ref": s.Image + ":sitectl-cache-" + name, "mode": "max", "ignore-error": "true",
	}}
}

// emptied is a file for an exporter, which must not close it. What is in it is
// of a try that failed.
func emptied(file *os.File) (io.WriteCloser, error) {
	if err := file.Truncate(0); err != nil {
		return nil, err
	}
	_, err := file.Seek(0, io.SeekStart)
	return keptOpen{file}, err
}

type keptOpen struct{ io.Writer }

func (keptOpen) Close() error { return nil }

// readArchive returns the files of a tar archive, below a folder of the
// image. They are read from the archive when they are needed; owner, time and
// all permissions but one are left behind.
func readArchive(archive *os.File, below string) ([]file, error) {
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var files []file
	byName := map[string]file{}
	for reader := tar.NewReader(archive); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			sortFiles(files)
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		f, ok, err := archived(archive, reader, header, byName)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", header.Name, err)
		}
		if ok {
			byName[f.path] = f
			f.path = path.Join(below, f.path)
			files = append(files, f)
		}
	}
}

// archived makes a file of an entry. It is none if the entry is a folder.
func archived(archive *os.File, reader io.Reader, header *tar.Header, byName map[string]file) (file, bool, error) {
	name := strings.TrimPrefix(path.Clean("/"+header.Name), "/")
	switch header.Typeflag {
	case tar.TypeDir:
		return file{}, false, nil
	case tar.TypeSymlink:
		return symlink(name, header.Linkname)
	case tar.TypeLink:
		f, ok := byName[strings.TrimPrefix(path.Clean("/"+header.Linkname), "/")]
		if !ok {
			return file{}, false, fmt.Errorf("a hard link to %q, which is not there", header.Linkname)
		}
		f.path = name
		return f, true, nil
	case tar.TypeReg:
		offset, err := archive.Seek(0, io.SeekCurrent) // the reader reads whole blocks and no further
		if err != nil {
			return file{}, false, err
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, reader); err != nil {
			return file{}, false, err
		}
		open := func() (io.ReadCloser, error) {
			return io.NopCloser(io.NewSectionReader(archive, offset, header.Size)), nil
		}
		return file{
			path: name, executable: header.Mode&0o100 != 0, size: header.Size,
			object: hex.EncodeToString(sum.Sum(nil)), open: open,
		}, true, nil
	default:
		return file{}, false, errors.New("neither file, folder nor symlink")
	}
}

// symlink is a link that stays inside of what was made.
func symlink(name, target string) (file, bool, error) {
	entry := site.Entry{Path: name, Mode: site.ModeSymlink, Target: target}
	if err := entry.Check(); err != nil {
		return file{}, false, err
	}
	sum := sha256.Sum256([]byte(target))
	return file{path: name, target: target, object: hex.EncodeToString(sum[:])}, true, nil
}

// stagesOn are the stages of the site, on the runtime image of that reference.
func (r *build) stagesOn(runtime string) ([]*stage, error) {
	return stagesOf(withNode(r.site, r.node), r.tree, runtime)
}

// stagesOf are the stages of a site, in the order in which they run, on the
// runtime image of that reference.
func stagesOf(s site.Site, tree *site.Tree, runtime string) ([]*stage, error) {
	composer, wrong := composerStage(s, tree, runtime)
	frontend, alsoWrong := frontendStage(s, tree)
	if err := errors.Join(wrong, alsoWrong); err != nil {
		return nil, err
	}
	var stages []*stage
	for _, st := range []*stage{composer, frontend} {
		if st != nil {
			stages = append(stages, st)
		}
	}
	return stages, nil
}

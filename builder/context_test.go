package builder

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
	"golang.org/x/sync/errgroup"
)

// treeOf commits files, executable if they are scripts, and links, and returns
// the tree.
func treeOf(t *testing.T, files map[string]string, links map[string]string) *site.Tree {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		mode := os.FileMode(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		require.NoError(t, os.WriteFile(path, []byte(content), mode))
	}
	for name, target := range links {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	commitAll(t, dir)
	repository, err := site.OpenRepository(t.Context(), dir)
	require.NoError(t, err)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	tree, err := repository.Tree(t.Context(), commit.Tree)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tree.Close()) })
	return tree
}

// commitAll commits what lies in a folder.
func commitAll(t *testing.T, dir string) {
	t.Helper()
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"add", "--all"},
		{"-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--message", "Commit"},
	} {
		out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// stream is one end of a connection as fsutil's protocol has it.
type stream struct {
	ctx      context.Context
	receives <-chan []byte
	sends    chan<- []byte
}

func (s stream) Context() context.Context { return s.ctx }

func (s stream) SendMsg(message any) error {
	data, err := message.(*types.Packet).Marshal()
	if err != nil {
		return err
	}
	select {
	case s.sends <- data:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

func (s stream) RecvMsg(message any) error {
	select {
	case data, ok := <-s.receives:
		if !ok {
			return io.EOF
		}
		return message.(*types.Packet).Unmarshal(data)
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// transfer sends files into a folder the way a client sends a build context
// to BuildKit, and returns how many files were asked for.
func transfer(ctx context.Context, t *testing.T, files fsutil.FS, dir string) (int, error) {
	t.Helper()
	counted := &counting{FS: files}
	group, ctx := errgroup.WithContext(ctx)
	there, back := make(chan []byte), make(chan []byte)
	group.Go(func() error {
		defer close(there)
		return fsutil.Send(ctx, stream{ctx, back, there}, counted, nil)
	})
	group.Go(func() error {
		return fsutil.Receive(ctx, stream{ctx, there, back}, dir, fsutil.ReceiveOpt{
			Filter: func(_ string, stat *types.Stat) bool {
				stat.Uid, stat.Gid = uint32(os.Getuid()), uint32(os.Getgid())
				return true
			},
		})
	})
	err := group.Wait()
	return int(counted.opened.Load()), err
}

// counting counts the files that are read.
type counting struct {
	fsutil.FS
	opened atomic.Int64
}

func (c *counting) Open(name string) (io.ReadCloser, error) {
	c.opened.Add(1)
	return c.FS.Open(name)
}

// onDisk lists what lies below a folder: the content of files, the targets of
// links, nothing for folders.
func onDisk(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if entry.Type()&os.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			out[name] = "-> " + target
			return err
		}
		content, err := os.ReadFile(path)
		info, statErr := entry.Info()
		if info != nil && info.Mode()&0o111 != 0 {
			name += "*"
		}
		out[name] = string(content)
		return errors.Join(err, statErr)
	}))
	return out
}

func TestTheCommitArrives(t *testing.T) {
	tree := treeOf(t, map[string]string{
		"web/index.php":      "<?php",
		"web/a/b/c.txt":      strings.Repeat("0123456789", 100_000),
		"web.txt":            "sorts before web/ in git, after it in a walk",
		"bin/console":        "#!/usr/bin/php",
		"two\nlines":         "x",
		"ünïcode/日本 -rf":     "x",
		"empty":              "",
		"web/sites/.gitkeep": "",
	}, map[string]string{"web/link": "../bin/console"})
	dir := t.TempDir()

	_, err := transfer(t.Context(), t, treeFiles(tree), dir)
	require.NoError(t, err)
	want := map[string]string{"bin/console*": "#!/usr/bin/php", "web/link": "-> ../bin/console"}
	for _, entry := range tree.Entries {
		if entry.Mode == site.ModeFile {
			content, err := tree.ReadFile(entry.Path)
			require.NoError(t, err)
			want[entry.Path] = string(content)
		}
	}
	assert.Equal(t, want, onDisk(t, dir))
}

func TestOnlyWhatChangedIsSent(t *testing.T) {
	files := map[string]string{"a.php": "version 1", "b.php": "the same", "c/d.php": "the same"}
	dir := t.TempDir()
	sent, err := transfer(t.Context(), t, treeFiles(treeOf(t, files, nil)), dir)
	require.NoError(t, err)
	assert.Equal(t, 3, sent)

	sent, err = transfer(t.Context(), t, treeFiles(treeOf(t, files, nil)), dir)
	require.NoError(t, err)
	assert.Zero(t, sent, "another clone of the same commit")

	files["a.php"] = "version 2" // of the same size
	sent, err = transfer(t.Context(), t, treeFiles(treeOf(t, files, nil)), dir)
	require.NoError(t, err)
	assert.Equal(t, 1, sent)
	assert.Equal(t, files, onDisk(t, dir))
}

func TestStaticFiles(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{"etc/php/site.ini": "memory_limit = 128M", "etc/apache2/apache2.conf": "", "a": "x"}
	_, err := transfer(t.Context(), t, staticFiles(files), dir)
	require.NoError(t, err)
	assert.Equal(t, files, onDisk(t, dir))

	files["etc/php/site.ini"] = "memory_limit = 256M" // of the same size
	sent, err := transfer(t.Context(), t, staticFiles(files), dir)
	require.NoError(t, err)
	assert.Equal(t, 1, sent)
	assert.Equal(t, files, onDisk(t, dir))
}

func TestAFileThatCannotBeReadEndsTheTransfer(t *testing.T) {
	gone := errors.New("the disk is gone")
	for name, read := range map[string]func(string) (io.ReadCloser, error){
		"when opened": func(string) (io.ReadCloser, error) { return nil, gone },
		"when read": func(string) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("begun"), iotest.ErrReader(gone))), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := staticFiles(map[string]string{"a": "content"})
			files.read = read
			ctx, stop := context.WithCancelCause(t.Context())
			_, err := transfer(ctx, t, watched{files, stop}, t.TempDir())
			require.Error(t, err)
			require.ErrorIs(t, context.Cause(ctx), gone)
		})
	}
}

func TestSiteFiles(t *testing.T) {
	files := map[string]string{
		"index.php":                   "<?php",
		"site.yaml":                   "site: example.com",
		".gitignore":                  "*.log",
		".gitlab-ci.yml":              "",
		".github/workflows/ship.yml":  "",
		"web/.gitignore":              "",
		"web/app.js":                  "",
		"tests/unit.php":              "",
		"tests/keep.php":              "",
		"notes/today.md":              "",
		"web/site.yaml":               "not the site file",
		"vendor/package/.gitkeep":     "",
		"vendor/package/composer.php": "",
	}
	tests := map[string]struct {
		ignore string
		want   []string
	}{
		"without .dockerignore": {"", []string{
			"index.php", "notes/today.md", "tests/keep.php", "tests/unit.php", "vendor/package/composer.php",
			"web/app.js", "web/site.yaml",
		}},
		"with .dockerignore": {"# a comment\n\ntests/*\n!tests/keep.php\n**/*.md\n!.github\n", []string{
			"index.php", "tests/keep.php", "vendor/package/composer.php", "web/app.js", "web/site.yaml",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			files := maps.Clone(files)
			if test.ignore != "" {
				files[".dockerignore"] = test.ignore
			}
			code, err := siteFiles(t.Context(), treeOf(t, files, nil))
			require.NoError(t, err)
			dir := t.TempDir()
			_, err = transfer(t.Context(), t, code, dir)
			require.NoError(t, err)
			assert.ElementsMatch(t, test.want, slices.Collect(maps.Keys(onDisk(t, dir))))
		})
	}
}

func TestSiteFilesRefusesWhatCannotBeInAnImage(t *testing.T) {
	links := map[string]string{"good": "index.php", "out": "../elsewhere", "absolute": "/etc/passwd"}
	_, err := siteFiles(t.Context(), treeOf(t, map[string]string{"index.php": ""}, links))
	var refused *site.RepositoryError
	require.ErrorAs(t, err, &refused)
	assert.ErrorContains(t, err, `"out" is a symlink out of the site`)
	assert.ErrorContains(t, err, `"absolute" is a symlink out of the site`)

	files := map[string]string{"index.php": "", ".dockerignore": "out\nabsolute\n"}
	_, err = siteFiles(t.Context(), treeOf(t, files, links))
	require.NoError(t, err, "what is ignored does no harm")
}

func TestSiteFilesInGitLFS(t *testing.T) {
	pointer := func(content string) string {
		return fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%x\nsize %d\n",
			sha256.Sum256([]byte(content)), len(content))
	}
	files := map[string]string{"index.php": "", "one.mp4": pointer("one"), "two.mp4": pointer("two")}
	_, err := siteFiles(t.Context(), treeOf(t, files, nil))
	require.ErrorIs(t, err, site.ErrLFS)
	assert.ErrorContains(t, err, "2 files cannot be shipped:", "with one hint")

	files[".dockerignore"] = "*.mp4"
	_, err = siteFiles(t.Context(), treeOf(t, files, nil))
	require.NoError(t, err, "what is ignored need not be there")
}

func TestModTime(t *testing.T) {
	const object = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
	assert.Equal(t, modTime(object), modTime(object))
	assert.NotEqual(t, modTime(object), modTime("f"+object[1:]))
	for _, object := range []string{strings.Repeat("0", 40), strings.Repeat("f", 40), strings.Repeat("f", 64), object} {
		assert.GreaterOrEqual(t, modTime(object), oldest.UnixNano())
		assert.Less(t, modTime(object), newest.UnixNano())
	}
}

func TestWalk(t *testing.T) {
	files := staticFiles(map[string]string{"a": "", "b/c": "", "b/d/e": "", "b.txt": "", "bc": "", "f": ""})
	tests := map[string]struct {
		target string
		skip   string
		want   []string
	}{
		"everything":               {"/", "", []string{"a", "b", "b/c", "b/d", "b/d/e", "b.txt", "bc", "f"}},
		"a folder":                 {"b", "", []string{"b", "b/c", "b/d", "b/d/e"}},
		"a file":                   {"/bc", "", []string{"bc"}},
		"nothing":                  {"x", "", nil},
		"without a folder":         {"", "b", []string{"a", "b", "b.txt", "bc", "f"}},
		"without the rest of one":  {"", "b/c", []string{"a", "b", "b/c", "b.txt", "bc", "f"}},
		"without the rest of all":  {"", "a", []string{"a"}},
		"without a folder at last": {"", "b/d", []string{"a", "b", "b/c", "b/d", "b.txt", "bc", "f"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var walked []string
			require.NoError(t, files.Walk(t.Context(), test.target, func(path string, _ fs.DirEntry, err error) error {
				walked = append(walked, path)
				if path == test.skip {
					return fs.SkipDir
				}
				return err
			}))
			assert.Equal(t, test.want, walked)
		})
	}
}

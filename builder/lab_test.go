//go:build lab

package builder

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// labBuilder is one that uses the lab, or whatever the environment names. It
// keeps what BuildKit reports in the buffer.
func labBuilder(t *testing.T) (*Builder, *bytes.Buffer) {
	t.Helper()
	for _, name := range []string{"BUILDKIT_HOST", "SITECTL_REGISTRY", "SITECTL_REGISTRY_CA"} {
		require.NotEmpty(t, os.Getenv(name), name+` is not set: eval "$(lab env)"`)
	}
	var progress bytes.Buffer
	b, err := New(Options{
		Address: os.Getenv("BUILDKIT_HOST"), RegistryCA: os.Getenv("SITECTL_REGISTRY_CA"),
		RegistryMirrors: labMirrors(t),
		Progress:        "plain", Stderr: &progress,
	})
	require.NoError(t, err)
	return b, &progress
}

// labMirrors are those of the lab, which has the base images.
func labMirrors(t *testing.T) map[string]string {
	t.Helper()
	mirrors := map[string]string{}
	for pair := range strings.SplitSeq(os.Getenv("SITECTL_REGISTRY_MIRRORS"), ",") {
		if registry, url, ok := strings.Cut(pair, "="); ok {
			mirrors[registry] = url
		}
	}
	return mirrors
}

// labSite is a site whose repository in the registry is the test's own.
func labSite(t *testing.T) site.Site {
	t.Helper()
	s := phpSite()
	s.Image = fmt.Sprintf("%s/builder/%s-%d", os.Getenv("SITECTL_REGISTRY"), strings.ToLower(t.Name()), time.Now().UnixNano())
	s.Build.Runtime = os.Getenv("SITECTL_REGISTRY") + "/builder/runtime"
	s.Build.Platform = "linux/" + runtime.GOARCH
	return s
}

// ship commits what lies in a folder and builds it.
func ship(t *testing.T, b *Builder, s site.Site, dir string) (site.Image, Report, error) {
	t.Helper()
	commitAll(t, dir)
	repository, err := site.OpenRepository(t.Context(), dir)
	require.NoError(t, err)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	return buildCommit(t.Context(), b, s, repository, commit)
}

func buildCommit(ctx context.Context, b *Builder, s site.Site, repository *site.Repository, commit site.Commit) (site.Image, Report, error) {
	plan, err := b.Prepare(ctx, s, repository, commit, BuildOptions{})
	if err != nil {
		return site.Image{}, Report{}, err
	}
	defer plan.Close()
	return plan.Build(ctx)
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
}

// inImage is a file of a pushed image.
type inImage struct {
	content string
	header  *tar.Header
}

// pulled reads a pushed image from the registry, file by file.
func pulled(t *testing.T, b *Builder, s site.Site, image site.Image) map[string]inImage {
	t.Helper()
	repo, err := b.repository(s.Image)
	require.NoError(t, err)
	pushed, err := remote.Image(repo.name.Digest(image.Digest), repo.options(t.Context())...)
	require.NoError(t, err)
	files := map[string]inImage{}
	flat := mutate.Extract(pushed)
	defer flat.Close()
	for reader := tar.NewReader(flat); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		content, err := io.ReadAll(reader)
		require.NoError(t, err)
		files[strings.TrimPrefix(header.Name, "/")] = inImage{string(content), header}
	}
}

func TestLabPrepare(t *testing.T) {
	b, _ := labBuilder(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{"index.php": "<?php"})
	commitAll(t, dir)
	repository, err := site.OpenRepository(t.Context(), dir)
	require.NoError(t, err)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	plan, err := b.Prepare(t.Context(), labSite(t), repository, commit, BuildOptions{})
	require.NoError(t, err)
	require.NoError(t, plan.Close())
}

func TestLabBuild(t *testing.T) {
	b, progress := labBuilder(t)
	s := labSite(t)
	s.Build.PHP.Extensions = []string{"mysql"}
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"site.yaml": "site: example.com", "index.php": "<?php echo 'version 1';", "two words/ü.txt": "x",
	})

	image, report, err := ship(t, b, s, dir)
	require.NoError(t, err, "%s", progress)
	assert.Regexp(t, `^sha256:[0-9a-f]{64}$`, image.Digest)
	assert.Empty(t, report.Previous)
	files := pulled(t, b, s, image)
	assert.Equal(t, "<?php echo 'version 1';", files["var/www/site/index.php"].content)
	assert.Equal(t, "x", files["var/www/site/two words/ü.txt"].content)
	assert.NotContains(t, files, "var/www/site/site.yaml")
	assertHardened(t, files)
	assertConfiguration(t, b, s, image)

	found, ok, err := b.Find(t.Context(), s, image.Commit)
	require.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, image, found)

	write(t, dir, map[string]string{"index.php": "<?php echo 'version 2';"})
	second, report, err := ship(t, b, s, dir)
	require.NoError(t, err, "%s", progress)
	assert.Equal(t, image.Tag, report.Previous)
	layers, size := report.NewLayers()
	assert.Equal(t, 1, layers, "only the site's own layer is new")
	assert.Less(t, size, int64(10_000))
	assert.Equal(t, "<?php echo 'version 2';", pulled(t, b, s, second)["var/www/site/index.php"].content)
}

// assertHardened checks owner and permissions of what is in the image.
func assertHardened(t *testing.T, files map[string]inImage) {
	t.Helper()
	for name, file := range files {
		if strings.HasPrefix(name, "var/www/") {
			assert.Zero(t, file.header.Uid, name)
			assert.Zero(t, file.header.Gid, name)
			assert.Zero(t, file.header.Mode&0o022, name)
		}
		if file.header.Typeflag == tar.TypeReg {
			assert.Zero(t, file.header.Mode&0o6000, "%s is setuid or setgid", name)
		}
		assert.False(t, strings.HasPrefix(name, "var/lib/apt/lists/"), name)
	}
	assert.Contains(t, files["etc/php/site.ini"].content, "expose_php = Off")
}

// assertConfiguration checks what a container of the image is started with.
func assertConfiguration(t *testing.T, b *Builder, s site.Site, image site.Image) {
	t.Helper()
	repo, err := b.repository(s.Image)
	require.NoError(t, err)
	pushed, err := remote.Image(repo.name.Tag(image.Tag), repo.options(t.Context())...)
	require.NoError(t, err)
	file, err := pushed.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, "10001:10001", file.Config.User)
	assert.Equal(t, "SIGWINCH", file.Config.StopSignal)
	assert.Equal(t, site.CodeDir, file.Config.WorkingDir)
	assert.Equal(t, []string{"apache2", "-DFOREGROUND"}, file.Config.Cmd)
	assert.Contains(t, file.Config.ExposedPorts, "8080/tcp")
	assert.Equal(t, image.Commit.SHA, file.Config.Labels["org.opencontainers.image.revision"])
	assert.False(t, file.Created.After(image.Commit.Time), "the image is not younger than its commit")
}

func TestLabOwnDockerfile(t *testing.T) {
	b, progress := labBuilder(t)
	s := labSite(t)
	s.Build.Dockerfile = "docker/Dockerfile"
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"docker/Dockerfile": "FROM scratch\nCOPY . /srv\nUSER 10001:10001\n", ".dockerignore": "notes\n", "notes": "not this", "code": "this",
	})
	image, _, err := ship(t, b, s, dir)
	require.NoError(t, err, "%s", progress)
	files := pulled(t, b, s, image)
	assert.Equal(t, "this", files["srv/code"].content)
	assert.NotContains(t, files, "srv/notes")

	s.Build.Dockerfile = "missing"
	_, _, err = ship(t, b, s, changed(t, dir))
	var failed *BuildError
	require.ErrorAs(t, err, &failed)
	assert.ErrorContains(t, err, `the commit has no file "missing"`)
}

// changed changes something, so that there is something to commit.
func changed(t *testing.T, dir string) string {
	t.Helper()
	write(t, dir, map[string]string{"changed": time.Now().String()})
	return dir
}

func TestLabFailingStep(t *testing.T) {
	b, progress := labBuilder(t)
	s := labSite(t)
	s.Build.Dockerfile = "Dockerfile"
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"Dockerfile": "FROM debian:trixie-slim\nRUN for i in $(seq 30); do echo line $i >&2; done; exit 7\n",
	})
	_, _, err := ship(t, b, s, dir)
	var failed *BuildError
	require.ErrorAs(t, err, &failed, "%s", progress)
	assert.Contains(t, failed.Step, "RUN for i in")
	assert.Len(t, failed.Log, keptLines)
	assert.Equal(t, "line 30", failed.Log[keptLines-1])
	assert.ErrorContains(t, failed.Err, "exit code: 7")
}

func TestLabCancel(t *testing.T) {
	b, _ := labBuilder(t)
	begun := &awaited{words: "waiting here", seen: make(chan struct{})}
	b.options.Stderr = begun
	s := labSite(t)
	s.Build.Dockerfile = "Dockerfile"
	dir := t.TempDir()
	write(t, dir, map[string]string{"Dockerfile": "FROM debian:trixie-slim\nRUN echo waiting here; sleep 600\n"})
	commitAll(t, dir)
	repository, err := site.OpenRepository(t.Context(), dir)
	require.NoError(t, err)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)

	stopped := errors.New("stopped by a person")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-begun.seen
		cancel(stopped)
	}()
	_, _, err = buildCommit(ctx, b, s, repository, commit)
	require.ErrorIs(t, err, stopped)

	write(t, dir, map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\nUSER 10001:10001\n"})
	_, _, err = ship(t, b, s, dir)
	require.NoError(t, err, "the next build works")
}

// awaited closes seen when the words are written.
type awaited struct {
	words string
	text  strings.Builder
	seen  chan struct{}
}

func (a *awaited) Write(p []byte) (int, error) {
	before := strings.Contains(a.text.String(), a.words)
	a.text.Write(p)
	if !before && strings.Contains(a.text.String(), a.words) {
		close(a.seen)
	}
	return len(p), nil
}

// A file that turns out to be broken while it is being sent must end the
// build: BuildKit would wait for it.
func TestLabBrokenClone(t *testing.T) {
	b, progress := labBuilder(t)
	s := labSite(t)
	s.Build.Dockerfile = "Dockerfile"
	dir := t.TempDir()
	big := make([]byte, 1<<20)
	_, err := rand.Read(big)
	require.NoError(t, err)
	write(t, dir, map[string]string{"Dockerfile": "FROM scratch\nCOPY . /\n", "broken": string(big)})
	commitAll(t, dir)
	repository, err := site.OpenRepository(t.Context(), dir)
	require.NoError(t, err)
	commit, err := repository.Head(t.Context(), false)
	require.NoError(t, err)
	object, err := exec.Command("git", "-C", dir, "rev-parse", "HEAD:broken").Output()
	require.NoError(t, err)
	name := strings.TrimSpace(string(object))
	path := filepath.Join(dir, ".git", "objects", name[:2], name[2:])
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.Truncate(path, 1<<19))

	_, _, err = buildCommit(t.Context(), b, s, repository, commit)
	var failed *BuildError
	require.ErrorAs(t, err, &failed, "%s", progress)
	assert.ErrorContains(t, err, "git cat-file")
}

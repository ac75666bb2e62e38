//go:build lab

package site

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// These take tens of seconds, though nothing of the lab.

// timed logs how long a step takes: for people, nothing depends on it.
func timed(t *testing.T, step string, run func()) {
	t.Helper()
	begin := time.Now()
	run()
	t.Logf("%-40s %v", step, time.Since(begin).Round(time.Millisecond))
}

// heap is the memory that is in use, in bytes.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func TestAwkwardFiftyThousandFiles(t *testing.T) {
	isolateGit(t)
	const count = 50_000
	dir := t.TempDir()
	runGit(t, dir, "init", "--quiet", "--initial-branch=main")
	var script strings.Builder
	script.WriteString("commit refs/heads/main\ncommitter Cleo <cleo@example.com> 1767225600 +0000\ndata 0\n")
	for i := range count {
		content := fmt.Sprintf("<?php // %d\n%s", i, strings.Repeat("$a = 1;\n", i%500))
		fmt.Fprintf(&script, "M 644 inline vendor/%d/package%d/src/%d.php\ndata %d\n%s\n", i%40, i/40%25, i, len(content), content)
	}
	load := exec.Command("git", "-C", dir, "fast-import", "--quiet")
	load.Stdin = strings.NewReader(script.String())
	out, err := load.CombinedOutput()
	require.NoError(t, err, "%s", out)
	script.Reset()
	runGit(t, dir, "checkout", "--quiet", "main", "--")

	var repository *Repository
	var commit Commit
	var tree *Tree
	timed(t, "open the repository", func() { repository = open(t, dir) })
	timed(t, "compare with the working tree", func() {
		commit, err = repository.Head(t.Context(), false)
		require.NoError(t, err)
	})
	before := heap()
	timed(t, "list the tree", func() { tree = openTree(t, repository, commit.Tree) })
	used := heap() - before
	t.Logf("%-40s %d KiB", "memory of the list", used>>10)
	require.Len(t, tree.Entries, count)
	assert.Less(t, used, uint64(50<<20))

	var bytes int64
	timed(t, "read every file", func() {
		for _, entry := range tree.Entries {
			file, err := tree.Open(entry.Path)
			require.NoError(t, err)
			n, err := io.Copy(io.Discard, file)
			require.NoError(t, err)
			require.Equal(t, entry.Size, n)
			require.NoError(t, file.Close())
			bytes += n
		}
	})
	t.Logf("%-40s %d MiB", "of content", bytes>>20)

	writeFile(t, filepath.Join(dir, "vendor", "0", "package0", "src", "0.php"), "<?php // changed\n")
	timed(t, "write the working tree", func() {
		commit, err = repository.Head(t.Context(), true)
		require.NoError(t, err)
	})
	timed(t, "what differs", func() {
		paths, err := repository.Changed(t.Context(), commit.SHA, commit)
		require.NoError(t, err)
		require.Equal(t, []string{"vendor/0/package0/src/0.php"}, paths)
	})
}

func TestAwkwardTwoGigabytes(t *testing.T) {
	const size = 2<<30 + 1 // more than 31 bits count
	dir := newRepository(t, map[string]string{"index.php": "<?php"})
	film := filepath.Join(t.TempDir(), "film")
	require.NoError(t, os.WriteFile(film, nil, 0o644))
	require.NoError(t, os.Truncate(film, size)) // takes no space on the disk, and little in git
	object := runGit(t, dir, "-c", "core.compression=1", "-c", "core.bigFileThreshold=4m", "hash-object", "-w", film)
	runGit(t, dir, "update-index", "--add", "--cacheinfo", "100644,"+object+",film.mp4")
	tree := openTree(t, open(t, dir), runGit(t, dir, "write-tree"))

	file, err := tree.Open("film.mp4")
	require.NoError(t, err)
	before := heap()
	var most uint64
	var read int64
	buffer := make([]byte, 1<<20)
	timed(t, "read 2 GiB", func() {
		for next := int64(0); ; {
			n, err := file.Read(buffer)
			if read += int64(n); err == io.EOF {
				break
			}
			require.NoError(t, err)
			if read >= next {
				most = max(most, heap())
				next += size / 8
			}
		}
	})
	assert.Equal(t, int64(size), read)
	require.Less(t, most, before+2<<20, "it passes by")
	ofGit := peakMemory(t, tree.sources[0].(*blobs).started[0].cmd.Process.Pid)
	t.Logf("%-40s %d KiB", "memory of git", ofGit>>10)
	assert.Less(t, ofGit, uint64(100<<20), "git streams, too")
	require.NoError(t, file.Close())

	content, err := tree.ReadFile("index.php")
	require.NoError(t, err)
	assert.Equal(t, "<?php", string(content), "the next file")
}

// peakMemory is the most memory that a process has had, in bytes. What its
// parent is told after its end would include what the parent itself had when
// it started it (exec_mmap in Linux).
func peakMemory(t *testing.T, pid int) uint64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	var kib uint64
	_, err = fmt.Sscan(line, &kib)
	require.NoError(t, err)
	return kib << 10
}

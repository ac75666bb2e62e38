package platform

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindProcesses(t *testing.T) {
	const state = "/var/lib/sitectl-lab"
	proc := t.TempDir()
	add := func(pid int, environ, cgroup, stat string) {
		dir := filepath.Join(proc, strconv.Itoa(pid))
		require.NoError(t, os.Mkdir(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "environ"), []byte(environ), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "cgroup"), []byte(cgroup), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "stat"), []byte(stat), 0o644))
	}
	require.NoError(t, os.Mkdir(filepath.Join(proc, "self"), 0o755))
	add(1, "PATH=/bin\x00", "0::/\n", statLine(1, "init", "S", 1, 1))
	add(20, "PATH=/bin\x00"+mark(state, "containerd", "abc")+"\x00", "0::/user.slice\n", statLine(20, "containerd", "S", 20, 500))
	add(21, mark(state, "containerd", "abc")+"\x00PATH=/bin\x00", "0::/user.slice\n", statLine(21, "containerd-shim", "S", 20, 600))
	add(22, "PATH=/bin\x00", "4:memory:/sitectl-lab/kubepods/pod1/c1\n0::/\n", statLine(22, "apache2 (worker) x", "S", 22, 700))
	add(23, mark(state, "etcd", "abc"), "0::/\n", statLine(23, "etcd", "Z", 23, 800))
	add(24, mark("/elsewhere", "etcd", "abc"), "0::/\n", statLine(24, "etcd", "S", 24, 900))
	add(25, "NAME="+mark(state, "etcd", "abc"), "0::/sitectl-lab-other/x\n", statLine(25, "sh", "S", 25, 900))
	require.NoError(t, os.Mkdir(filepath.Join(proc, "26"), 0o755)) // ends while it is read

	found, err := findProcesses(proc, state)
	require.NoError(t, err)
	assert.Equal(t, []process{
		{pid: 20, started: 500, session: 20, part: "containerd", digest: "abc"},
		{pid: 21, started: 600, session: 20, part: "containerd", digest: "abc"},
		{pid: 22, started: 700, session: 22, cgroup: "kubepods/pod1/c1"},
	}, found)
	assert.True(t, found[0].isPart())
	assert.False(t, found[1].isPart(), "a shim is not its part")
	assert.False(t, found[2].isPart(), "a container is no part")
}

// statLine has the 52 fields of proc_pid_stat(5).
func statLine(pid int, name, state string, session, started int) string {
	fields := make([]string, 50)
	for i := range fields {
		fields[i] = "0"
	}
	fields[0], fields[3], fields[19] = state, strconv.Itoa(session), strconv.Itoa(started)
	return strconv.Itoa(pid) + " (" + name + ") " + strings.Join(fields, " ") + "\n"
}

func TestParseStatRefuses(t *testing.T) {
	for _, stat := range []string{"", "12", "12 (sh) S 1 2", "12 (sh) " + strings.Repeat("x ", 50)} {
		_, _, _, err := parseStat(stat)
		assert.Error(t, err, "%q", stat)
	}
}

func TestLabCgroup(t *testing.T) {
	for content, want := range map[string]string{
		"": "",
		"0::/sitectl-lab/kubepods/besteffort/pod1/abc\n":     "kubepods/besteffort/pod1/abc",
		"9:name=systemd:/\n4:memory:/sitectl-lab/buildkit/x": "buildkit/x",
		"0::/system.slice/sitectl-lab/x\n":                   "",
		"0::/sitectl-lab2/x\n":                               "",
	} {
		assert.Equal(t, want, labCgroup(content), "%q", content)
	}
}

package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// markVariable is set in the environment of every process the lab starts. Its
// value is "<state folder> <part> <digest>". Children inherit it (containerd's
// shims do), no process can lose it, and so the processes themselves are the
// record of what runs: there is no pid file that could be stale or missing.
const markVariable = "SITECTL_LAB_PROCESS"

// process is a process of the lab found in /proc.
type process struct {
	pid     int
	started uint64 // clock ticks after the boot; tells two users of one pid apart
	session int

	// From the mark: the part it belongs to and the digest of what that part
	// was started with. Empty for the processes of containers.
	part   string
	digest string

	// cgroup is the path below the lab's own cgroup, for example
	// "kubepods/pod…", for a process of a container; empty for others.
	cgroup string
}

// isPart says whether the process is a part itself: each is started as the
// leader of a session, and its children are not leaders or run another file.
func (p process) isPart() bool { return p.part != "" && p.session == p.pid && p.cgroup == "" }

// findProcesses returns the processes of the lab with that state folder, in
// the order of their pids. proc is "/proc".
func findProcesses(proc, state string) ([]process, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		p, ours, err := readProcess(filepath.Join(proc, entry.Name()), pid, state)
		if err != nil {
			return nil, fmt.Errorf("read process %d: %w", pid, err)
		}
		if ours {
			found = append(found, p)
		}
	}
	return found, nil
}

// readProcess reads one folder of /proc. A process that ended meanwhile, or is
// a zombie, is not ours any more.
func readProcess(dir string, pid int, state string) (process, bool, error) {
	environ, err := os.ReadFile(filepath.Join(dir, "environ"))
	// A process with a capability that we lack does not let us look, and we
	// cannot have started it.
	if gone(err) || errors.Is(err, os.ErrPermission) {
		return process{}, false, nil
	}
	if err != nil {
		return process{}, false, err
	}
	cgroups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	if gone(err) {
		return process{}, false, nil
	}
	if err != nil {
		return process{}, false, err
	}
	p := process{pid: pid, cgroup: labCgroup(string(cgroups))}
	var marked bool
	p.part, p.digest, marked = readMark(environ, state)
	if !marked && p.cgroup == "" {
		return process{}, false, nil
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if gone(err) {
		return process{}, false, nil
	}
	if err != nil {
		return process{}, false, err
	}
	var zombie bool
	p.session, p.started, zombie, err = parseStat(string(stat))
	return p, err == nil && !zombie, err
}

func gone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

func mark(state, part, digest string) string {
	return markVariable + "=" + strings.Join([]string{state, part, digest}, " ")
}

// readMark finds the mark in the content of /proc/<pid>/environ.
func readMark(environ []byte, state string) (part, digest string, ok bool) {
	for _, variable := range bytes.Split(environ, []byte{0}) {
		value, found := strings.CutPrefix(string(variable), markVariable+"=")
		if !found {
			continue
		}
		fields := strings.Fields(value)
		if len(fields) == 3 && fields[0] == state {
			return fields[1], fields[2], true
		}
	}
	return "", "", false
}

// labCgroup returns the path below the lab's cgroup from the content of
// /proc/<pid>/cgroup, whose lines are "<id>:<controllers>:<path>" (cgroups(7)).
// All hierarchies that the lab uses have the same path.
func labCgroup(content string) string {
	for line := range strings.Lines(content) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if below, ok := strings.CutPrefix(fields[2], "/"+cgroupName+"/"); ok {
			return below
		}
	}
	return ""
}

// parseStat reads the session (field 6), the start time (field 22) and whether
// the state (field 3) is that of a dead process from /proc/<pid>/stat, see
// proc_pid_stat(5). The name in field 2 may itself hold blanks and brackets.
func parseStat(stat string) (session int, started uint64, dead bool, err error) {
	_, rest, ok := cutLast(stat, ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return 0, 0, false, fmt.Errorf("unexpected content of stat: %q", stat)
	}
	session, err = strconv.Atoi(fields[3])
	if err != nil {
		return 0, 0, false, fmt.Errorf("session in stat: %w", err)
	}
	started, err = strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0, 0, false, fmt.Errorf("start time in stat: %w", err)
	}
	return session, started, fields[0] == "Z" || fields[0] == "X", nil
}

func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

// startTime converts a start time of /proc to the time of day. The kernel
// counts it in hundredths of a second on every architecture (USER_HZ).
func (p process) startTime() (time.Time, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, fmt.Errorf("read the boot time: %w", err)
	}
	for line := range strings.Lines(string(stat)) {
		value, ok := strings.CutPrefix(line, "btime ")
		if !ok {
			continue
		}
		boot, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("read the boot time: %w", err)
		}
		return time.Unix(boot, 0).Add(time.Duration(p.started) * 10 * time.Millisecond), nil
	}
	return time.Time{}, errors.New("read the boot time: /proc/stat has no btime")
}

// kill ends the process with SIGKILL and waits until it is gone. The lab is
// crash-only: whatever it stops must survive that anyway, and kube-apiserver
// takes a minute to stop when asked politely.
func (p process) kill(ctx context.Context) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", p.pid, err)
	}
	defer unix.Close(fd)
	// The descriptor pins whoever has the pid now: make sure it is still p.
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read process %d: %w", p.pid, err)
	}
	if _, started, _, err := parseStat(string(stat)); err != nil || started != p.started {
		return err
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", p.pid, err)
	}
	return awaitExit(ctx, fd, p.pid)
}

// awaitExit waits until the process of a pid descriptor has ended; the
// descriptor becomes readable then.
func awaitExit(ctx context.Context, fd, pid int) error {
	for {
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("wait for the end of process %d: %w", pid, err)
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 100)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for the end of process %d: %w", pid, err)
		}
		if n > 0 {
			return nil
		}
	}
}

// killAll ends all processes of the lab that match, again and again until
// there are none: one that is just being forked may be missed the first time.
func killAll(ctx context.Context, state string, match func(process) bool) error {
	for {
		processes, err := findProcesses("/proc", state)
		if err != nil {
			return err
		}
		matched := 0
		for _, p := range processes {
			if !match(p) {
				continue
			}
			matched++
			if err := p.kill(ctx); err != nil {
				return err
			}
		}
		if matched == 0 {
			return nil
		}
	}
}

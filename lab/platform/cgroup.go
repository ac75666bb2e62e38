package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const cgroupMount = "/sys/fs/cgroup"

// cgroupRoots returns the lab's own cgroup in every hierarchy: one with
// version 2, one per controller with version 1. All containers of the lab are
// below it, which is how their processes are found.
func cgroupRoots() ([]string, error) {
	unified, err := unifiedCgroups()
	if err != nil {
		return nil, err
	}
	if unified {
		return []string{filepath.Join(cgroupMount, cgroupName)}, nil
	}
	entries, err := os.ReadDir(cgroupMount)
	if err != nil {
		return nil, fmt.Errorf("list cgroup controllers: %w", err)
	}
	var roots []string
	for _, entry := range entries {
		// Links are second names, such as cpu for cpu,cpuacct.
		if entry.IsDir() {
			roots = append(roots, filepath.Join(cgroupMount, entry.Name(), cgroupName))
		}
	}
	return roots, nil
}

func unifiedCgroups() (bool, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(cgroupMount, &stat); err != nil {
		return false, fmt.Errorf("look at %s: %w", cgroupMount, err)
	}
	return stat.Type == unix.CGROUP2_SUPER_MAGIC, nil
}

// createCgroups makes the lab's cgroups; the kubelet wants its root to exist.
func createCgroups() error {
	unified, err := unifiedCgroups()
	if err != nil {
		return err
	}
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := os.MkdirAll(root, 0o755); err != nil {
			return fmt.Errorf("create cgroup: %w", err)
		}
		if unified {
			err = delegateControllers(root)
		} else {
			err = inheritCpuset(root)
		}
		if err != nil {
			return fmt.Errorf("set up cgroup %s: %w", root, err)
		}
	}
	return nil
}

// delegateControllers lets the cgroups below root use the controllers that the
// kubelet wants; with version 2 a parent must hand each one down.
func delegateControllers(root string) error {
	parent := filepath.Dir(root)
	available, err := os.ReadFile(filepath.Join(parent, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range []string{"cpu", "cpuset", "hugetlb", "io", "memory", "pids"} {
		if !slices.Contains(strings.Fields(string(available)), controller) {
			continue // the kubelet says it if it cannot do without
		}
		for _, dir := range []string{parent, root} {
			err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// inheritCpuset copies the processors and memory nodes of the parent: with
// version 1 they are empty in a new cpuset, and no process can enter it.
func inheritCpuset(root string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(filepath.Dir(root), name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another controller's hierarchy
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, name), value, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroups removes the lab's cgroups, or those below it of that name if
// one is given. No process may be left in them.
func removeCgroups(below string) error {
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := removeCgroup(filepath.Join(root, below)); err != nil {
			return err
		}
	}
	return nil
}

func removeCgroup(root string) error {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return ignoreNotExist(err)
	})
	if err != nil {
		return fmt.Errorf("list cgroups below %s: %w", root, err)
	}
	for _, dir := range slices.Backward(dirs) {
		if err := ignoreNotExist(unix.Rmdir(dir)); err != nil {
			return fmt.Errorf("remove cgroup %s: %w", dir, err)
		}
	}
	return nil
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

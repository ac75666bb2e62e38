package platform

import (
	"errors"
	"fmt"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// unmountBelow unmounts everything that is mounted at or below the folder, the
// last mounted first.
func unmountBelow(dir string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return fmt.Errorf("list mounts below %s: %w", dir, err)
	}
	for i := len(mounts) - 1; i >= 0; i-- {
		if err := unmount(mounts[i].Mountpoint); err != nil {
			return err
		}
	}
	return nil
}

// unmount detaches a mount that is still busy from the tree: a process may
// hold a file of it open for a moment after its container was killed.
func unmount(mountpoint string) error {
	// The kernel appends this to the path of a mount whose folder was removed.
	mountpoint = strings.TrimSuffix(mountpoint, "//deleted")
	err := unix.Unmount(mountpoint, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(mountpoint, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
	}
	// EINVAL: gone with another mount of the same group.
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", mountpoint, err)
	}
	return nil
}

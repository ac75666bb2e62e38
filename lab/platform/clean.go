package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// cniResults is where the CNI library keeps what each plugin returned; there
// is no setting for it in containerd.
const cniResults = "/var/lib/cni/results"

// podLogLinks is where the kubelet links the logs of containers; there is no
// setting for it.
const podLogLinks = "/var/log/containers"

// outside are the folders that parts make outside of the state folder, because
// they cannot be told otherwise. The first Up notes which of them are missing,
// and Down removes those.
var outside = []string{
	"/var/lib/cni", cniResults,
	podLogLinks,
	"/var/lib/kubelet", "/var/lib/kubelet/device-plugins",
}

// cleanContainerd ends all containers and removes what they held. containerd
// could take over containers that survived it; a fresh start is the same after
// every kind of death. Images and the records of containers stay: the kubelet
// starts its pods again, as after a reboot. It is started anew for that, as a
// running one relies on the cgroups that it made.
func (lab *Lab) cleanContainerd(ctx context.Context) error {
	l := lab.layout
	if err := killAll(ctx, l.state, func(p process) bool { return p.part == "kubelet" }); err != nil {
		return fmt.Errorf("end the kubelet: %w", err)
	}
	err := killAll(ctx, l.state, func(p process) bool {
		return p.part == "containerd" || strings.HasPrefix(p.cgroup, "kubepods")
	})
	if err != nil {
		return fmt.Errorf("end containers: %w", err)
	}
	if err := unmountBelow(l.in("containerd")); err != nil {
		return err
	}
	if err := removeCgroups("kubepods"); err != nil {
		return err
	}
	for _, dir := range []string{
		l.in("containerd", "state"), l.in("containerd", "runc"), l.in("containerd", "addresses"), l.in("run", "s"),
	} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove what containers left: %w", err)
		}
	}
	return removeCNIResults()
}

// cleanKubelet unmounts the volumes of pods, unless the containers that use
// them survived the kubelet: then the next one takes over both.
func (lab *Lab) cleanKubelet(context.Context) error {
	processes, err := findProcesses("/proc", lab.layout.state)
	if err != nil {
		return err
	}
	for _, p := range processes {
		if strings.HasPrefix(p.cgroup, "kubepods") {
			return nil
		}
	}
	return unmountBelow(lab.layout.in("kubelet"))
}

// cleanBuildKit ends build steps and removes what they held. Its cache stays.
func (lab *Lab) cleanBuildKit(ctx context.Context) error {
	l := lab.layout
	err := killAll(ctx, l.state, func(p process) bool {
		return p.part == "buildkitd" || strings.HasPrefix(p.cgroup, "buildkit")
	})
	if err != nil {
		return fmt.Errorf("end build steps: %w", err)
	}
	for _, dir := range []string{l.in("buildkit"), l.temporary("buildkitd")} {
		if err := unmountBelow(dir); err != nil {
			return err
		}
	}
	for _, dir := range []string{l.temporary("buildkitd"), l.in("buildkit", "runc")} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove what build steps left: %w", err)
		}
	}
	return removeCgroups("buildkit")
}

func removeCNIResults() error {
	files, err := filepath.Glob(filepath.Join(cniResults, networkName+"-*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := ignoreNotExist(os.Remove(file)); err != nil {
			return fmt.Errorf("remove what the CNI library left: %w", err)
		}
	}
	return nil
}

// noteOutside writes down which folders outside of the state folder are not
// there, before anything runs that could make them.
func noteOutside(l layout) error {
	note := l.in("outside-was-missing")
	if exists(note) {
		return nil
	}
	var missing []string
	for _, dir := range outside {
		if !exists(dir) {
			missing = append(missing, dir)
		}
	}
	if err := writeFile(note, []byte(strings.Join(missing, "\n")), 0o644); err != nil {
		return fmt.Errorf("note which folders are missing: %w", err)
	}
	return nil
}

// removeOutside removes the folders that the lab's parts made outside of the
// state folder, and links from there into it.
func removeOutside(l layout) error {
	if err := errors.Join(removeCNIResults(), removeLogLinks(l)); err != nil {
		return err
	}
	missing, err := os.ReadFile(l.in("outside-was-missing"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read which folders were missing: %w", err)
	}
	for dir := range strings.FieldsSeq(string(missing)) {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove what the lab left: %w", err)
		}
	}
	return nil
}

func removeLogLinks(l layout) error {
	links, err := filepath.Glob(filepath.Join(podLogLinks, "*"))
	if err != nil {
		return err
	}
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(target, l.state+"/") {
			continue // somebody else's
		}
		if err := ignoreNotExist(os.Remove(link)); err != nil {
			return fmt.Errorf("remove a link to a log: %w", err)
		}
	}
	return nil
}

//go:build !linux

package builder

import (
	"errors"
	"os/exec"
)

// errNotHere is why no buildkitd is started on other systems.
var errNotHere = errors.New("it runs on Linux only")

type launch struct{ noProcessSandbox bool }

func launcher() (launch, error) { return launch{}, errNotHere }

func (launch) command(string, ...string) *exec.Cmd { return nil }

type cacheRoot struct{ path string }

func lockCacheRoot() (*cacheRoot, error) { return nil, errNotHere }

func (*cacheRoot) remember(string) error { return errNotHere }

func (*cacheRoot) unlock() {}

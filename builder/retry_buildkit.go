package builder

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// solveTries is how often BuildKit is asked to build what it could not push or
// pull. It tries again itself, for 7 seconds, after 5xx and broken
// connections, but not after 429 (util/resolver/retryhandler). What it has
// built by then, it has in its cache.
const solveTries = 4

// again solves until it succeeds or fails for a reason that stays.
func (b *Builder) again(ctx context.Context, solve func() error) error {
	for try := 1; ; try++ {
		err := solve()
		if try == solveTries || !passesInBuildKit(err) {
			return err
		}
		pause := b.backoff.pause(try + 1)
		b.options.Log(fmt.Sprintf("%v: next try in %s", err, pause.Round(time.Second)))
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("build: %w", context.Cause(ctx))
		case <-timer.C:
		}
	}
}

// passesInBuildKit tells whether BuildKit failed for a reason that may pass. No
// type of error crosses the connection to it, so this is about words: those of
// containerd's remotes/docker, which BuildKit pushes and pulls with.
func passesInBuildKit(err error) bool {
	var push *RegistryError
	var step *BuildError
	switch {
	case errors.As(err, &push):
		return passingPush(push.Err.Error())
	case errors.As(err, &step):
		// What a RUN prints is not part of it.
		return slices.Contains(passingStatuses, buildKitStatus(step.Err.Error()))
	}
	return false
}

func passingPush(text string) bool {
	if status := buildKitStatus(text); status != 0 {
		return slices.Contains(passingStatuses, status)
	}
	return passingCode.MatchString(text) || endedConnection.MatchString(text)
}

// passingCode is a code of a registry, which BuildKit shows in place of the
// status. Distribution's UNKNOWN is 500 (registry/api/errcode/register.go).
var passingCode = regexp.MustCompile(`(^|: )(toomanyrequests|unavailable|unknown): `)

var endedConnection = regexp.MustCompile(
	`connection reset by peer|broken pipe|\bEOF\b|use of closed network connection|server sent GOAWAY`)

// statusInBuildKit is how remotes/errors.ErrUnexpectedStatus writes a status.
var statusInBuildKit = regexp.MustCompile(`unexpected status from [A-Z]+ request to \S+: (\d{3}) `)

// buildKitStatus is the status in an error of BuildKit; 0 without one.
func buildKitStatus(text string) int {
	found := statusInBuildKit.FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	status, _ := strconv.Atoi(found[1]) // three digits
	return status
}

// buildKitPush makes a RegistryError of a push of BuildKit's.
func (r *repository) buildKitPush(reason string) *RegistryError {
	failed := r.refused("push to "+r.name.String()+" from BuildKit", errors.New(withoutQueries(reason)))
	host := r.name.RegistryStr()
	switch status := buildKitStatus(reason); {
	case status == 401 || status == 403 || strings.Contains(reason, "unauthorized: ") || strings.Contains(reason, "denied: "):
		failed.hint = loginHint(r.name)
	case status == 507 || strings.Contains(reason, "no space left on device"):
		failed.hint = fullDisk(host)
	case strings.Contains(reason, "x509: ") || strings.Contains(reason, "HTTP response to HTTPS client"):
		failed.hint = "BuildKit pushes itself, and has to know the CA of " + host + ", too: see registry in buildkitd.toml"
	case passingPush(reason):
		failed.hint = unwell(host)
	default:
		failed.hint = "BuildKit pushes itself: it, too, has to reach " + host
	}
	return failed
}

// queries are what follows an address in an error, as in withoutQuery.
var queries = regexp.MustCompile(`(https?://[^\s"?]+)\?[^\s":]*`)

func withoutQueries(text string) string { return queries.ReplaceAllString(text, "$1") }

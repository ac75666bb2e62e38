package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// status is the exit status of the process.
type status int

// The exit statuses. Each is explained in statusMeanings.
const (
	statusDone      status = 0
	statusFailed    status = 1
	statusUsage     status = 2
	statusBuild     status = 3
	statusRegistry  status = 4
	statusMigration status = 5
	statusRollout   status = 6
	statusLocked    status = 7
	statusCancelled status = 130 // 128 + SIGINT, as shells have it
)

// statusMeanings are the words of the help pages and the README.
var statusMeanings = map[status]string{
	statusDone:      "done; for ship also: this commit is already running",
	statusFailed:    "failed, for a reason that has no status of its own",
	statusUsage:     "wrong use, a bad site.yaml, or a repository that cannot be shipped; nothing was touched",
	statusBuild:     "the builder cannot be reached, a build step failed, or the audit refuses the image",
	statusRegistry:  "the registry cannot be reached, or refuses the login or the push",
	statusMigration: "the migration failed; the site serves what it served before",
	statusRollout:   "the rollout or its verification failed; the site serves what it served before, or says why not",
	statusLocked:    "another ship is under way, or a newer release is out",
	statusCancelled: "cancelled by SIGINT or SIGTERM; the next ship works",
}

var allStatuses = []status{
	statusDone, statusFailed, statusUsage, statusBuild,
	statusRegistry, statusMigration, statusRollout, statusLocked, statusCancelled,
}

// exitStatus is the one place that maps errors to exit statuses. If several
// things are wrong at once, the earliest in the order of a ship counts. A
// command that ran in the cluster passes its own on.
func exitStatus(ctx context.Context, err error) status {
	if err == nil {
		return statusDone
	}
	if is[*interruption](context.Cause(ctx)) {
		return statusCancelled
	}
	var command interface{ Status() int }
	if errors.As(err, &command) {
		return status(command.Status())
	}
	switch {
	case is[*usageError](err), is[*site.UnknownKeyError](err), is[*deployer.NoReleaseError](err), is[site.Problems](err), is[*site.DirtyError](err), is[*site.RepositoryError](err), is[*deployer.ManifestError](err), is[*noticeError](err):
		return statusUsage
	case is[*builder.BuildError](err), is[*builder.AuditError](err):
		return statusBuild
	case is[*builder.RegistryError](err), is[*missingImageError](err):
		return statusRegistry
	case is[*deployer.LockedError](err), is[*newerError](err):
		return statusLocked
	case is[*deployer.MigrationError](err), is[*deployer.BackupError](err), is[*deployer.CronError](err):
		return statusMigration
	case is[*deployer.RolloutError](err), is[*deployer.VerifyError](err):
		return statusRollout
	default:
		return statusFailed
	}
}

// is says whether the chain of err has an E.
func is[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}

// exitStatusHelp is the last part of a help page.
func exitStatusHelp(statuses []status) string {
	var out strings.Builder
	out.WriteString(exitStatusHeading)
	for _, s := range statuses {
		fmt.Fprintf(&out, "   %-4d %s\n", s, statusMeanings[s])
	}
	return out.String()
}

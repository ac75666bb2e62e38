package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// completionTimeout is how long whoever presses Tab is made to wait for a
// cluster.
const completionTimeout = 2 * time.Second

// cluster finds what only the cluster knows; nothing if it does not answer.
type cluster struct {
	releases, backups func(*line) []candidate
}

// clusterOf asks the cluster of the command line.
func clusterOf(ctx context.Context) cluster {
	return cluster{
		releases: func(l *line) []candidate {
			if l.path[0] == "rollback" { // the others are none to go back to
				return askCluster(ctx, l, shippedCandidates)
			}
			return askCluster(ctx, l, releaseCandidates)
		},
		backups: func(l *line) []candidate { return askCluster(ctx, l, backupCandidates) },
	}
}

func askCluster(ctx context.Context, l *line, question func(context.Context, *deployer.Deployer) ([]candidate, error)) []candidate {
	s, err := site.Read(l.file(), l.environment())
	if err != nil {
		return nil
	}
	s.Context = cmp.Or(l.values["context"], os.Getenv("SITECTL_CONTEXT"), s.Context)
	d, err := deployer.Connect(s, deployer.Options{Kubeconfig: l.values["kubeconfig"], Log: io.Discard, Progress: func(string) {}})
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	found, err := question(ctx, d)
	if err != nil {
		return nil // there is no place to say it
	}
	return found
}

// releaseCandidates are the releases by number, and by commit.
func releaseCandidates(ctx context.Context, d *deployer.Deployer) ([]candidate, error) {
	history, err := d.History(ctx)
	if err != nil {
		return nil, err
	}
	return releaseNames(history), nil
}

func shippedCandidates(ctx context.Context, d *deployer.Deployer) ([]candidate, error) {
	history, err := d.History(ctx)
	if err != nil {
		return nil, err
	}
	return releaseNames(slices.DeleteFunc(history, func(r deployer.Release) bool { return r.Outcome != deployer.Shipped })), nil
}

func releaseNames(history []deployer.Release) []candidate {
	var numbers, tags []candidate
	seen := map[string]bool{}
	for _, r := range history {
		what := fmt.Sprintf("%s %s", r.Outcome, about(r))
		numbers = append(numbers, candidate{fmt.Sprint(r.Number), r.Commit.Tag + ", " + what})
		if !seen[r.Commit.Tag] {
			tags = append(tags, candidate{r.Commit.Tag, fmt.Sprintf("release %d, %s", r.Number, what)})
		}
		seen[r.Commit.Tag] = true
	}
	return append(numbers, tags...)
}

func backupCandidates(ctx context.Context, d *deployer.Deployer) ([]candidate, error) {
	backups, err := d.Backups(ctx)
	out := make([]candidate, len(backups))
	for i, backup := range backups {
		out[i] = candidate{text: backup.Name}
	}
	return out, err
}

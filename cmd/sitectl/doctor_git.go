package main

import (
	"context"
	"net/url"
	"path/filepath"

	"github.com/sitectl/sitectl/site"
)

func (d *doctor) gitChecks() []*examined {
	const mend = "git fsck says what is wrong with the clone; a new one mends it"
	return grouped(
		"git", statusUsage,
		&examined{name: "git", look: d.lookAtGit, mend: "apt-get install git"},
		&examined{name: "repository", needs: []string{"git"}, look: d.lookAtRepository, mend: mend},
		&examined{name: "commit", needs: []string{"repository"}, look: d.lookAtCommit, mend: mend},
		&examined{name: "working tree", needs: []string{"commit"}, look: d.lookAtWorkingTree, mend: mend},
		&examined{name: "history", needs: []string{"repository"}, look: d.lookAtHistory, mend: mend},
		&examined{name: "remote", needs: []string{"repository"}, look: d.lookAtRemote, mend: mend},
	)
}

func (d *doctor) lookAtGit(ctx context.Context) []diagnosis {
	version, err := site.GitVersion(ctx)
	if err != nil {
		return wrong("git", err)
	}
	return fine("%s", version)
}

func (d *doctor) lookAtRepository(ctx context.Context) []diagnosis {
	var err error
	if d.repository, err = site.OpenRepository(ctx, filepath.Dir(d.file)); err != nil {
		return wrong("repository", err)
	}
	return fine("repository: %s", d.repository.Root())
}

func (d *doctor) lookAtCommit(ctx context.Context) []diagnosis {
	commit, err := d.repository.Commit(ctx)
	if err != nil {
		return wrong("commit", err)
	}
	if d.own, err = d.repository.Own(ctx, commit.Tree); err != nil {
		return wrong("commit", err)
	}
	d.commit = commit
	return fine("commit: %s %q by %s", commit.Tag, commit.Subject, commit.Author)
}

// lookAtWorkingTree does not ask for the tree of changes, which git would
// write down.
func (d *doctor) lookAtWorkingTree(ctx context.Context) []diagnosis {
	_, err := d.repository.Head(ctx, false)
	if is[*site.DirtyError](err) && d.allowDirty {
		return warning("", "working tree: differs from the commit, and is what would be shipped (--allow-dirty)")
	}
	if err != nil {
		return wrong("working tree", err)
	}
	return fine("working tree: as in the commit")
}

func (d *doctor) lookAtHistory(ctx context.Context) []diagnosis {
	shallow, err := d.repository.IsShallow(ctx)
	if err != nil {
		return wrong("history", err)
	}
	if shallow {
		return warning("git fetch --unshallow; in GitLab GIT_DEPTH: 0, in GitHub fetch-depth: 0",
			"history: the clone is shallow: a ship cannot tell whether a newer commit is running")
	}
	return fine("history: whole")
}

func (d *doctor) lookAtRemote(ctx context.Context) []diagnosis {
	remote, err := d.repository.Remote(ctx)
	if err != nil {
		return wrong("remote", err)
	}
	if remote == "" {
		return warning("git remote add origin ADDRESS", "remote: there is no origin: the image will not say where its source is")
	}
	return fine("remote: %s", withoutLogin(remote))
}

// withoutLogin takes user and password out of an address.
func withoutLogin(remote string) string {
	address, err := url.Parse(remote)
	if err != nil { // user@host:path, which has no password
		return remote
	}
	address.User = nil
	return address.String()
}

package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/sitectl/sitectl/site"
)

// source is what is shipped: a site file and a commit. Reading it touches
// nothing and opens no connection.
type source struct {
	site       site.Site
	repository *site.Repository
	commit     site.Commit
	own        site.Own
}

// readSource reads the site file and the commit. The error holds what is
// wrong with either.
func readSource(ctx context.Context, o options) (source, error) {
	var src source
	var fileErr, gitErr error
	src.site, fileErr = readSite(o)
	src.repository, src.commit, gitErr = readCommit(ctx, o)
	if gitErr == nil {
		src.own, gitErr = src.repository.Own(ctx, src.commit.Tree)
	}
	return src, errors.Join(fileErr, gitErr)
}

// readSite reads the site file for the environment and context of the flags.
func readSite(o options) (site.Site, error) {
	s, err := site.Read(o.file, o.environment)
	if o.context != "" {
		s.Context = o.context
	}
	return s, err
}

// readCommit reads the commit of the repository that the site file is in.
func readCommit(ctx context.Context, o options) (*site.Repository, site.Commit, error) {
	repository, err := site.OpenRepository(ctx, filepath.Dir(o.file))
	if err != nil {
		return nil, site.Commit{}, err
	}
	if o.reportFile != "" {
		if err := repository.LeaveOut(o.reportFile); err != nil {
			return nil, site.Commit{}, err
		}
	}
	commit, err := repository.Head(ctx, o.allowDirty)
	return repository, commit, err
}

// unbuilt is the image of the commit while its digest is not known.
func (s source) unbuilt() site.Image {
	return site.Image{Repository: s.site.Image, Tag: s.commit.Tag, Commit: s.commit}
}

package site

import (
	"context"
	"fmt"
	"path"
	"strings"
)

// Own is what a site brings along besides its site file, in the folder
// .sitectl of the commit.
type Own struct {
	Manifests []OwnFile // of .sitectl/manifests, sorted by path
	Templates []OwnFile // of .sitectl/templates and its folders, sorted by path
	Notify    []OwnFile // of .sitectl/notify, sorted by path
}

// OwnFile is one of these files.
type OwnFile struct {
	Path    string // relative to the tree: ".sitectl/manifests/worker.yaml"
	Content []byte
}

// The folders of Own.
const (
	ManifestsDir = ".sitectl/manifests"
	TemplatesDir = ".sitectl/templates"
	NotifyDir    = ".sitectl/notify"
)

// Own reads what a tree has in its folder .sitectl. It asks for nothing else
// of the tree, so that it takes a few milliseconds however large that is.
func (r *Repository) Own(ctx context.Context, tree string) (Own, error) {
	out, err := r.git(ctx, nil, "ls-tree", "-r", "-z", "--full-tree", tree, ManifestsDir+"/", TemplatesDir+"/", NotifyDir+"/")
	if err != nil {
		return Own{}, fmt.Errorf("read .sitectl: %w", err)
	}
	var own Own
	for line := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		attributes, name, found := strings.Cut(line, "\t")
		fields := strings.Fields(attributes) // mode, type, object
		if !found || len(fields) != 3 {
			continue // the end
		}
		file, err := r.ownFile(ctx, name, EntryMode(fields[0]), fields[2])
		if err != nil {
			return Own{}, err
		}
		switch {
		case strings.HasPrefix(name, TemplatesDir+"/"):
			own.Templates = append(own.Templates, file)
		case strings.HasPrefix(name, NotifyDir+"/"):
			own.Notify = append(own.Notify, file)
		default:
			own.Manifests = append(own.Manifests, file)
		}
	}
	return own, nil
}

func (r *Repository) ownFile(ctx context.Context, name string, mode EntryMode, object string) (OwnFile, error) {
	extension := path.Ext(name)
	switch {
	case mode != ModeFile && mode != ModeExecutable:
		return OwnFile{}, &RepositoryError{Err: fmt.Errorf("read %s: it is no file", name), hint: "put the file itself there"}
	case strings.HasPrefix(name, ManifestsDir+"/") && extension != ".yaml" && extension != ".yml":
		return OwnFile{}, &RepositoryError{Err: fmt.Errorf("read %s: a manifest has the extension .yaml", name), hint: "rename it, or put it elsewhere"}
	}
	content, err := r.git(ctx, nil, "cat-file", "blob", object)
	if err != nil {
		return OwnFile{}, fmt.Errorf("read %s: %w", name, err)
	}
	return OwnFile{Path: name, Content: []byte(content)}, nil
}

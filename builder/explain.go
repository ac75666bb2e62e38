package builder

import (
	"context"
	"errors"

	"github.com/sitectl/sitectl/site"
)

// Explanation says why an image has to be made, or why not.
type Explanation struct {
	Previous string   `json:"previous,omitempty"` // tag of the image built last; empty if there is none
	Changed  []string `json:"changed"`            // inputs that differ from those of the previous image: tree, base, recipe, settings, platform
	Files    []string `json:"files,omitempty"`    // what differs between the two commits, if the clone has both
	Inputs   Inputs   `json:"inputs"`
}

// Explain compares the inputs of a commit with those of the image built last.
// It makes nothing. Errors: *RegistryError, *BuildError, *site.RepositoryError.
func (b *Builder) Explain(ctx context.Context, s site.Site, repo *site.Repository, commit site.Commit) (Explanation, error) {
	r, err := b.begin(ctx, s, repo, commit, BuildOptions{})
	if err != nil {
		return Explanation{}, err
	}
	defer r.tree.Close()
	explanation := Explanation{Inputs: r.inputs, Changed: r.inputs.differences(Inputs{})}
	if r.previous == nil {
		return explanation, nil
	}
	explanation.Previous, explanation.Changed = r.previous.tag, r.inputs.differences(r.previous.inputs)
	if r.inputs.Tree == r.previous.inputs.Tree || r.previous.commit == "" {
		return explanation, nil
	}
	explanation.Files, err = repo.Changed(ctx, r.previous.commit, commit.SHA)
	if errors.Is(err, site.ErrNoHistory) {
		return explanation, nil // a shallow clone
	}
	return explanation, err
}

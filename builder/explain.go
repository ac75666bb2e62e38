package builder

import (
	"context"
	"errors"

	"github.com/sitectl/sitectl/site"
)

// Explanation says why an image has to be made, or why not.
type Explanation struct {
	Previous string   `json:"previous,omitempty"` // tag of the image built last; empty if there is none
	Changed  []string `json:"changed"`            // inputs that differ from those of the previous image: tree, base, node, recipe, settings, platform
	Files    []string `json:"files,omitempty"`    // what differs between the two commits, if the clone has both
	Inputs   Inputs   `json:"inputs"`
}

// Explain compares the inputs of the commit with those of the image built
// last. It makes nothing.
func (p *Plan) Explain(ctx context.Context) (Explanation, error) {
	r := p.build
	explanation := Explanation{Inputs: r.inputs, Changed: r.inputs.differences(Inputs{})}
	if r.previous == nil {
		return explanation, nil
	}
	explanation.Previous, explanation.Changed = r.previous.tag, r.inputs.differences(r.previous.inputs)
	if r.inputs.Tree == r.previous.inputs.Tree || r.previous.commit == "" {
		return explanation, nil
	}
	files, err := r.git.Changed(ctx, r.previous.commit, r.commit)
	if errors.Is(err, site.ErrUnknownCommit) {
		return explanation, nil // a shallow clone, or another line of commits
	}
	explanation.Files = files
	return explanation, err
}

package deployer

import (
	"context"
	"strings"
	"time"
)

// pullFailure is why nodes do not get an image.
type pullFailure string

// The failures that last.
const (
	pullMissing pullFailure = "missing" // the registry has no such image, it said to the node
	pullRefused pullFailure = "refused" // it does not let the node have it
)

// pullAnswer is what the registry says to sitectl of an image that nodes do
// not get. The zero value is no answer.
type pullAnswer struct {
	asked time.Time
	known bool
	found bool
}

// consult asks the registry about the site's image if nodes cannot pull it.
// What a node says of it alone does not tell an image that is gone from a
// mirror that is behind, nor a registry that refuses everybody from a login of
// the pods that is wrong.
func (d *Deployer) consult(ctx context.Context, verdict *Verdict) *Verdict {
	if verdict == nil || verdict.Pull == "" || d.opts.HasImage == nil || !strings.HasPrefix(verdict.Image, d.site.Image+":") {
		return verdict
	}
	answer := d.pulls[verdict.Image]
	if !answer.known && time.Since(answer.asked) >= askAgain {
		ctx, cancel := context.WithTimeoutCause(ctx, reachTimeout, errNoAnswer)
		defer cancel()
		found, err := d.opts.HasImage(ctx, verdict.Image)
		answer = pullAnswer{asked: time.Now(), known: err == nil, found: found}
		if d.pulls == nil {
			d.pulls = map[string]pullAnswer{}
		}
		d.pulls[verdict.Image] = answer
	}
	return informed(*verdict, answer)
}

// informed is a verdict about a pull, by whoever has asked the registry.
func informed(verdict Verdict, answer pullAnswer) *Verdict {
	switch {
	case !answer.known:
	case !answer.found:
		verdict.Grace = graceLook
		verdict.Message += " (the registry says the same to sitectl)"
		verdict.Hint = "somebody has deleted the image from the registry: ship again, with --rebuild if it is not pushed anew"
	case verdict.Pull == pullMissing:
		verdict.Grace = graceMirrored
		verdict.Hint = "the registry has the image, as sitectl sees it: check that the nodes see the same registry under that name, and no mirror that is behind"
	case verdict.Pull == pullRefused:
		verdict.Hint = "the registry lets sitectl have the image, and not the pods: the login of Secret registry must be allowed to pull, and must not expire"
	}
	return &verdict
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// told is what others know of this ship, by the key notify of the site file.
type told struct {
	notifier *ci.Notifier // nil until there is something to tell
	started  bool
	since    time.Time
}

// notifyTimeout is how long the end of a ship waits until all are told. When
// a signal has ended it, that is less: lastMoment after the signal, a pipeline
// is about to kill the process.
const (
	notifyTimeout = 5 * time.Second
	lastMoment    = 6500 * time.Millisecond
)

// tells says whether others are told of the command at all: an image that is
// built is no release.
func (s *shipment) tells() bool {
	return len(s.source.site.Notify) > 0 && slices.Contains([]string{"shipped", "deployed", "rolled back", "recovered"}, s.outcome)
}

// send tells those who asked for it.
func (s *shipment) send(notice ci.Notice) {
	if s.told.notifier == nil {
		s.told.notifier = ci.NewNotifier(s.source.site.Notify, ci.NotifyOptions{Templates: s.source.own.Notify, Hidden: s.hidden})
	}
	s.told.notifier.Send(notice)
}

// tellStarted tells of the start of a ship once its release is recorded as
// begun: if nothing is heard of it any more, whoever finds the record tells so.
func (s *shipment) tellStarted() {
	if !s.tells() {
		return
	}
	s.told.started = true
	s.send(s.notice(site.Started))
}

// notice is what there is to say of this ship, whatever has happened.
func (s *shipment) notice(happened site.NotifyEvent) ci.Notice {
	n := ci.Notice{
		Event: happened, Command: s.own.Command.Name, Outcome: string(happened),
		Site: s.source.site.Address, Environment: s.source.site.Environment, Namespace: s.source.site.Namespace,
		URL: address(s.source.site), Commit: s.source.commit, By: shippedBy(), At: time.Now(),
	}
	if s.image.Digest != "" {
		n.Image = s.image.Reference()
	}
	if release := cmp.Or(s.release, s.begun); release != nil {
		n.Release, n.Back = release.Number, release.Back
	}
	if happened != site.Started {
		n.Took = time.Since(s.told.since)
	}
	return n
}

// tellInterrupted tells of releases whose ships were killed, which could not
// do so themselves. They are told of once: the record of each is ended, or
// says so.
func (s *shipment) tellInterrupted(left deployer.Leftover) {
	if !s.tells() {
		return
	}
	for _, release := range slices.Backward(left.Begun) {
		if release.Interrupted {
			continue
		}
		n := s.notice(site.Failed)
		n.Outcome, n.Command, n.Took = "interrupted", "ship", 0
		n.Commit, n.Image, n.Release, n.Back, n.By, n.At = release.Commit, release.Image, release.Number, release.Back, release.By, release.At
		if release.Back > 0 {
			n.Command = "rollback"
		}
		n.Problems = []ci.Problem{{Message: fmt.Sprintf(
			"it was begun %s, and killed or cut off before it had come to its end", release.At.UTC().Format(time.RFC3339))}}
		n.State = fmt.Sprintf("%s has found it, and goes on from there: sitectl %s.", shippedBy(), s.own.Command.Name)
		s.send(n)
	}
}

// tellEnd tells how it went, and waits until all know, or there is no more
// time. Nobody needs to be told for a ship to be shipped.
func (s *shipment) tellEnd(ctx context.Context, r result, err error) {
	if s.tells() {
		for _, n := range s.lastNotices(ctx, r, err) {
			s.send(n)
		}
	}
	if s.told.notifier == nil {
		return
	}
	within := notifyTimeout
	var interrupted *interruption
	if errors.As(context.Cause(ctx), &interrupted) {
		within = min(within, lastMoment-time.Since(interrupted.at))
	}
	for _, line := range s.told.notifier.Close(within) {
		s.log.Line(line)
	}
}

// lastNotices are what is to be told at the end.
func (s *shipment) lastNotices(ctx context.Context, r result, err error) []ci.Notice {
	switch {
	case r.Error != nil:
		return s.failures(ctx, r, err)
	case r.Outcome == "rolled back", s.release != nil && s.release.Back > 0 && !s.running:
		return []ci.Notice{s.notice(site.RolledBack)}
	case r.Restored != nil: // by recover
		return []ci.Notice{s.putBackNotice(*r.Restored)}
	case r.Outcome == "shipped", r.Outcome == "deployed", r.Outcome == "recovered" && s.release != nil:
		return []ci.Notice{s.notice(site.Shipped)}
	default:
		return nil
	}
}

// failures leaves out what a person sees who has made a mistake, as long as
// nobody else knows of the ship.
func (s *shipment) failures(ctx context.Context, r result, err error) []ci.Notice {
	if r.Error.ExitStatus == statusUsage && !s.told.started {
		return nil
	}
	n := s.notice(site.Failed)
	n.Outcome, n.State = r.Outcome, r.Error.State
	var failed *stepError
	if errors.As(err, &failed) {
		n.Step = failed.step.name
	}
	if r.Outcome == "cancelled" {
		n.Problems = []ci.Problem{{Message: context.Cause(ctx).Error()}}
		if failed != nil {
			n.State = failed.step.stopped
		}
	} else {
		for _, p := range r.Error.Problems {
			n.Problems = append(n.Problems, ci.Problem{Message: p.Message, Hint: s.hidden.In(p.Hint)})
		}
	}
	if r.Restored == nil {
		return []ci.Notice{n}
	}
	return []ci.Notice{n, s.putBackNotice(*r.Restored)}
}

func (s *shipment) putBackNotice(to deployer.Release) ci.Notice {
	n := s.notice(site.RolledBack)
	n.Outcome, n.Back = "put back", to.Number
	return n
}

// noticeError says that a message cannot be made as the site file has it.
type noticeError struct {
	template string
	err      error
}

func (e *noticeError) Error() string { return fmt.Sprintf("notify: %s: %v", e.template, e.err) }

func (e *noticeError) Unwrap() error { return e.err }

// Hint says what to do about it.
func (e *noticeError) Hint() string {
	return "commit a template that makes a message of that platform, or leave the key template out"
}

// checkNotices makes sure that the site's own templates of messages make some.
func (src source) checkNotices() error {
	var errs []error
	for _, notify := range src.site.Notify {
		if notify.Template == "" {
			continue
		}
		i := slices.IndexFunc(src.own.Notify, func(f site.OwnFile) bool { return f.Path == notify.Template })
		if i < 0 {
			errs = append(errs, &noticeError{notify.Template, errors.New("the commit has no such file")})
			continue
		}
		for _, happened := range notify.On {
			if _, err := (ci.Notice{Event: happened}).Render(notify.Type, src.own.Notify[i].Content); err != nil {
				errs = append(errs, &noticeError{notify.Template, err})
				break
			}
		}
	}
	return errors.Join(errs...)
}

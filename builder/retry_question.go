package builder

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// question bounds how long something may take that needs no work.
type question struct {
	reach time.Duration

	mutex sync.Mutex
	ends  time.Time
	timer *time.Timer
}

type questionKey struct{}

// answerWithin bounds a question that needs no work. Time for which a registry
// asks to be left alone does not count: it has answered.
func answerWithin(ctx context.Context, reach time.Duration) (context.Context, context.CancelFunc) {
	ctx, answered, cancel := beginWithin(ctx, reach)
	return ctx, func() {
		answered()
		cancel(nil)
	}
}

// beginWithin bounds how long it takes until answered is called. What is read
// with the context after that may take its time, until cancel is called.
func beginWithin(ctx context.Context, reach time.Duration) (_ context.Context, answered func(), cancel context.CancelCauseFunc) {
	ctx, cancel = context.WithCancelCause(ctx)
	q := &question{reach: reach, ends: time.Now().Add(reach)}
	q.timer = time.AfterFunc(reach, func() { cancel(fmt.Errorf("no answer within %s", reach)) })
	return context.WithValue(ctx, questionKey{}, q), func() { q.timer.Stop() }, cancel
}

// extend lets the question that ctx is about begin anew after a pause.
func extend(ctx context.Context, after time.Time) {
	q, ok := ctx.Value(questionKey{}).(*question)
	if !ok {
		return
	}
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if ends := after.Add(q.reach); ends.After(q.ends) && q.timer.Stop() {
		q.ends = ends
		q.timer.Reset(time.Until(ends))
	}
}

// answerDeadline is when the time for the question that ctx is about, or for
// all of ctx, is up. There may be none.
func answerDeadline(ctx context.Context) (time.Time, bool) {
	deadline, bounded := ctx.Deadline()
	q, ok := ctx.Value(questionKey{}).(*question)
	if !ok {
		return deadline, bounded
	}
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if !bounded || q.ends.Before(deadline) {
		return q.ends, true
	}
	return deadline, true
}

package deployer

import "time"

// doubt keeps a fatal verdict from being believed too early: it must hold
// without a break for its grace period, at least until it is seen again.
type doubt struct{ since time.Time }

// settled says whether the verdict, nil for none, has held long enough.
func (d *doubt) settled(verdict *Verdict, now time.Time) bool {
	if verdict == nil || !verdict.Fatal {
		d.since = time.Time{}
		return false
	}
	if d.since.IsZero() {
		d.since = now
	}
	return now.Sub(d.since) >= verdict.Grace
}

package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestExamine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		look := func(after time.Duration, result checkResult) func(context.Context) []diagnosis {
			return func(ctx context.Context) []diagnosis {
				<-time.After(after)
				return []diagnosis{{Result: result}}
			}
		}
		checks := grouped("a", statusBuild,
			&examined{name: "slow", look: look(3*time.Second, checkOK)},
			&examined{name: "quick", mend: "mend it", look: look(time.Second, checkFailed)},
			&examined{name: "needs quick", needs: []string{"slow", "quick"}, look: look(0, checkOK)},
			&examined{name: "needs what needs", needs: []string{"needs quick"}, look: look(0, checkOK)},
			&examined{name: "after quick", after: []string{"quick"}, look: look(time.Second, checkWarning)},
			&examined{name: "stuck", look: func(context.Context) []diagnosis {
				<-time.After(time.Hour)
				return nil
			}},
			&examined{name: "nothing", look: func(context.Context) []diagnosis { return nil }})
		type told struct {
			name  string
			after time.Duration
			found []diagnosis
		}
		var list []told
		begin := time.Now()
		examine(t.Context(), checks, func(e *examined) { list = append(list, told{e.name, time.Since(begin), e.found}) })
		found := func(check string, result checkResult, message, mend, lacks string) []diagnosis {
			return []diagnosis{{Group: "a", Check: check, Result: result, Message: message, Mend: mend, lacks: lacks}}
		}
		assert.Equal(t, []told{
			{"slow", 3 * time.Second, found("slow", checkOK, "", "", "")},
			{"quick", 3 * time.Second, found("quick", checkFailed, "", "mend it", "")},
			{"needs quick", 3 * time.Second, found("needs quick", checkSkipped, "needs quick: not before quick is well", "", "quick")},
			{"needs what needs", 3 * time.Second, found("needs what needs", checkSkipped, "needs what needs: not before quick is well", "", "quick")},
			{"after quick", 3 * time.Second, found("after quick", checkWarning, "", "", "")},
			{"stuck", examinationTimeout, found("stuck", checkFailed, "stuck: no answer within 20s", "", "")},
			{"nothing", examinationTimeout, nil},
		}, list)
		<-time.After(time.Hour) // so that nobody is left behind
	})
}

func TestExamineIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errors.New("enough")) })
		begin := time.Now()
		check := &examined{name: "stuck", look: func(context.Context) []diagnosis {
			<-time.After(time.Minute)
			return nil
		}}
		examine(ctx, []*examined{check}, func(e *examined) { assert.Equal(t, "stuck: enough", e.found[0].Message) })
		assert.Equal(t, time.Second, time.Since(begin))
		<-time.After(time.Minute)
	})
}

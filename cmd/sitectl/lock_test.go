package main

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/sitectl/sitectl/deployer"
)

func TestLockLost(t *testing.T) {
	failed := &stepError{step: step{name: "roll"}, err: errors.New("client rate limiter Wait returned an error: context canceled")}
	held, lose := context.WithCancelCause(t.Context())
	assert.Equal(t, failed, lockLost(held, failed), "the lock is held")

	lose(&deployer.LockedError{Holder: deployer.Holder{By: "grace@ship"}, Lost: true})
	assert.NoError(t, lockLost(held, nil), "what was done in time is done")
	err := lockLost(held, failed)
	assert.Equal(t, statusLocked, exitStatus(t.Context(), err))
	assert.ErrorContains(t, err, "taken from this run by grace@ship")
	var at *stepError
	assert.ErrorAs(t, err, &at)
	assert.Equal(t, "roll", at.step.name)
}

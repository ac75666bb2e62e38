package platform

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAddressIsFree(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	taken := part{name: "registry", address: listener.Addr().String()}
	assert.ErrorContains(t, taken.addressIsFree(), "another program has its address")
	require.NoError(t, listener.Close())
	assert.NoError(t, taken.addressIsFree())
	assert.NoError(t, part{address: "unix:///run/x.sock"}.addressIsFree())
}

func TestAwaitAsksAgain(t *testing.T) {
	asked := 0
	err := await(t.Context(), nil, func(context.Context) error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, 3, asked)
}

func TestAwaitGivesUpOnAProcessThatExited(t *testing.T) {
	exited := make(chan struct{})
	close(exited)
	err := await(t.Context(), exited, func(context.Context) error { return errors.New("connection refused") })
	assert.EqualError(t, err, "it exited")
}

func TestAwaitEndsWithTheLastAnswer(t *testing.T) {
	interrupted, refused := errors.New("interrupted"), errors.New("connection refused")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(interrupted)
	err := await(ctx, nil, func(context.Context) error { return refused })
	assert.ErrorIs(t, err, interrupted)
	assert.ErrorIs(t, err, refused)
}

// interrupter is a Progress that cancels what has started.
type interrupter struct {
	journal
	cancel context.CancelCauseFunc
	cause  error
}

func (i *interrupter) Started(step string) {
	i.journal.Started(step)
	i.cancel(i.cause)
}

func TestLockKeepsASecondCommandWaiting(t *testing.T) {
	lab := &Lab{layout: testLayout(t)}
	unlock, err := lab.lock(t.Context(), &journal{})
	require.NoError(t, err)

	interrupted := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	waiting := &interrupter{cancel: cancel, cause: interrupted}
	_, err = lab.lock(ctx, waiting)
	assert.ErrorIs(t, err, interrupted)
	assert.Equal(t, []string{"other lab command"}, waiting.started)

	unlock()
	unlock, err = lab.lock(t.Context(), &journal{})
	require.NoError(t, err)
	unlock()
}

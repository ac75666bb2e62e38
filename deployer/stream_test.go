package deployer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTimestamp(t *testing.T) {
	at, text := timestamp("2026-01-02T03:04:05.678901234Z hello world")
	assert.Equal(t, time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC), at)
	assert.Equal(t, "hello world", text)

	at, text = timestamp("2026-01-02T03:04:05Z ")
	assert.False(t, at.IsZero())
	assert.Empty(t, text, "an empty line")

	at, text = timestamp("hello world")
	assert.True(t, at.IsZero())
	assert.Equal(t, "hello world", text)
}

func TestBookmark(t *testing.T) {
	b := &bookmark{}
	at, text := b.move("2026-01-02T03:04:05.2Z to stdout")
	assert.Equal(t, "to stdout", text)
	assert.Equal(t, 200*time.Millisecond, at.Sub(at.Truncate(time.Second)))
	_, text = b.move("2026-01-02T03:04:05.1Z to stderr, earlier")
	assert.Equal(t, "to stderr, earlier", text)
	assert.Equal(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), b.second)
	assert.Len(t, b.lines, 2)

	b.move("2026-01-02T03:04:06Z next second")
	assert.Equal(t, map[string]bool{"2026-01-02T03:04:06Z next second": true}, b.lines)

	b.move("2026-01-02T03:04:05.9Z late")
	assert.Equal(t, time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC), b.second)
}

//go:build lab

package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNotify lets a webhook hear of ships, one of them killed.
func TestNotify(t *testing.T) {
	t.Parallel()
	h := &hearing{}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	address := filepath.Join(t.TempDir(), "webhook")
	require.NoError(t, os.WriteFile(address, []byte(server.URL+"/secret-path\n"), 0o600))
	s := newLabSite(t, "notify")
	s.edit(t, func(file map[string]any) {
		file["notify"] = []map[string]any{{
			"type": "webhook", "urlFrom": map[string]any{"file": address}, "on": []string{"started", "shipped", "failed", "rolled back"},
		}}
	})
	first := s.commit(t, "tell somebody")

	t.Run("a ship", func(t *testing.T) {
		out := s.succeed(t, "ship", "--progress", "plain")
		assert.Equal(t, []string{"started: started", "shipped: shipped"}, h.forget())
		assert.NotContains(t, out.stderr, "is not told")
		assert.Contains(t, s.succeed(t, "ship", "--progress", "plain").stderr, "already running")
		assert.Empty(t, h.forget(), "there was nothing to do")
	})
	var killed string
	t.Run("one that is killed", func(t *testing.T) {
		killed = s.commit(t, "not finished")
		s.killAt(t, "==> roll")
		assert.Equal(t, []string{"started: started"}, h.forget(), "it cannot say any more")
		s.succeed(t, "unlock", "--force")
		s.succeed(t, "recover")
		h.mutex.Lock()
		told := h.told
		h.mutex.Unlock()
		require.Equal(t, []string{"failed: interrupted", "shipped: shipped"}, h.forget())
		assert.Equal(t, "✗ "+s.address+": ship of "+killed+" was interrupted", told[0].Text)
		assert.Equal(t, 2, told[0].Release)
		assert.NotEmpty(t, told[0].By)
		s.succeed(t, "recover")
		assert.Empty(t, h.forget(), "it is said once")
	})
	t.Run("one that is killed, and shipped again", func(t *testing.T) {
		s.commit(t, "not finished either")
		s.killAt(t, "==> roll")
		s.succeed(t, "unlock", "--force")
		s.ship(t)
		assert.Equal(t, []string{"started: started", "failed: interrupted", "started: started", "shipped: shipped"}, h.forget())
	})
	t.Run("a rollback", func(t *testing.T) {
		s.succeed(t, "rollback", "--keep-database", first)
		assert.Equal(t, []string{"started: started", "rolled back: rolled back"}, h.forget())
	})
	t.Run("nobody listens", func(t *testing.T) {
		server.Close()
		s.commit(t, "for nobody")
		out := s.succeed(t, "ship", "--progress", "plain")
		assert.Contains(t, out.stderr, "notify webhook ("+address+"): shipped is not told: ")
		assert.NotContains(t, out.stderr, "secret-path")
	})
}

// forget lists what was heard since the last time.
func (h *hearing) forget() []string {
	list := h.heard()
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.told = h.told[len(list):]
	return list
}

// killAt ships, and kills that when a line of standard error has the words.
func (s *labSite) killAt(t *testing.T, words string) {
	t.Helper()
	var p *process
	var once sync.Once
	reached := make(chan struct{})
	p = s.startWith(t, func(line string) {
		if strings.Contains(line, words) {
			once.Do(func() { close(reached) })
		}
	}, "ship", "--progress", "plain")
	ended := make(chan struct{})
	go func() {
		p.read.Wait()
		close(ended)
	}()
	select {
	case <-reached:
		require.NoError(t, p.command.Process.Kill())
	case <-ended:
	}
	out := p.wait(t)
	require.NotZero(t, out.status, "it was not killed: %s", out.stderr)
}

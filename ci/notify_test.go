package ci_test

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/site"
)

// listener is a webhook that remembers what it was told.
type listener struct {
	*httptest.Server
	answer http.HandlerFunc // nil for 200

	mutex sync.Mutex
	told  []string // events
}

const path = "/services/very-secret-path"

func listen(t *testing.T, answer http.HandlerFunc) *listener {
	t.Helper()
	l := &listener{answer: answer}
	l.Server = httptest.NewUnstartedServer(http.HandlerFunc(l.serve))
	l.Config.ErrorLog = log.New(io.Discard, "", 0)
	l.StartTLS()
	t.Cleanup(l.Close)
	return l
}

func (l *listener) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var told struct{ Event string }
	_ = json.Unmarshal(body, &told)
	l.mutex.Lock()
	l.told = append(l.told, told.Event)
	l.mutex.Unlock()
	if l.answer != nil {
		l.answer(w, r)
	}
}

func (l *listener) heard() []string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.told
}

// notifier tells the listener of all events, with a plain document.
func (l *listener) notifier(on ...site.NotifyEvent) (*ci.Notifier, *ci.Hidden) {
	if on == nil {
		on = []site.NotifyEvent{site.Started, site.Shipped, site.Failed, site.RolledBack}
	}
	hidden := &ci.Hidden{}
	return ci.NewNotifier([]site.Notify{{Type: site.Webhook, URLFrom: site.URLFrom{Env: "HOOK"}, On: on}}, ci.NotifyOptions{
		Getenv:    func(string) string { return l.URL + path },
		Hidden:    hidden,
		Transport: l.Client().Transport,
	}), hidden
}

func TestNotifierTellsInOrder(t *testing.T) {
	l := listen(t, nil)
	n, hidden := l.notifier()
	n.Send(sampleNotice(site.Started))
	n.Send(sampleNotice(site.Failed))
	n.Send(sampleNotice(site.RolledBack))
	assert.Empty(t, n.Close(5*time.Second))
	assert.Equal(t, []string{"started", "failed", "rolled back"}, l.heard())
	assert.Equal(t, "at ***", hidden.In("at "+l.URL+path))
}

func TestNotifierTellsWhatWasAskedFor(t *testing.T) {
	l := listen(t, nil)
	n, _ := l.notifier(site.Failed)
	n.Send(sampleNotice(site.Started))
	n.Send(sampleNotice(site.Failed))
	assert.Empty(t, n.Close(5*time.Second))
	assert.Equal(t, []string{"failed"}, l.heard())
}

func TestNotifierTriesAgain(t *testing.T) {
	times := 0
	l := listen(t, func(w http.ResponseWriter, _ *http.Request) {
		if times++; times < 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	n, _ := l.notifier()
	n.Send(sampleNotice(site.Shipped))
	assert.Empty(t, n.Close(5*time.Second))
	assert.Len(t, l.heard(), 3)
}

// What cannot be told is said at the end, without the address.
func TestNotifierThatIsNotHeard(t *testing.T) {
	elsewhere := listen(t, nil)
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"refused": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "invalid_token\n\x1b[2J of "+r.URL.Path)
		}, "notify webhook ($HOOK): shipped is not told: 403 Forbidden: invalid_token [2J of ***"},
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<html>")
		}, "notify webhook ($HOOK): shipped is not told: 404 Not Found"},
		"another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}, "notify webhook ($HOOK): shipped is not told: 307 Temporary Redirect"},
		"another method": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/login", http.StatusFound)
		}, "notify webhook ($HOOK): shipped is not told: 302 Found"},
		"broken off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "notify webhook ($HOOK): shipped is not told: "},
		"slow":       {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "notify webhook ($HOOK): shipped is not told: there was no more time"},
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, test.answer)
			n, _ := l.notifier()
			n.Send(sampleNotice(site.Shipped))
			within := 5 * time.Second
			if name == "slow" {
				within = 50 * time.Millisecond
			}
			failed := n.Close(within)
			require.Len(t, failed, 1)
			assert.True(t, strings.HasPrefix(failed[0], test.want), failed[0])
			assert.NotContains(t, failed[0], "very-secret")
			assert.NotContains(t, failed[0], l.URL)
		})
	}
	assert.Empty(t, elsewhere.heard())
}

func TestNotifierVerifiesTLS(t *testing.T) {
	l := listen(t, nil)
	n := ci.NewNotifier([]site.Notify{{Type: site.Webhook, URLFrom: site.URLFrom{Env: "HOOK"}, On: []site.NotifyEvent{site.Shipped}}},
		ci.NotifyOptions{Getenv: func(string) string { return l.URL + path }})
	n.Send(sampleNotice(site.Shipped))
	failed := n.Close(5 * time.Second)
	require.Len(t, failed, 1)
	assert.Contains(t, failed[0], "certificate")
	assert.NotContains(t, failed[0], path)
	assert.Empty(t, l.heard())
}

func TestAddress(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "webhook")
	require.NoError(t, os.WriteFile(file, []byte("https://hooks.example.com/secret\n"), 0o600))
	variables := map[string]string{
		"GOOD": " https://hooks.example.com/secret\n", "LOCAL": "http://127.0.0.1:8080/secret",
		"PLAIN": "http://hooks.example.com/secret", "WORDS": "secret", "EMPTY": "",
	}
	for name, test := range map[string]struct {
		from  site.URLFrom
		want  string
		error string
	}{
		"variable":     {site.URLFrom{Env: "GOOD"}, "https://hooks.example.com/secret", ""},
		"file":         {site.URLFrom{File: file}, "https://hooks.example.com/secret", ""},
		"this machine": {site.URLFrom{Env: "LOCAL"}, "http://127.0.0.1:8080/secret", ""},
		"without TLS":  {site.URLFrom{Env: "PLAIN"}, "", "no address of the form https://"},
		"words":        {site.URLFrom{Env: "WORDS"}, "", "no address of the form https://"},
		"empty":        {site.URLFrom{Env: "EMPTY"}, "", "there is no address"},
		"no file":      {site.URLFrom{File: filepath.Join(dir, "none")}, "", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ci.Address(test.from, func(name string) string { return variables[name] })
			assert.Equal(t, test.want, got)
			if test.error != "" {
				require.ErrorContains(t, err, test.error)
				assert.NotContains(t, err.Error(), "secret")
			} else {
				assert.NoError(t, err)
			}
		})
	}
}

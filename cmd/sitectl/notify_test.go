package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// hearing is what a webhook was told.
type hearing struct {
	mutex sync.Mutex
	told  []notification
}

// notification is the default document of a plain webhook.
type notification struct {
	Event, Outcome, Text, By, State, Step string
	Release, Back                         int
	Commit                                site.Commit
	Reasons                               []struct{ Message, Hint string }
}

func (h *hearing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var n notification
	if body, err := io.ReadAll(r.Body); err != nil || json.Unmarshal(body, &n) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.told = append(h.told, n)
}

// heard lists the events and outcomes.
func (h *hearing) heard() []string {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	var list []string
	for _, n := range h.told {
		list = append(list, n.Event+": "+n.Outcome)
	}
	return list
}

// tellingShipment is a shipment of a site with a webhook.
func tellingShipment(t *testing.T, command, outcome string) (*shipment, *hearing, *strings.Builder) {
	t.Helper()
	h := &hearing{}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	t.Setenv("HOOK", server.URL+"/secret")
	context := cli.NewContext(nil, flag.NewFlagSet("", flag.ContinueOnError), nil)
	context.Command = &cli.Command{Name: command}
	log := &strings.Builder{}
	s := newShipment(options{own: context, stderr: log, stdout: io.Discard, file: "site.yaml"}, outcome)
	s.source.site = site.Site{Address: "example.com", Notify: []site.Notify{{
		Type: site.Webhook, URLFrom: site.URLFrom{Env: "HOOK"}, On: []site.NotifyEvent{site.Started, site.Shipped, site.Failed, site.RolledBack},
	}}}
	s.source.commit = site.Commit{Tag: "1a2b3c4"}
	return s, h, log
}

func TestWhatIsTold(t *testing.T) {
	failure := &stepError{step: step{name: "roll", failed: "It serves.", stopped: "It goes on."}, err: &deployer.RolloutError{Reason: "it crashes"}}
	nothing := func(*shipment) error { return nil }
	work := func(s *shipment) error {
		s.tellStarted()
		return nil
	}
	released := &deployer.Release{Number: 7}
	for name, test := range map[string]struct {
		command, outcome string
		run              func(*shipment) error
		want             []string
	}{
		"shipped":  {"ship", "shipped", func(s *shipment) error { s.release = released; return work(s) }, []string{"started: started", "shipped: shipped"}},
		"deployed": {"deploy", "deployed", func(s *shipment) error { s.release = released; return work(s) }, []string{"started: started", "shipped: shipped"}},
		"built":    {"build", "built", nothing, nil},
		"running":  {"ship", "shipped", func(s *shipment) error { s.running = true; return nil }, nil},
		"failed":   {"ship", "shipped", func(s *shipment) error { return errors.Join(work(s), failure) }, []string{"started: started", "failed: failed"}},
		"put back": {"ship", "shipped", func(s *shipment) error {
			s.restored = &deployer.Release{Number: 6}
			return errors.Join(work(s), failure)
		}, []string{"started: started", "failed: failed", "rolled back: put back"}},
		"registry refuses": {"ship", "shipped", func(*shipment) error { return &builder.RegistryError{Err: errors.New("denied")} }, []string{"failed: failed"}},
		"a mistake":        {"ship", "shipped", func(*shipment) error { return &site.DirtyError{} }, nil},
		"rolled back": {"rollback", "rolled back", func(s *shipment) error {
			s.release = &deployer.Release{Number: 8, Back: 6}
			return work(s)
		}, []string{"started: started", "rolled back: rolled back"}},
		"nothing to recover": {"recover", "nothing", nothing, nil},
		"finished":           {"recover", "recovered", func(s *shipment) error { s.release = released; return nil }, []string{"shipped: shipped"}},
		"taken back":         {"recover", "recovered", nothing, nil},
		"recovered by going back": {"recover", "recovered", func(s *shipment) error {
			s.restored = &deployer.Release{Number: 6}
			return nil
		}, []string{"rolled back: put back"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, h, log := tellingShipment(t, test.command, test.outcome)
			_ = s.finish(t.Context(), test.run(s))
			assert.Equal(t, test.want, h.heard(), log)
			assert.NotContains(t, log.String(), "/secret")
		})
	}
}

func TestFailureThatIsTold(t *testing.T) {
	s, h, _ := tellingShipment(t, "ship", "shipped")
	s.begun = &deployer.Release{Number: 7}
	failure := &stepError{step: step{name: "roll", failed: "It serves."}, err: &missingImageError{"site:1"}}
	require.Error(t, s.finish(t.Context(), failure))
	require.Len(t, h.told, 1)
	told := h.told[0]
	assert.Equal(t, "✗ example.com: ship of 1a2b3c4 failed", told.Text)
	assert.Equal(t, "roll", told.Step)
	assert.Equal(t, "It serves.", told.State)
	assert.Equal(t, 7, told.Release)
	require.Len(t, told.Reasons, 1)
	assert.Equal(t, "site:1 is not in the registry", told.Reasons[0].Message)
	assert.Equal(t, "build it: sitectl build", told.Reasons[0].Hint)
}

func TestCancelIsTold(t *testing.T) {
	s, h, _ := tellingShipment(t, "ship", "shipped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&interruption{syscall.SIGINT, time.Now()})
	failure := &stepError{step: step{name: "roll", stopped: "The site serves."}, err: context.Canceled}
	require.Error(t, s.finish(ctx, failure))
	require.Len(t, h.told, 1)
	assert.Equal(t, "✗ example.com: ship of 1a2b3c4 was cancelled", h.told[0].Text)
	assert.Equal(t, "The site serves.", h.told[0].State)
	assert.Equal(t, "cancelled by interrupt", h.told[0].Reasons[0].Message)
}

// When a pipeline is about to kill the process, nobody is waited for.
func TestCancelLongAgo(t *testing.T) {
	s, _, log := tellingShipment(t, "ship", "shipped")
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hanging.Close()
	t.Setenv("HOOK", hanging.URL+"/secret")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&interruption{syscall.SIGINT, time.Now().Add(-lastMoment)})
	require.Error(t, s.finish(ctx, context.Canceled))
	assert.Contains(t, log.String(), "notify webhook ($HOOK): failed is not told: there was no more time")
}

func TestInterruptedIsTold(t *testing.T) {
	s, h, _ := tellingShipment(t, "ship", "shipped")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s.tellInterrupted(deployer.Leftover{Begun: []deployer.Release{
		{Number: 9, Commit: site.Commit{Tag: "9999999"}, By: "ada@laptop", At: at},
		{Number: 8, Commit: site.Commit{Tag: "8888888"}, By: "job 8", At: at, Interrupted: true},
		{Number: 7, Commit: site.Commit{Tag: "7777777"}, By: "job 7", At: at, Back: 3},
	}})
	require.NoError(t, s.finish(t.Context(), nil))
	require.Equal(t, []string{"failed: interrupted", "failed: interrupted", "shipped: shipped"}, h.heard())
	assert.Equal(t, "✗ example.com: rollback to 7777777 was interrupted", h.told[0].Text)
	told := h.told[1]
	assert.Equal(t, "✗ example.com: ship of 9999999 was interrupted", told.Text)
	assert.Equal(t, "ada@laptop", told.By)
	assert.Equal(t, 9, told.Release)
	assert.Contains(t, told.Reasons[0].Message, "begun 2026-01-02T03:04:05Z")
	assert.Contains(t, told.State, "sitectl ship")
}

func TestCheckNotices(t *testing.T) {
	src := source{site: site.Site{Notify: []site.Notify{
		{Type: site.Slack, On: []site.NotifyEvent{site.Shipped}},
		{Type: site.Slack, On: []site.NotifyEvent{site.Shipped}, Template: ".sitectl/notify/good.json.mustache"},
		{Type: site.Slack, On: []site.NotifyEvent{site.Shipped}, Template: ".sitectl/notify/bad.json.mustache"},
		{Type: site.Slack, On: []site.NotifyEvent{site.Shipped}, Template: ".sitectl/notify/none.json.mustache"},
	}}, own: site.Own{Notify: []site.OwnFile{
		{Path: ".sitectl/notify/bad.json.mustache", Content: []byte(`{"txt": 1}`)},
		{Path: ".sitectl/notify/good.json.mustache", Content: []byte(`{"text": {{Headline}}}`)},
	}}}
	err := src.checkNotices()
	require.Error(t, err)
	assert.Equal(t, statusUsage, exitStatus(t.Context(), err))
	assert.Equal(t, "notify: .sitectl/notify/bad.json.mustache: what comes of template slack.json is no message: json: unknown field \"txt\"\n"+
		"notify: .sitectl/notify/none.json.mustache: the commit has no such file", err.Error())
}

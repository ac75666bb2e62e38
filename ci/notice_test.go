package ci_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/site"
)

var platforms = []site.NotifyType{site.Slack, site.Mattermost, site.Teams, site.Webhook}

// sampleNotice is what is told of a ship.
func sampleNotice(event site.NotifyEvent) ci.Notice {
	n := ci.Notice{
		Event: event, Command: "ship", Outcome: string(event),
		Site: "shop.example.com", Environment: "staging", Namespace: "shop-example-com-staging", URL: "https://staging.shop.example.com",
		Commit: site.Commit{SHA: "1a2b3c4d5e6f", Tag: "1a2b3c4", Subject: "New front page", Author: "Ada"},
		By:     "https://gitlab.example.com/agency/shop/-/jobs/7",
		At:     time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	switch event {
	case site.Shipped:
		n.Release, n.Took = 7, 83*time.Second
		n.Image = "registry.example.com/agency/shop:1a2b3c4@sha256:" + strings.Repeat("0", 64)
	case site.Failed:
		n.Release, n.Took, n.Step = 7, 83*time.Second, "roll"
		n.Problems = []ci.Problem{{Message: "Deployment web: container web crashes\n  PHP Fatal error: no such function", Hint: "sitectl logs"}, {Message: "it is late"}}
		n.State = "The site was put back: release 6 (0f1e2d3) serves."
	case site.RolledBack:
		n.Command, n.Release, n.Back, n.Took = "rollback", 8, 6, 12*time.Second
	}
	return n
}

// TestNotices compares each kind of message on each platform with a golden
// file.
func TestNotices(t *testing.T) {
	for _, platform := range platforms {
		for _, event := range []site.NotifyEvent{site.Started, site.Shipped, site.Failed, site.RolledBack} {
			name := string(platform) + "." + strings.ReplaceAll(string(event), " ", "-")
			t.Run(name, func(t *testing.T) {
				document, err := sampleNotice(event).Render(platform, nil)
				require.NoError(t, err)
				var any any
				require.NoError(t, json.Unmarshal(document, &any))
				pretty := &strings.Builder{}
				encoder := json.NewEncoder(pretty)
				encoder.SetEscapeHTML(false)
				encoder.SetIndent("", "  ")
				require.NoError(t, encoder.Encode(any))
				path := filepath.Join("testdata", "notify", name+".golden.json")
				if *update {
					require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
					require.NoError(t, os.WriteFile(path, []byte(pretty.String()), 0o644))
				}
				want, err := os.ReadFile(path)
				require.NoError(t, err)
				assert.Equal(t, string(want), pretty.String())
			})
		}
	}
}

func TestHeadlines(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*ci.Notice)
		want   string
	}{
		"cancelled":      {func(n *ci.Notice) { n.Outcome = "cancelled" }, "✗ shop.example.com (staging): ship of 1a2b3c4 was cancelled"},
		"interrupted":    {func(n *ci.Notice) { n.Outcome = "interrupted" }, "✗ shop.example.com (staging): ship of 1a2b3c4 was interrupted"},
		"a rollback":     {func(n *ci.Notice) { n.Command = "rollback" }, "✗ shop.example.com (staging): rollback to 1a2b3c4 failed"},
		"production":     {func(n *ci.Notice) { n.Environment = "" }, "✗ shop.example.com: ship of 1a2b3c4 failed"},
		"put back":       {func(n *ci.Notice) { n.Event, n.Outcome, n.Back = site.RolledBack, "put back", 6 }, "↩ shop.example.com (staging): put back to release 6, after the ship of 1a2b3c4 failed"},
		"going back":     {func(n *ci.Notice) { n.Event, n.Command = site.Started, "rollback" }, "▶ shop.example.com (staging): rolling back to 1a2b3c4"},
		"of no commit":   {func(n *ci.Notice) { n.Commit = site.Commit{} }, "✗ shop.example.com (staging): ship failed"},
		"very long name": {func(n *ci.Notice) { n.Site = strings.Repeat("x", 400) }, "✗ " + strings.Repeat("x", 297) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			notice := sampleNotice(site.Failed)
			test.change(&notice)
			document, err := notice.Render(site.Webhook, nil)
			require.NoError(t, err)
			var told struct{ Text string }
			require.NoError(t, json.Unmarshal(document, &told))
			assert.Equal(t, test.want, told.Text)
		})
	}
}

// Words of a commit and of a pod stay words: no link, no mention, no JSON.
func TestHostileNotices(t *testing.T) {
	notice := sampleNotice(site.Failed)
	notice.Commit.Subject = "\",\"x\":\"\x1b[2J <!channel> @all *bold* [link](https://evil.example) ``` {{Text}}"
	notice.Problems = []ci.Problem{{Message: "```\n<!here> @channel \x00 </script>"}}
	for _, platform := range platforms {
		document, err := notice.Render(platform, nil)
		require.NoError(t, err, platform)
		text := string(document)
		if platform != site.Webhook { // which has the subject as it is
			assert.NotContains(t, text, `\u001b`)
		}
		switch platform {
		case site.Slack:
			assert.NotContains(t, text, "<!")
			assert.Contains(t, text, "&lt;!channel&gt;")
		case site.Mattermost:
			assert.NotContains(t, text, " @all")
			assert.Contains(t, text, `\\[link\\]`)
			assert.Equal(t, 2, strings.Count(text, "```"), "the block ends where it has to")
		}
	}
}

func TestOwnTemplates(t *testing.T) {
	notice := sampleNotice(site.Shipped)
	document, err := notice.Render(site.Slack, []byte(`{"text": {{Headline}}, "username": {{Site}}}`))
	require.NoError(t, err)
	assert.JSONEq(t, `{"text": "✓ shop.example.com (staging): 1a2b3c4 is shipped", "username": "shop.example.com"}`, string(document))
	document, err = notice.Render(site.Webhook, []byte(`{"anything": [{{{Release}}}, {{Tag}}]}`))
	require.NoError(t, err)
	assert.Equal(t, `{"anything":[7,"1a2b3c4"]}`, string(document))
	for text, want := range map[string]string{
		`{"text": {{Nothing}}}`:        "Nothing",
		`{"text": "{{Headline}}"}`:     "no message",
		`{"txt": {{Headline}}}`:        `unknown field "txt"`,
		`{"text": {{Headline}}} {}`:    "something after it",
		`[]`:                           "cannot unmarshal array",
		`{"text": {{Headline}}, {{#}}`: "parse template",
	} {
		_, err := notice.Render(site.Slack, []byte(text))
		assert.ErrorContains(t, err, want, text)
	}
}

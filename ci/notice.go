package ci

import (
	"fmt"
	"strings"
	"time"

	"github.com/sitectl/sitectl/site"
)

// Notice is what others are told of a ship.
type Notice struct {
	Event   site.NotifyEvent
	Command string // what is under way: ship, deploy, rollback or recover
	// Outcome says more of an event: "failed", "cancelled" or "interrupted" of
	// Failed, "put back" of RolledBack; otherwise it is the event.
	Outcome string

	Site        string
	Environment string // empty for none
	Namespace   string
	URL         string // of the site; empty if it has no ingress
	Commit      site.Commit
	Image       string // reference with tag and digest; empty while there is none
	Release     int    // its number; 0 while it has none
	Back        int    // number of the release that was gone back to; 0 for none
	By          string // who ships: a person, or the address of a pipeline job

	Took     time.Duration // so far
	Step     string        // that has failed; empty for none
	Problems []Problem     // why it has failed
	State    string        // of the site, after a failure; empty where the problems say it
	At       time.Time
}

// Texts of others are cut, in characters: every platform has limits of its
// own, and none is meant for a log.
const (
	longestFact   = 300
	longestReason = 800
	mostReasons   = 5
)

// noticeView is a notice as the templates of a platform read it. Title, Text,
// and the texts of facts and reasons are in the platform's own markup, all
// others are plain.
type noticeView struct {
	Event, Outcome, Headline, Title, Text, Color       string
	Site, Environment, Namespace, URL, Image, By, Step string
	SHA, Tag, Subject, Author, State, At, Seconds      string
	Release, Back                                      int
	HasState                                           bool
	Facts                                              []noticeFact
	Reasons                                            []noticeReason
	Links                                              []noticeLink
}

type noticeFact struct {
	Label, Value, Text string
	Last               bool
}

type noticeReason struct {
	Message, Hint, Text string
	Last                bool
}

type noticeLink struct {
	Label, URL string
	Last       bool
}

// eventMarks and eventColors tell events apart at a glance; the colors are
// those of adaptive cards.
var (
	eventMarks = map[site.NotifyEvent]string{
		site.Started: "▶", site.Shipped: "✓", site.Failed: "✗", site.RolledBack: "↩",
	}
	eventColors = map[site.NotifyEvent]string{
		site.Started: "accent", site.Shipped: "good", site.Failed: "attention", site.RolledBack: "warning",
	}
)

func (n Notice) view(platform site.NotifyType) noticeView {
	m := markups[platform]
	v := noticeView{
		Event: string(n.Event), Outcome: n.Outcome, Headline: n.headline(), Color: eventColors[n.Event],
		Site: n.Site, Environment: n.Environment, Namespace: n.Namespace, URL: n.URL, Image: n.Image, By: n.By, Step: n.Step,
		SHA: n.Commit.SHA, Tag: n.Commit.Tag, Subject: n.Commit.Subject, Author: n.Commit.Author,
		At: n.At.UTC().Format(time.RFC3339), Seconds: fmt.Sprintf("%.3f", n.Took.Seconds()),
		Release: n.Release, Back: n.Back, HasState: n.State != "",
		Facts: n.facts(m), Reasons: n.reasons(m), Links: n.links(),
	}
	v.Title, v.State = m.bold(m.plain(v.Headline)), m.plain(n.State)
	v.Text = m.text(v)
	return v
}

// headline is the notice in one line.
func (n Notice) headline() string {
	where := n.Site
	if n.Environment != "" {
		where += " (" + n.Environment + ")"
	}
	return abridged(eventMarks[n.Event]+" "+where+": "+n.sentence(), longestFact)
}

func (n Notice) sentence() string {
	back := n.Command == "rollback"
	doing, what := "shipping", "ship of "+n.Commit.Tag
	switch {
	case n.Commit.Tag == "": // it did not come so far
		what = n.Command
	case back:
		doing, what = "rolling back to", "rollback to "+n.Commit.Tag
	}
	switch {
	case n.Event == site.Started:
		return doing + " " + n.Commit.Tag
	case n.Event == site.Shipped:
		return n.Commit.Tag + " is shipped"
	case n.Event == site.RolledBack && !back:
		return fmt.Sprintf("put back to release %d, after the ship of %s failed", n.Back, n.Commit.Tag)
	case n.Event == site.RolledBack:
		return "rolled back to " + n.Commit.Tag
	case n.Outcome == "failed":
		return what + " failed"
	default:
		return what + " was " + n.Outcome
	}
}

// facts leaves out what is not known.
func (n Notice) facts(m markup) []noticeFact {
	var facts []noticeFact
	add := func(label, value string) {
		if value = abridged(value, longestFact); value != "" {
			facts = append(facts, noticeFact{Label: label + " ", Value: value, Text: m.bold(label) + " " + m.plain(value)})
		}
	}
	if n.Commit.Tag != "" {
		add("commit", strings.TrimSuffix(fmt.Sprintf("%s %q by %s", n.Commit.Tag, n.Commit.Subject, n.Commit.Author), " by "))
	}
	if n.Release > 0 {
		add("release", fmt.Sprint(n.Release))
	}
	add("step", n.Step)
	if n.Took > 0 {
		add("after", Seconds(n.Took))
	}
	add("by", n.By)
	add("site", n.URL)
	if len(facts) > 0 {
		facts[len(facts)-1].Last = true
	}
	return facts
}

func (n Notice) reasons(m markup) []noticeReason {
	var reasons []noticeReason
	for _, p := range n.Problems[:min(len(n.Problems), mostReasons)] {
		text := abridged(p.Message, longestReason)
		if p.Hint != "" {
			text += "\nhint: " + abridged(p.Hint, longestFact)
		}
		reasons = append(reasons, noticeReason{Message: abridged(p.Message, longestReason), Hint: abridged(p.Hint, longestFact), Text: m.quoted(text)})
	}
	if len(reasons) > 0 {
		reasons[len(reasons)-1].Last = true
	}
	return reasons
}

// links lead to the site, and to the pipeline job if one ships.
func (n Notice) links() []noticeLink {
	var links []noticeLink
	add := func(label, url string) {
		if isAddress(url) {
			links = append(links, noticeLink{Label: label, URL: url})
		}
	}
	add("the site", n.URL)
	add("the pipeline", n.By)
	if len(links) > 0 {
		links[len(links)-1].Last = true
	}
	return links
}

// abridged shortens a text to so many characters, and drops control characters
// other than line feeds.
func abridged(text string, most int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = Printable(line)
	}
	runes := []rune(strings.Join(lines, "\n"))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most-1]) + "…"
}

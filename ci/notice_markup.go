package ci

import (
	"strings"

	"github.com/sitectl/sitectl/site"
)

// markup is how a platform writes text.
type markup struct {
	plain  func(string) string // takes the meaning out of the words of others
	bold   func(string) string
	quoted func(string) string // several lines as they are
	text   func(noticeView) string
}

var markups = map[site.NotifyType]markup{
	site.Slack: {
		plain:  escapeSlack,
		bold:   around("*"),
		quoted: func(text string) string { return fence(escapeSlack(text)) },
		text:   func(v noticeView) string { return v.Headline },
	},
	site.Mattermost: {plain: escapeMarkdown, bold: around("**"), quoted: fence, text: markdown},
	// A TextRun of an adaptive card knows no markup.
	site.Teams:   {plain: same, bold: same, quoted: same, text: func(v noticeView) string { return v.Headline }},
	site.Webhook: {plain: same, bold: same, quoted: same, text: func(v noticeView) string { return v.Headline }},
}

// escapeSlack escapes what Slack makes links and mentions of:
// https://docs.slack.dev/messaging/formatting-message-text#escaping.
func escapeSlack(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

func same(text string) string { return text }

func around(mark string) func(string) string {
	return func(text string) string { return mark + text + mark }
}

// fence makes a block of code, in which nothing has a meaning but its end.
func fence(text string) string {
	return "```\n" + strings.ReplaceAll(text, "```", "'''") + "\n```"
}

// escapeMarkdown takes the meaning out of the characters of CommonMark's
// section 2.4, and out of "@", with which Mattermost calls people: a space
// without width after it ends the name.
func escapeMarkdown(text string) string {
	if isAddress(text) {
		return "<" + text + ">"
	}
	var out strings.Builder
	for _, r := range text {
		if strings.ContainsRune("\\`*_{}[]()#+-!|<>~", r) {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
		if r == '@' {
			out.WriteRune('\u200b')
		}
	}
	return out.String()
}

// isAddress says whether a text is a link and nothing else.
func isAddress(text string) bool {
	return (strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")) && !strings.ContainsAny(text, " \n<>\"`")
}

// markdown is a whole message.
func markdown(v noticeView) string {
	lines := []string{v.Title}
	for _, fact := range v.Facts {
		lines = append(lines, "- "+fact.Text)
	}
	for _, reason := range v.Reasons {
		lines = append(lines, "", reason.Text)
	}
	if v.HasState {
		lines = append(lines, "", v.State)
	}
	return strings.Join(lines, "\n")
}

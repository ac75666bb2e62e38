package site

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	notifyTypes  = []string{string(Slack), string(Mattermost), string(Teams), string(Webhook)}
	notifyEvents = []string{string(Started), string(Shipped), string(Failed), string(RolledBack)}
)

// variableName is that of an environment variable, as shells take it.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// notifyTemplate is the extension of templates of messages.
const notifyTemplate = ".json.mustache"

func (c *check) notify() {
	for i, notify := range c.site.Notify {
		at := joinIndex("notify", i)
		c.expect(slices.Contains(notifyTypes, string(notify.Type)), at+".type", string(notify.Type), oneOf(notifyTypes), suggest(string(notify.Type), notifyTypes))
		c.urlFrom(at+".urlFrom", notify.URLFrom)
		if len(notify.On) == 0 {
			c.problem(at+".on", "expected at least one event, found none", "leave the key out for all but started")
		}
		var events []string
		for j, event := range notify.On {
			events = append(events, string(event))
			c.expect(slices.Contains(notifyEvents, string(event)), joinIndex(at+".on", j), string(event), oneOf(notifyEvents), suggest(string(event), notifyEvents))
		}
		c.unique(indexed(at+".on", len(events), ""), events)
		template := notify.Template
		c.expect(template == "" || isInside(template) && path.Dir(template) == NotifyDir && strings.HasSuffix(template, notifyTemplate),
			at+".template", template, "a file of the commit such as "+NotifyDir+"/ours"+notifyTemplate, "")
	}
}

// urlFrom never repeats what it finds: somebody may have written the address
// itself there.
func (c *check) urlFrom(at string, from URLFrom) {
	const write = "write {env: NAME} for a variable of the pipeline, or {file: PATH}"
	switch {
	case from.Env == "" && from.File == "":
		c.problem(at, "expected where the address is, found nothing", write)
	case from.Env != "" && from.File != "":
		c.problem(at, "expected env or file, found both", write)
	}
	const hint = "the address itself is a secret: put it into a variable of the pipeline that is masked"
	if from.Env != "" && !variableName.MatchString(from.Env) {
		c.problem(at+".env", "expected the name of an environment variable, such as SLACK_WEBHOOK", hint)
	}
	if strings.Contains(from.File, "://") {
		c.problem(at+".file", "expected the path of a file, found an address", hint)
	}
}

package ci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/sitectl/sitectl/site"
	"github.com/sitectl/sitectl/templates"
)

// Render makes the JSON document that a webhook gets, from sitectl's own
// template or from text, one of the site's. It fails if what comes of it is
// nothing that the platform takes.
func (n Notice) Render(platform site.NotifyType, text []byte) ([]byte, error) {
	name := "notify/" + string(platform) + ".json"
	var own templates.Own
	if text != nil {
		own = templates.Own{name + ".mustache": string(text)}
	}
	document, err := own.Render(name, n.view(platform))
	if err != nil {
		return nil, err
	}
	if err := decodeStrictly([]byte(document), payload(platform)); err != nil {
		return nil, fmt.Errorf("what comes of template %s is no message: %w", path.Base(name), err)
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, []byte(document))
	return compact.Bytes(), err
}

// payload is what a platform takes, as far as that is known from outside.
func payload(platform site.NotifyType) any {
	switch platform {
	case site.Slack: // https://docs.slack.dev/reference/methods/chat.postMessage
		return &struct {
			Text, Channel, Username, Mrkdwn json.RawMessage
			Blocks, Attachments, Metadata   []json.RawMessage
			IconEmoji                       json.RawMessage `json:"icon_emoji"`
			IconURL                         json.RawMessage `json:"icon_url"`
			UnfurlLinks                     bool            `json:"unfurl_links"`
			UnfurlMedia                     bool            `json:"unfurl_media"`
			ThreadTS                        string          `json:"thread_ts"`
		}{}
	case site.Mattermost: // https://developers.mattermost.com/integrate/webhooks/incoming/
		return &struct {
			Text, Channel, Username, Type string
			Attachments                   []json.RawMessage
			Props, Priority               map[string]json.RawMessage
			IconURL                       string `json:"icon_url"`
			IconEmoji                     string `json:"icon_emoji"`
		}{}
	case site.Teams: // https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
		return &struct {
			Type, Summary string
			Attachments   []struct {
				ContentType string
				ContentURL  *string
				Content     map[string]json.RawMessage
			}
		}{}
	default:
		return &map[string]json.RawMessage{}
	}
}

// decodeStrictly reads one JSON document and nothing else.
func decodeStrictly(document []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after it")
	}
	return nil
}

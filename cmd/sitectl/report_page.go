package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"

	"github.com/sitectl/sitectl/templates"
)

// leaveReport writes the report, if there is to be one. That it cannot be
// written fails no ship.
func (s *shipment) leaveReport(ctx context.Context, r result, err error) {
	if s.recorder == nil {
		return
	}
	s.recorder.close(s.events.now(), r)
	page, pageErr := renderReport(reportOf(ctx, s.recorder, s.about(), err))
	if pageErr == nil {
		pageErr = writeReport(s.reportFile, page)
	}
	if pageErr != nil {
		s.log.Line(fmt.Sprintf("the report was not written: %v", pageErr))
		return
	}
	s.log.Line("report: " + s.reportFile)
}

// about is what of a report is in no event.
func (s *shipment) about() reportAbout {
	return reportAbout{Command: "sitectl " + s.own.Command.Name, Version: version(), By: shippedBy()}
}

// renderReport writes the page.
//
// All else that sitectl renders is Mustache, whose values get the quoting of
// one language. A page is HTML, attributes, addresses and CSS at once, and
// html/template knows by itself which of them a value stands in.
func renderReport(view reportView) ([]byte, error) {
	style, err := templates.Static("report/report.css")
	if err != nil {
		return nil, fmt.Errorf("read the style of the report: %w", err)
	}
	text, err := templates.Static("report/report.html")
	if err != nil {
		return nil, fmt.Errorf("read the template of the report: %w", err)
	}
	words := template.FuncMap{"count": func(n int, thing string) string { return count(int64(n), thing) }}
	page, err := template.New("report").Funcs(words).Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("parse the template of the report: %w", err)
	}
	sum := sha256.Sum256(style)
	view.Style, view.StyleHash = template.CSS(style), base64.StdEncoding.EncodeToString(sum[:])
	var out bytes.Buffer
	if err := page.Execute(&out, view); err != nil {
		return nil, fmt.Errorf("render the report: %w", err)
	}
	return bytes.Map(printableInPage, out.Bytes()), nil
}

// printableInPage drops the control characters that HTML has no use for, and
// shows where some would turn the direction of what comes after them: <bdi>
// keeps a name in Hebrew to itself, but not an isolate that is left open
// (UAX #9, BD9: what ends it is the end of the <bdi>). Here none of the many
// values of a page can be forgotten.
func printableInPage(r rune) rune {
	switch {
	case r == '\n' || r == '\t':
		return r
	case r < 0x20, r >= 0x7f && r < 0xa0:
		return -1
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
		return '\ufffd'
	default:
		return r
	}
}

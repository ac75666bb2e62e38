package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/site"
)

// explanationResult is what config --explain prints with --output json.
type explanationResult struct {
	site.Explanation
	Environment string `json:"environment,omitempty"` // that the values are of
}

// explainKey prints what there is to know about a key of the site file. A
// site file that is wrong says nothing about values; what the key means is
// said all the same.
func explainKey(o options, key string) error {
	environment, rest := site.EnvironmentOfKey(key)
	if environment == "" {
		environment, rest = o.environment, key
	}
	e, err := site.Explain(rest)
	if err != nil {
		return err
	}
	result := explanationResult{Explanation: e}
	resolved, fileErr := site.ResolveFile(o.file, environment)
	if fileErr == nil {
		if result.Explanation, err = resolved.Explain(rest); err != nil {
			return err
		}
		result.Environment = resolved.Site.Environment
	} else if _, err := os.Stat(o.file); errors.Is(err, fs.ErrNotExist) && !setting(o.own, "file").IsSet("file") {
		fileErr = nil // there need not be one
	}
	if o.output == "json" {
		return errors.Join(writeJSON(o.stdout, result), fileErr)
	}
	return errors.Join(write(o.stdout, explanationText(result)), fileErr)
}

// explanationText is an explanation for people.
func explanationText(e explanationResult) string {
	var out strings.Builder
	_, _ = fmt.Fprintf(&out, "%s\n\n", e.Key)
	for line := range strings.SplitSeq(fold(e.Description), "\n") {
		_, _ = fmt.Fprintf(&out, "   %s\n", line)
	}
	out.WriteByte('\n')

	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	row := func(name, text string) { _, _ = fmt.Fprintf(table, "   %s\t%s\n", name, ci.Printable(text)) }
	if e.Removable {
		e.Type += "; or null, to do without"
	}
	row("type", e.Type)
	switch {
	case e.Required:
		row("default", "none, it has to be set")
	case e.Default != nil:
		row("default", fmt.Sprint(e.Default))
	}
	here := "here"
	if e.Environment != "" {
		here = "in " + e.Environment
	}
	for i, value := range e.Values {
		name := ""
		if i == 0 {
			name = here
		}
		row(name, valueText(e, value))
	}
	for i, key := range e.Keys {
		name := ""
		if i == 0 {
			name = "keys"
		}
		row(name, key.Key+"\t"+key.Description)
	}
	_ = table.Flush()
	return out.String()
}

// valueText is a value on one line, with its place.
func valueText(e explanationResult, v site.KeyValue) string {
	text := v.Text
	if v.Value == nil {
		text = "not set"
	}
	if len(e.Values) > 1 || v.Key != e.Key {
		text = v.Key + ": " + text
	}
	switch v.Origin.Source {
	case "":
		return text
	case "derived":
		return text + "   (follows from other keys)"
	}
	if v.Origin.Environment != "" {
		return text + "   (" + v.Origin.String() + ", in environments." + v.Origin.Environment + ")"
	}
	return text + "   (" + v.Origin.String() + ")"
}

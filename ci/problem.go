package ci

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Problem is one thing that went wrong.
type Problem struct {
	Title   string // of all problems of this run: "sitectl ship: build"
	Message string // what happened, and why; may have several lines
	Hint    string // what to do next; empty if nothing can be said
	File    string // that it is in, as an absolute path or relative to the working directory; empty for none
	Line    int    // from 1; 0 if it is not known
	Column  int    // from 1; 0 if it is not known
}

// Annotate writes a problem as the platform shows it: an annotation of GitHub,
// which points to the file, or lines for people everywhere else. Control
// characters are dropped.
func (p Platform) Annotate(out io.Writer, problem Problem, getenv func(string) string) {
	if p == GitHub {
		_, _ = io.WriteString(out, problem.command(getenv("GITHUB_WORKSPACE"))+"\n")
		return
	}
	_, _ = io.WriteString(out, problem.String())
}

// String is the problem as lines for people:
//
//	sitectl: site.yaml:12:3: web.replica: unknown key
//	  hint: did you mean "replicas"?
func (p Problem) String() string {
	var out strings.Builder
	lines := strings.Split(strings.TrimSpace(p.Message), "\n")
	fmt.Fprintf(&out, "sitectl: %s\n", Printable(lines[0]))
	for _, line := range lines[1:] {
		fmt.Fprintf(&out, "  %s\n", Printable(line))
	}
	if p.Hint != "" {
		fmt.Fprintf(&out, "  hint: %s\n", Printable(p.Hint))
	}
	return out.String()
}

// command is the workflow command of GitHub
// (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message).
// Files are named relative to the workspace, the folder of the checkout.
func (p Problem) command(workspace string) string {
	var properties []string
	property := func(name, value string) {
		if value != "" && value != "0" {
			properties = append(properties, name+"="+escapeProperty(Printable(value)))
		}
	}
	property("title", p.Title)
	property("file", p.path(workspace))
	property("line", fmt.Sprint(p.Line))
	property("col", fmt.Sprint(p.Column))
	var message strings.Builder
	for i, line := range strings.Split(strings.TrimPrefix(p.String(), "sitectl: "), "\n") {
		if i > 0 && line != "" {
			message.WriteString("\n")
		}
		message.WriteString(line)
	}
	return "::error " + strings.Join(properties, ",") + "::" + escapeData(message.String())
}

func (p Problem) path(workspace string) string {
	if p.File == "" || workspace == "" {
		return p.File
	}
	absolute, err := filepath.Abs(p.File)
	if err != nil {
		return p.File
	}
	relative, err := filepath.Rel(workspace, absolute)
	if err != nil || strings.HasPrefix(relative, "..") {
		return p.File
	}
	return relative
}

var (
	escapeData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace
	escapeProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace
)

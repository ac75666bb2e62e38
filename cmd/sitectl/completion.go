package main

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/ci"
	"github.com/sitectl/sitectl/site"
)

// The scripts do no more than ask: all that they offer is found by sitectl
// itself, in __complete. Those of the command line library evaluate the line
// that is being typed, and know no values.
//
//go:embed completion/sitectl.*
var completionScripts embed.FS

var shells = []string{"bash", "zsh", "fish"}

func completionCommand() *cli.Command {
	return page{
		name:      "completion",
		arguments: "SHELL",
		usage:     "print what makes bash, zsh or fish complete command lines of sitectl",
		description: "It completes commands, flags and their values: environments of the site file, contexts of the kubeconfig, releases and " +
			"backups of the site in the cluster (if that answers within two seconds), CronJobs, and keys for config --explain.",
		examples: `
			source <(sitectl completion bash)                                    # in ~/.bashrc
			sitectl completion zsh > "${fpath[1]}/_sitectl"
			sitectl completion fish > ~/.config/fish/completions/sitectl.fish
		`,
		statuses: []status{statusDone, statusFailed, statusUsage},
	}.command(runCompletion)
}

func runCompletion(_ context.Context, o options) error {
	if len(o.arguments) != 1 || !slices.Contains(shells, o.arguments[0]) {
		return &usageError{
			message: fmt.Sprintf("completion takes the name of a shell, but got %q", strings.Join(o.arguments, " ")),
			hint:    "it is one of " + strings.Join(shells, ", "),
		}
	}
	script, err := completionScripts.ReadFile("completion/sitectl." + o.arguments[0])
	if err != nil {
		return fmt.Errorf("read completion script: %w", err)
	}
	return write(o.stdout, string(script))
}

// completeCommand is what the scripts call: with the shell, and the words of
// the command line after its first up to the one that is being typed.
func completeCommand() *cli.Command {
	return &cli.Command{
		Name:            "__complete",
		Hidden:          true,
		SkipFlagParsing: true,
		HideHelp:        true,
		Action: func(c *cli.Context) error {
			words := c.Args().Slice()
			if len(words) < 2 {
				return nil
			}
			found := complete(c.App, words[1:], clusterOf(c.Context))
			return write(c.App.Writer, candidateLines(words[0], found))
		},
	}
}

// candidateLines writes candidates in the form that a shell reads, one a line.
func candidateLines(shell string, candidates []candidate) string {
	var out strings.Builder
	for _, c := range candidates {
		about := ci.Printable(strings.ReplaceAll(c.about, "\n", " "))
		switch {
		case shell == "fish" && about != "":
			_, _ = fmt.Fprintf(&out, "%s\t%s\n", c.text, about)
		case shell == "zsh" && about != "":
			_, _ = fmt.Fprintf(&out, "%s:%s\n", strings.ReplaceAll(c.text, ":", `\:`), about)
		case shell == "zsh":
			_, _ = fmt.Fprintln(&out, strings.ReplaceAll(c.text, ":", `\:`))
		default:
			_, _ = fmt.Fprintln(&out, c.text)
		}
	}
	return out.String()
}

// candidate is a word that may come next.
type candidate struct{ text, about string }

// plainCandidates are words that speak for themselves.
func plainCandidates(texts []string) []candidate {
	out := make([]candidate, len(texts))
	for i, text := range texts {
		out[i] = candidate{text: text}
	}
	return out
}

// explainable are the keys that config --explain takes.
func explainable() []candidate {
	var out []candidate
	for _, key := range site.Keys() {
		e, err := site.Explain(key)
		if err != nil {
			continue
		}
		about, _, _ := strings.Cut(e.Description, ". ")
		out = append(out, candidate{key, strings.TrimSuffix(about, ".")})
	}
	return out
}

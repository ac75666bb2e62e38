package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/site"
)

func manCommand() *cli.Command {
	return page{
		name:  "man",
		usage: "write the manual pages",
		description: "Writes sitectl(1), a page for each command, such as sitectl-ship(1), and site.yaml(5), all that a site file can say. " +
			"They are the same for the same version of sitectl.",
		examples: `
			sitectl man --dir ~/.local/share/man
			sitectl man --dir man
		`,
		own: []cli.Flag{
			&cli.StringFlag{Name: "dir", Value: "man", Usage: "`FOLDER` to write man1 and man5 in"},
		},
		statuses: []status{statusDone, statusFailed, statusUsage},
	}.command(runMan)
}

func runMan(_ context.Context, o options) error {
	for path, text := range manualPages(newApp(nil, nil)) {
		if err := writeManual(filepath.Join(o.own.String("dir"), path), text); err != nil {
			return &hintedError{fmt.Errorf("write manual pages: %w", err), "name another folder with --dir"}
		}
	}
	return nil
}

func writeManual(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// manualPages returns all manual pages by their path below a folder of them:
// "man1/sitectl-cron-list.1".
func manualPages(app *cli.App) map[string]string {
	pages := map[string]string{
		"man1/sitectl.1":   appManual(app),
		"man5/site.yaml.5": siteFileManual(site.ReadSchema()),
	}
	var add func(words []string, commands []*cli.Command)
	add = func(words []string, commands []*cli.Command) {
		for _, c := range commands {
			if !c.Hidden {
				words := append(slices.Clone(words), c.Name)
				pages["man1/"+strings.Join(words, "-")+".1"] = commandManual(words, c)
				add(words, c.Subcommands)
			}
		}
	}
	add([]string{app.Name}, app.Commands)
	return pages
}

// appManual is the page of sitectl itself.
func appManual(app *cli.App) string {
	m := newManual("sitectl", "1", app.Usage)
	m.section("SYNOPSIS")
	m.line(`.B sitectl`)
	m.line(`.RI [ "global options" ]`)
	m.line(`.I command`)
	m.line(`.RI [ options ]`)
	m.section("DESCRIPTION")
	m.paragraphs(app.Description)
	m.section("COMMANDS")
	for _, c := range app.VisibleCommands() {
		m.term(manReference("sitectl-"+c.Name, "1"), c.Usage)
	}
	m.flags("GLOBAL OPTIONS", app.Flags)
	m.ending(app.CustomAppHelpTemplate)
	m.seeAlso(manReference("site.yaml", "5"))
	return m.String()
}

// commandManual is the page of one command, of the same parts as its help.
func commandManual(words []string, c *cli.Command) string {
	m := newManual(strings.Join(words, "-"), "1", c.Usage)
	m.section("SYNOPSIS")
	m.line(".B " + roff(strings.Join(words, " ")))
	m.line(`.RI [ options ]`)
	if c.ArgsUsage != "" {
		m.text(c.ArgsUsage)
	}
	m.section("DESCRIPTION")
	m.paragraphs(c.Description)
	if len(c.Subcommands) > 0 {
		m.section("COMMANDS")
		for _, sub := range c.Subcommands {
			m.term(manReference(strings.Join(words, "-")+"-"+sub.Name, "1"), sub.Usage)
		}
	}
	m.flags("OPTIONS", c.Flags)
	m.ending(c.CustomHelpTemplate)
	m.seeAlso(manReference("sitectl", "1"), manReference("site.yaml", "5"))
	return m.String()
}

// requirement says what is so if a key is left out.
func requirement(e site.Explanation) string {
	switch {
	case e.Required:
		return "; required"
	case e.Default != nil:
		return fmt.Sprintf("; default: %v", e.Default)
	default:
		return ""
	}
}

// siteFileManual is the page of the site file, made of its schema.
func siteFileManual(schema *site.Schema) string {
	m := newManual("site.yaml", "5", "what sitectl ships, and how")
	m.section("DESCRIPTION")
	m.paragraphs(schema.Description + "\n\nOnly site and image are required. In the names below, [] stands for each item of a list.")
	m.section("EXAMPLE")
	m.literal("site: example.com\nimage: registry.example.com/agency/example-com\n")
	m.section("KEYS")
	for _, key := range site.Keys() {
		e, err := site.Explain(key)
		if err != nil {
			continue // not a key of its own schema
		}
		m.term(`\fB`+roff(key)+`\fR`, e.Description)
		m.line(".br")
		m.text("Value: " + e.Type + requirement(e) + ".")
	}
	m.seeAlso(manReference("sitectl", "1"), manReference("sitectl-config", "1"), manReference("sitectl-schema", "1"))
	return m.String()
}

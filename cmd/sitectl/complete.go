package main

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

// line is a command line that is being typed, as far as it is understood.
type line struct {
	path     []string // names of the command: ["cron", "run"]
	commands []*cli.Command
	flags    []cli.Flag
	values   map[string]string // of the flags, by their first name
	count    int               // of arguments before the current word
	waiting  cli.Flag          // whose value the current word is, nil for none
	closed   bool              // nothing of sitectl's own can follow
}

// complete returns what the last of the words may be, sorted by how likely it
// is. The words are those after the name of the program.
func complete(app *cli.App, words []string, cluster cluster) []candidate {
	l := line{commands: app.Commands, flags: append(slices.Clone(app.Flags), cli.VersionFlag), values: map[string]string{}}
	current := words[len(words)-1]
	for _, word := range words[:len(words)-1] {
		l.read(word)
	}
	if l.closed {
		return nil
	}
	if l.waiting != nil {
		return withPrefix(l.flagValues(l.waiting.Names()[0], cluster), current)
	}
	if name, value, given := strings.Cut(current, "="); given && strings.HasPrefix(name, "-") {
		flag := flagNamed(l.flags, strings.TrimLeft(name, "-"))
		if flag == nil {
			return nil
		}
		found := withPrefix(l.flagValues(flag.Names()[0], cluster), value)
		for i := range found {
			found[i].text = name + "=" + found[i].text
		}
		return found
	}
	if strings.HasPrefix(current, "-") {
		return withPrefix(l.flagNames(), current)
	}
	if len(l.commands) > 0 {
		return withPrefix(commandNames(l.commands), current)
	}
	return withPrefix(l.argumentValues(cluster), current)
}

// read goes on by a whole word.
func (l *line) read(word string) {
	switch {
	case l.waiting != nil:
		l.values[l.waiting.Names()[0]], l.waiting = word, nil
	case word == "--":
		l.closed = true
	case strings.HasPrefix(word, "-") && word != "-":
		l.readFlag(word)
	case len(l.commands) > 0:
		i := slices.IndexFunc(l.commands, func(c *cli.Command) bool { return c.HasName(word) })
		if i < 0 {
			l.closed = true
			return
		}
		command := l.commands[i]
		l.path, l.commands, l.flags = append(l.path, word), command.Subcommands, command.Flags
	default:
		l.count++
		l.closed = l.closed || l.path[0] == "run" || l.path[0] == "exec" // a command with flags of its own
	}
}

func (l *line) readFlag(word string) {
	name, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
	flag := flagNamed(l.flags, name)
	if flag == nil {
		return
	}
	if _, isSwitch := flag.(*cli.BoolFlag); !isSwitch && !given {
		l.waiting = flag
		return
	}
	l.values[flag.Names()[0]] = value
}

func commandNames(commands []*cli.Command) []candidate {
	var out []candidate
	for _, command := range commands {
		if !command.Hidden {
			out = append(out, candidate{command.Name, command.Usage})
		}
	}
	return out
}

// flagNames are the flags that are not set yet, or can be repeated.
func (l *line) flagNames() []candidate {
	var out []candidate
	seen := map[string]bool{} // the library adds some again
	for _, flag := range append(slices.Clone(l.flags), cli.HelpFlag) {
		name := flag.Names()[0]
		_, isSet := l.values[name]
		_, repeats := flag.(*cli.StringSliceFlag)
		if visible, ok := flag.(cli.VisibleFlag); isSet && !repeats || ok && !visible.IsVisible() || seen[name] {
			continue
		}
		seen[name] = true
		out = append(out, candidate{"--" + name, usageOf(flag)})
	}
	return out
}

// usageOf is the usage of a flag without the marks around its value.
func usageOf(flag cli.Flag) string {
	documented, ok := flag.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	return strings.ReplaceAll(documented.GetUsage(), "`", "")
}

// flagValues are what a flag may be set to. None stands for any text, such as
// a path.
func (l *line) flagValues(flag string, cluster cluster) []candidate {
	switch flag {
	case "environment":
		return plainCandidates(site.Environments(l.file()))
	case "context":
		return plainCandidates(deployer.Contexts(l.values["kubeconfig"]))
	case "progress":
		return plainCandidates(progresses)
	case "color":
		return plainCandidates(colorings)
	case "output":
		return plainCandidates(l.named(flag, outputs))
	case "release":
		return cluster.releases(l)
	case "explain":
		if slices.Equal(l.path, []string{"config"}) {
			return explainable()
		}
	}
	return nil
}

// named are the words that a flag's usage names: not every command has every
// format.
func (l *line) named(flag string, words []string) []string {
	usage := usageOf(flagNamed(l.flags, flag))
	return slices.DeleteFunc(slices.Clone(words), func(word string) bool { return !strings.Contains(usage, word) })
}

// argumentValues are what the next argument of a command may be.
func (l *line) argumentValues(cluster cluster) []candidate {
	if l.count > 0 {
		return nil
	}
	switch strings.Join(l.path, " ") {
	case "rollback":
		return cluster.releases(l)
	case "restore-db":
		return cluster.backups(l)
	case "cron run", "cron suspend", "cron resume":
		return l.cronJobs()
	case "completion":
		return plainCandidates(shells)
	default:
		return nil
	}
}

// cronJobs are the names of the CronJobs of the site file.
func (l *line) cronJobs() []candidate {
	s, err := site.Read(l.file(), l.environment())
	if err != nil {
		return nil
	}
	var out []candidate
	for _, cron := range s.Cron {
		out = append(out, candidate{cron.Name, cron.Schedule})
	}
	if s.Deploy != nil {
		out = append(out, plainCandidates(s.Deploy.CronJobs)...)
	}
	return out
}

func (l *line) file() string { return cmp.Or(l.values["file"], "site.yaml") }

func (l *line) environment() string {
	return cmp.Or(l.values["environment"], os.Getenv("SITECTL_ENVIRONMENT"))
}

// withPrefix are the candidates that the current word may become.
func withPrefix(candidates []candidate, prefix string) []candidate {
	return slices.DeleteFunc(candidates, func(c candidate) bool { return !strings.HasPrefix(c.text, prefix) })
}

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/ci"
)

// run runs one command line and returns its exit status.
func run(arguments []string, stdout, stderr io.Writer) int {
	ctx, stop := untilInterrupted(context.Background(), stderr)
	defer stop()
	hidden := &ci.Hidden{}
	if ci.Detect(os.Getenv, false) == ci.GitHub {
		hidden.Announce(stderr)
	}
	app := newApp(stdout, stderr)
	app.Metadata = map[string]any{hiddenKey: hidden}
	err := app.RunContext(ctx, arguments)
	reportFailure(ctx, stderr, hidden, err)
	return int(exitStatus(ctx, err))
}

// hiddenKey is where the app's metadata has a *ci.Hidden.
const hiddenKey = "hidden"

func newApp(stdout, stderr io.Writer) *cli.App {
	return &cli.App{
		Name:        "sitectl",
		Usage:       "ship PHP sites: the commit you are on becomes the running site",
		Version:     version(),
		Description: "Run it in the repository of a site, where site.yaml is. Every command explains itself: sitectl COMMAND --help.",
		Flags:       globalFlags(),
		// A comma belongs to the value: --secret id=NAME,src=FILE.
		DisableSliceFlagSeparator: true,
		CustomAppHelpTemplate: helpTemplate(cli.AppHelpTemplate, `
			sitectl ship
			sitectl plan -e staging   # what a ship would change there
			sitectl status
		`, allStatuses),
		Commands: []*cli.Command{
			initCommand(),
			shipCommand(),
			buildCommand(),
			deployCommand(),
			planCommand(),
			renderCommand(),
			rbacCommand(),
			statusCommand(),
			runCommand(),
			execCommand(),
			logsCommand(),
			cronCommand(),
			backupCommand(),
			restoreCommand(),
			historyCommand(),
			rollbackCommand(),
			recoverCommand(),
			unlockCommand(),
			destroyCommand(),
			doctorCommand(),
			configCommand(),
			schemaCommand(),
			completionCommand(),
			manCommand(),
			completeCommand(),
			versionCommand(),
		},
		Action:          unknownCommand,
		OnUsageError:    wrongUsage,
		HideHelpCommand: true,
		Writer:          stdout,
		ErrWriter:       stderr,
		// An error is reported once, by run.
		ExitErrHandler: func(*cli.Context, error) {},
	}
}

// page is what a command says about itself.
type page struct {
	name        string
	usage       string // one line
	arguments   string // how they are written, for example "[RELEASE]"; empty for a command that takes none
	verbatim    bool   // the first argument and all after it are a command with flags of its own
	description string
	examples    string     // lines of the form "sitectl … # what it is for"
	flags       []string   // names of the global flags it listens to
	own         []cli.Flag // those of this command alone; see options.own
	ships       bool       // it builds or deploys: it has --output jsonl and the flags of pipelines
	statuses    []status   // those it can end with
}

// group makes a command of commands.
func (p page) group(commands ...*cli.Command) *cli.Command {
	return &cli.Command{
		Name:               p.name,
		Usage:              p.usage,
		ArgsUsage:          "COMMAND",
		Description:        fold(p.description),
		Subcommands:        commands,
		CustomHelpTemplate: helpTemplate(cli.SubcommandHelpTemplate, p.examples, p.statuses),
		HideHelpCommand:    true,
		OnUsageError:       wrongUsage,
		Action: func(c *cli.Context) error {
			if !c.Args().Present() {
				return showSubcommands(c)
			}
			return unknown(c.Args().First(), commands, c.Command.HelpName)
		},
	}
}

// command makes a command. One whose page names no arguments refuses them;
// others find them in options.arguments.
func (p page) command(action func(context.Context, options) error) *cli.Command {
	return &cli.Command{
		Name:               p.name,
		Usage:              p.usage,
		ArgsUsage:          p.arguments,
		Description:        fold(p.description),
		Flags:              p.allFlags(),
		CustomHelpTemplate: helpTemplate(cli.CommandHelpTemplate, p.examples, p.statuses),
		HideHelpCommand:    true,
		OnUsageError:       wrongUsage,
		Action: func(c *cli.Context) error {
			if p.arguments == "" && c.Args().Present() {
				return &usageError{
					message: fmt.Sprintf("%s takes no arguments, but got %q", p.name, c.Args().First()),
					hint:    "see " + c.Command.HelpName + " --help",
				}
			}
			arguments := c.Args().Slice()
			var err error
			if !p.verbatim {
				if arguments, err = lateFlags(c); err != nil {
					return err
				}
			}
			o, err := readOptions(c)
			if err != nil {
				return err
			}
			if o.output == "jsonl" && !p.ships {
				return &usageError{
					message: p.name + " has no --output jsonl",
					hint:    "it reports once, with --output json; ship, build, deploy, rollback and recover stream events",
				}
			}
			o.arguments = arguments
			if p.ships {
				outliveReaders()
			}
			return action(c.Context, o)
		},
	}
}

// allFlags are the flags of the command, its own first.
func (p page) allFlags() []cli.Flag {
	own := slices.Clone(p.own)
	if p.ships {
		own = append(own, pipelineFlags()...)
	}
	flags := withoutAliases(commandFlags(append(slices.Clone(p.flags), "color")), own)
	if output, ok := flagNamed(flags, "output").(*cli.StringFlag); ok && !p.ships {
		output.Usage = "`FORMAT` of standard output: text, json"
	}
	return append(own, flags...)
}

// usageError is a command line that makes no sense.
type usageError struct{ message, hint string }

func (e *usageError) Error() string { return e.message }

// Hint says what to do about it.
func (e *usageError) Hint() string { return e.hint }

// wrongUsage turns what the flag parser says into a usageError.
func wrongUsage(c *cli.Context, err error, _ bool) error {
	message := doubleDashes(err.Error())
	hint := "see " + c.Command.HelpName + " --help"
	if name, found := strings.CutPrefix(message, "flag provided but not defined: "); found {
		message = fmt.Sprintf("unknown flag %s", name)
		if near := cli.SuggestFlag(c.Command.Flags, strings.TrimLeft(name, "-"), false); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
	}
	if invalid := invalidValue.FindStringSubmatch(message); invalid != nil {
		message = fmt.Sprintf("--%s cannot be %q", invalid[2], invalid[1])
		hint = shapeOfFlag(flagNamed(c.Command.Flags, invalid[2]), hint)
	}
	return &usageError{message: message, hint: hint}
}

// invalidValue is how the flag parser words a value of the wrong type.
var invalidValue = regexp.MustCompile(`^(?:could not parse|invalid value) "(.*)" for flag --?([\w-]+): `)

// shapeOfFlag says how to write the value of a flag.
func shapeOfFlag(flag cli.Flag, otherwise string) string {
	switch flag.(type) {
	case *cli.DurationFlag:
		return "write it as 30s, 5m or 1h30m"
	case *cli.IntFlag, *cli.Int64Flag:
		return "write a whole number"
	default:
		return otherwise
	}
}

// singleDash is a flag as the parser names it, whatever was typed.
var singleDash = regexp.MustCompile(`(^| )-([A-Za-z][\w-]+)`)

func doubleDashes(message string) string { return singleDash.ReplaceAllString(message, "$1--$2") }

// unknownCommand runs if no command was named, or one that does not exist.
func unknownCommand(c *cli.Context) error {
	if !c.Args().Present() {
		return cli.ShowAppHelp(c)
	}
	return unknown(c.Args().First(), c.App.Commands, "sitectl")
}

func unknown(name string, commands []*cli.Command, program string) error {
	return &usageError{
		message: fmt.Sprintf("unknown command %q", name),
		hint:    strings.TrimSpace(cli.SuggestCommand(commands, name)) + " See " + program + " --help",
	}
}

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sitectl/sitectl/builder"
	"github.com/sitectl/sitectl/ci"
)

// options are the flags of a command line, and where it writes to.
type options struct {
	file        string // the site file
	environment string // an environment of the site file; empty for its default
	builder     builderOptions
	kubeconfig  string // empty for KUBECONFIG and ~/.kube/config, as kubectl has it
	context     string // kubeconfig context; empty for the site file's, then the current one
	registryCA  string // PEM file; empty for the system's own
	registry    registryOptions
	progress    string // auto, plain, tty or quiet
	color       string // auto, always or never
	output      string // text, json or, of commands with page.ships, jsonl
	allowDirty  bool
	rebuild     bool
	explain     bool
	verbose     bool
	secrets     []builder.Secret // that steps of the build may mount
	ssh         bool             // whether they may use the SSH agent
	reportFile  string           // that tells how it went; empty for none

	arguments []string     // what stands after the flags
	own       *cli.Context // holds the flags that only this command has
	hidden    *ci.Hidden   // what nobody may read

	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

var (
	progresses = []string{"auto", "plain", "tty", "quiet"}
	colorings  = []string{"auto", "always", "never"}
	outputs    = []string{"text", "json", "jsonl"} // see page.ships
)

// The library's own flag for the version takes -v, which is --verbose here. It
// offers its name as a package variable only.
var _ = func() struct{} {
	cli.VersionFlag = &cli.BoolFlag{Name: "version", DisableDefaultText: true, Usage: "print the version"}
	return struct{}{}
}()

// globalFlags are understood before the name of a command.
func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "file", Aliases: []string{"f"}, Value: "site.yaml", Usage: "`PATH` of the site file"},
		&cli.StringFlag{Name: "environment", Aliases: []string{"e"}, EnvVars: []string{"SITECTL_ENVIRONMENT"}, Usage: "`NAME` of an environment of the site file"},
		&cli.StringFlag{Name: "builder", EnvVars: []string{"BUILDKIT_HOST"}, Usage: "`ADDRESS` of BuildKit: unix://, tcp://, docker-container://, podman-container://, nerdctl-container://, kube-pod:// or ssh:// (default: one is found, or started)"},
		&cli.StringFlag{Name: "builder-tls", EnvVars: []string{"SITECTL_BUILDER_TLS"}, Usage: "`FOLDER` with ca.pem, cert.pem and key.pem (or ca.crt, tls.crt and tls.key) for a tcp:// builder"},
		&cli.StringFlag{Name: "builder-ca", EnvVars: []string{"SITECTL_BUILDER_CA"}, Usage: "PEM `FILE` with the certificate authority of a tcp:// builder"},
		&cli.StringFlag{Name: "builder-cert", EnvVars: []string{"SITECTL_BUILDER_CERT"}, Usage: "PEM `FILE` with the certificate to show it"},
		&cli.StringFlag{Name: "builder-key", EnvVars: []string{"SITECTL_BUILDER_KEY"}, Usage: "PEM `FILE` with the key of that certificate"},
		&cli.StringFlag{Name: "kubeconfig", Usage: "kubeconfig `FILE` (default: $KUBECONFIG, then ~/.kube/config)"},
		&cli.StringFlag{Name: "context", EnvVars: []string{"SITECTL_CONTEXT"}, Usage: "kubeconfig context `NAME`, instead of the site file's"},
		&cli.StringFlag{Name: "registry-ca", EnvVars: []string{"SITECTL_REGISTRY_CA"}, Usage: "PEM `FILE` with the certificate authority of the registry"},
		&cli.StringFlag{Name: "registry-user", EnvVars: []string{"SITECTL_REGISTRY_USER"}, Usage: "user `NAME` at the registry of the site, instead of the login of the docker config or the CI job"},
		&cli.StringFlag{Name: "registry-password-file", EnvVars: []string{"SITECTL_REGISTRY_PASSWORD_FILE"}, Usage: "`FILE` with the password or access token of that user"},
		&cli.BoolFlag{Name: "registry-password-stdin", DisableDefaultText: true, Usage: "read that password from standard input"},
		&cli.StringSliceFlag{Name: "registry-mirror", EnvVars: []string{"SITECTL_REGISTRY_MIRRORS"}, Usage: "look for base images in a mirror first, `HOST=URL`: docker.io=https://mirror.example.com (may be repeated)"},
		&cli.StringFlag{Name: "progress", Value: "auto", Usage: "`STYLE` in which the work is shown: " + strings.Join(progresses, ", ")},
		&cli.StringFlag{Name: "color", Value: "auto", Usage: "`WHEN` there are colours: " + strings.Join(colorings, ", ") + " (auto: at a terminal, unless $NO_COLOR is set)"},
		&cli.StringFlag{Name: "output", Value: "text", Usage: "`FORMAT` of standard output: text, json, or, where a release is built or deployed, jsonl: an event a line"},
		&cli.BoolFlag{Name: "allow-dirty", DisableDefaultText: true, Usage: "take the working tree if it differs from the commit, and mark the tag"},
		&cli.BoolFlag{Name: "rebuild", DisableDefaultText: true, Usage: "build all of it anew even if the registry has the image of this commit"},
		&cli.BoolFlag{Name: "explain", DisableDefaultText: true, Usage: "say what has changed since the image that was built last"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, DisableDefaultText: true, Usage: "say which builder is used, and why"},
		&cli.StringSliceFlag{Name: "secret", Usage: "`id=NAME,src=FILE` that steps of the build may mount; Composer knows composer-auth and known-hosts, npm knows npmrc and npm-token"},
		&cli.BoolFlag{Name: "ssh", DisableDefaultText: true, Usage: "let steps of the build use the SSH agent"},
	}
}

// commandFlags are the global flags with the given names, understood after
// the name of a command. They have no environment variables: the global flag
// of the same name reads those, and an explicit flag before the command must
// win over a variable.
func commandFlags(names []string) []cli.Flag {
	var flags []cli.Flag
	for _, flag := range globalFlags() {
		if !slices.Contains(names, flag.Names()[0]) {
			continue
		}
		switch flag := flag.(type) {
		case *cli.StringFlag:
			flag.Usage, flag.EnvVars = flag.Usage+variable(flag.EnvVars), nil
		case *cli.StringSliceFlag:
			flag.Usage, flag.EnvVars = flag.Usage+variable(flag.EnvVars), nil
		}
		flags = append(flags, flag)
	}
	return flags
}

// withoutAliases takes from flags the short names that own ones have: after
// the name of a command, the command's own meaning counts.
func withoutAliases(flags, own []cli.Flag) []cli.Flag {
	for _, flag := range flags {
		text, ok := flag.(*cli.StringFlag)
		if !ok {
			continue
		}
		text.Aliases = slices.DeleteFunc(slices.Clone(text.Aliases), func(alias string) bool { return flagNamed(own, alias) != nil })
	}
	return flags
}

// variable names the environment variable of a flag as the library does.
func variable(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " [$" + names[0] + "]"
}

// readOptions reads and checks the flags, wherever they stand.
func readOptions(c *cli.Context) (options, error) {
	o := options{
		file:        setting(c, "file").String("file"),
		environment: setting(c, "environment").String("environment"),
		builder:     readBuilderOptions(c),
		kubeconfig:  setting(c, "kubeconfig").String("kubeconfig"),
		context:     setting(c, "context").String("context"),
		registryCA:  setting(c, "registry-ca").String("registry-ca"),
		progress:    setting(c, "progress").String("progress"),
		color:       setting(c, "color").String("color"),
		output:      setting(c, "output").String("output"),
		allowDirty:  setting(c, "allow-dirty").Bool("allow-dirty"),
		rebuild:     setting(c, "rebuild").Bool("rebuild"),
		explain:     setting(c, "explain").Bool("explain"),
		verbose:     setting(c, "verbose").Bool("verbose"),
		ssh:         setting(c, "ssh").Bool("ssh"),
		reportFile:  c.String("report"), // of commands that have it
		own:         c,
		stdin:       c.App.Reader,
		stdout:      c.App.Writer,
		stderr:      c.App.ErrWriter,
	}
	if err := oneOf("progress", o.progress, progresses); err != nil {
		return options{}, err
	}
	if err := oneOf("color", o.color, colorings); err != nil {
		return options{}, err
	}
	// A runner may give a job a terminal that nobody sits at.
	if platform := ci.Detect(os.Getenv, false); o.progress == "auto" && platform != ci.Plain {
		o.progress = "plain"
	}
	if err := oneOf("output", o.output, outputs); err != nil {
		return options{}, err
	}
	if err := checkReport(o.reportFile); err != nil {
		return options{}, err
	}
	var err error
	if o.secrets, err = parseSecrets(setting(c, "secret").StringSlice("secret")); err != nil {
		return options{}, err
	}
	o.registry, err = readRegistryOptions(c)
	o.hidden = hiddenOf(c)
	o.hidden.Add(o.registry.password)
	return o, err
}

// hiddenOf returns what the app keeps from its log.
func hiddenOf(c *cli.Context) *ci.Hidden {
	if hidden, ok := c.App.Metadata[hiddenKey].(*ci.Hidden); ok {
		return hidden
	}
	return &ci.Hidden{}
}

// parseSecrets reads secrets as docker writes them: "id=NAME,src=FILE".
func parseSecrets(texts []string) ([]builder.Secret, error) {
	var secrets []builder.Secret
	for _, text := range texts {
		var secret builder.Secret
		for pair := range strings.SplitSeq(text, ",") {
			switch key, value, _ := strings.Cut(pair, "="); key {
			case "id":
				secret.ID = value
			case "src", "source":
				secret.File = value
			}
		}
		if secret.ID == "" || secret.File == "" {
			return nil, &usageError{
				message: fmt.Sprintf("--secret cannot be %q", text),
				hint:    "write it as id=NAME,src=FILE, for example id=composer-auth,src=auth.json",
			}
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

// setting returns the innermost context in which the flag is set: what stands
// after the command wins over what stands before it. (The library's own
// lookup takes the innermost flag of that name even if it is not set.)
func setting(c *cli.Context, flag string) *cli.Context {
	lineage := slices.DeleteFunc(c.Lineage(), func(c *cli.Context) bool { return c.Command == nil })
	for _, c := range lineage {
		if slices.Contains(c.LocalFlagNames(), flag) {
			return c
		}
	}
	return lineage[len(lineage)-1]
}

func oneOf(flag, value string, allowed []string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return &usageError{
		message: fmt.Sprintf("--%s cannot be %q", flag, value),
		hint:    "it is one of " + strings.Join(allowed, ", "),
	}
}

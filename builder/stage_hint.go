package builder

import (
	"errors"
	"regexp"
	"strings"
)

// stageHints say what to do about the commonest reasons for which Composer and
// npm fail, by what they print then.
var stageHints = []struct {
	printed *regexp.Regexp
	hint    string
}{
	{
		regexp.MustCompile(`Host key verification failed`),
		"name the host's key: --secret id=known-hosts,src=$HOME/.ssh/known_hosts",
	},
	{
		regexp.MustCompile(`Permission denied \(publickey`),
		"let the build use your SSH agent: --ssh",
	},
	{
		regexp.MustCompile(`required authentication|Invalid credentials|could not read Username|Authentication failed`),
		"give Composer its logins: --secret id=composer-auth,src=auth.json",
	},
	{
		regexp.MustCompile(`\bE401\b|\bE403\b|\bENEEDAUTH\b`),
		"give npm its logins: --secret id=npmrc,src=$HOME/.npmrc, or --secret id=npm-token,src=FILE for NPM_TOKEN",
	},
	{
		regexp.MustCompile("can only install packages when your package.json and package-lock.json"),
		"run npm install and commit package-lock.json",
	},
	{
		regexp.MustCompile(`is not present in the lock file|lock file does not contain a compatible set`),
		"run composer update and commit composer.lock",
	},
	{
		regexp.MustCompile(`Could not open input file|returned with error code`),
		"what scripts of composer.json run has to be named in build.composer.include",
	},
}

// hinted adds a hint to the failure of a stage.
func hinted(err error) error {
	var failed *BuildError
	if !errors.As(err, &failed) || failed.hint != "" {
		return err
	}
	log := strings.Join(failed.Log, "\n")
	for _, known := range stageHints {
		if known.printed.MatchString(log) {
			failed.hint = known.hint
			break
		}
	}
	return err
}

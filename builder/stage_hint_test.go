package builder

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestStageHints(t *testing.T) {
	for log, want := range map[string]string{
		"The 'https://repo.example.com/a.zip' URL required authentication (HTTP 401)":                                                    "--secret id=composer-auth,",
		"Invalid credentials (HTTP 403) for 'https://repo.example.com/packages.json', aborting.":                                         "--secret id=composer-auth,",
		"git@git.example.com: Permission denied (publickey).":                                                                            "--ssh",
		"Host key verification failed.\nfatal: Could not read from remote repository.":                                                   "--secret id=known-hosts,",
		"npm error code E401\nnpm error Incorrect or missing password.":                                                                  "--secret id=npmrc,",
		"npm error `npm ci` can only install packages when your package.json and package-lock.json or npm-shrinkwrap.json":               "npm install",
		"- Required package \"a/b\" is not present in the lock file.":                                                                    "composer update",
		"Could not open input file: bin/console\nScript @php bin/console handling the post-install-cmd event returned with error code 1": "build.composer.include",
		"Fatal error: Allowed memory size exhausted":                                                                                     "",
	} {
		failed := &BuildError{Step: "RUN", Log: []string{"before", log}, Err: errors.New("exit code: 1")}
		assert.ErrorIs(t, hinted(fmt.Errorf("build: %w", failed)), failed)
		if want == "" {
			assert.Empty(t, failed.Hint(), log)
		} else {
			assert.Contains(t, failed.Hint(), want, log)
		}
	}
	known := &BuildError{Log: []string{"E401"}, Err: errors.New("x"), hint: "another"}
	_ = hinted(known)
	assert.Equal(t, "another", known.Hint())
	assert.EqualError(t, hinted(errors.New("else")), "else")
}

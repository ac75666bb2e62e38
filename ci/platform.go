// Package ci is how sitectl looks where it runs: which platform it is, and how
// that platform folds a step of the work into a section of its log.
package ci

// Platform is where sitectl runs, as far as its log is concerned.
type Platform string

// The platforms.
const (
	GitLab   Platform = "gitlab"   // a GitLab CI job
	GitHub   Platform = "github"   // a GitHub Actions step
	Terminal Platform = "terminal" // a person at a terminal
	Plain    Platform = "plain"    // anything else: a file, a pipe, another CI
)

// Detect finds the platform from the environment, for example os.Getenv, and
// from whether the log goes to a terminal. Both CI platforms promise their
// variable to be "true" in every job:
// https://docs.gitlab.com/ci/variables/predefined_variables/ and
// https://docs.github.com/en/actions/reference/workflows-and-actions/variables.
func Detect(getenv func(string) string, terminal bool) Platform {
	switch {
	case getenv("GITLAB_CI") == "true":
		return GitLab
	case getenv("GITHUB_ACTIONS") == "true":
		return GitHub
	case terminal:
		return Terminal
	default:
		return Plain
	}
}

// Job returns the address of the pipeline job that sitectl runs in, or "" if
// it does not run in one.
func Job(getenv func(string) string) string {
	switch Detect(getenv, false) {
	case GitLab:
		return getenv("CI_JOB_URL")
	case GitHub:
		return getenv("GITHUB_SERVER_URL") + "/" + getenv("GITHUB_REPOSITORY") + "/actions/runs/" + getenv("GITHUB_RUN_ID")
	default:
		return ""
	}
}

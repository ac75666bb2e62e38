package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// completions are asked of a real shell each, in the folder of a site. Nobody
// answers at its cluster.
var completions = map[string]string{
	"sitectl cron re":                             "resume",
	"sitectl ship -e st":                          "staging",
	"sitectl ship --environment=st":               "--environment=staging",
	"sitectl status --context arn:aws:":           "arn:aws:eks:eu",
	"sitectl config --explain web.rollout.maxS":   "web.rollout.maxSurge",
	"sitectl cron run ni":                         "nightly",
	"sitectl rollback 1":                          "",
	"sitectl -e $(touch${IFS}hacked) ship --prog": "--progress",
}

// shellScripts complete the line in $LINE and print the candidates.
var shellScripts = map[string]string{
	"bash": `
source <(sitectl completion bash)
eval "words=($(printf '%q ' $SPLIT))" # as readline splits: at white space, = and :
COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1)) COMP_LINE=$LINE COMP_POINT=${#LINE}
_sitectl sitectl "${words[-1]}" ""
printf '%s\n' "${COMPREPLY[@]}"
`,
	"fish": `
sitectl completion fish | source
complete -C $LINE
`,
	"zsh": `
autoload -Uz compinit && compinit -u -D
source <(sitectl completion zsh)
_describe() { print -rl -- ${(P)@[-1]} } # what is offered, before it is laid out
_files() { }
words=(${(z)LINE}) CURRENT=${#words}
_sitectl
`,
}

func TestCompletionInShells(t *testing.T) {
	dir, env := completionFolder(t)
	for shell, script := range shellScripts {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				require.Empty(t, os.Getenv("CI"), "%s is needed: make shells", shell)
				t.Skipf("no %s: make shells installs it", shell)
			}
			for line, want := range completions {
				t.Run(line, func(t *testing.T) {
					command := exec.Command(path, "-c", script)
					command.Dir = dir
					command.Env = append(env, "LINE="+line, "SPLIT="+strings.NewReplacer("=", " = ", ":", " : ").Replace(line))
					out, err := command.CombinedOutput()
					require.NoError(t, err, string(out))
					got := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
					if want == "" {
						assert.Empty(t, strings.TrimSpace(string(out)))
					} else {
						assert.Regexp(t, "^"+regexp.QuoteMeta(offered(shell, line, want))+"($|:|\t)", got[0])
					}
					assert.NoFileExists(t, filepath.Join(dir, "hacked"), "nothing that is typed is run")
				})
			}
		})
	}
}

// completionFolder has a site and a kubeconfig, and sitectl in the PATH.
func completionFolder(t *testing.T) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	program, err := os.Executable()
	require.NoError(t, err)
	// The test's own program is sitectl if it is called so; see TestMain.
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "bin"), 0o700))
	require.NoError(t, os.Symlink(program, filepath.Join(dir, "bin", "sitectl")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "site.yaml"), []byte(completedSite), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kubeconfig"), []byte(completedKubeconfig), 0o600))
	return dir, append(os.Environ(),
		"PATH="+filepath.Join(dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"),
		"HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir, "TERM=dumb",
		"KUBECONFIG="+filepath.Join(dir, "kubeconfig"), "SITECTL_ENVIRONMENT=",
	)
}

// offered is a candidate in the form in which a shell is told of it.
func offered(shell, line, want string) string {
	switch shell {
	case "bash": // without what bash takes for words of their own
		typed := line[strings.LastIndex(line, " ")+1:]
		return want[strings.LastIndexAny(typed, "=:")+1:]
	case "zsh":
		return strings.ReplaceAll(want, ":", `\:`)
	default:
		return want
	}
}

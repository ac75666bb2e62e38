package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

const completedSite = `site: example.com
image: registry.example.com/example
cron:
  - {name: hourly, schedule: "H * * * *", command: [one]}
  - {name: nightly, schedule: "@daily", command: [two]}
environments:
  production:
  staging: {cron: [{name: sync, schedule: "@daily", command: [sync]}]}
`

const completedKubeconfig = `apiVersion: v1
kind: Config
contexts:
  - {name: stable, context: {cluster: c, user: u}}
  - {name: "arn:aws:eks:eu", context: {cluster: c, user: u}}
`

func TestComplete(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SITECTL_ENVIRONMENT", "")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "site.yaml"), []byte(completedSite), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "kubeconfig"), []byte(completedKubeconfig), 0o600))
	t.Setenv("KUBECONFIG", filepath.Join(dir, "kubeconfig"))
	t.Chdir(dir)
	cluster := cluster{
		releases: func(*line) []candidate { return plainCandidates([]string{"12", "11", "1a2b3c4"}) },
		backups:  func(*line) []candidate { return plainCandidates([]string{"2026-01-02"}) },
	}
	for typed, want := range map[string]string{
		"st":                                  "status",
		"re":                                  "render restore-db recover",
		"cron ":                               "list run suspend resume",
		"cron re":                             "resume",
		"-e staging cron r":                   "run resume",
		"nothing ":                            "",
		"ship -e ":                            "production staging",
		"ship --environment=p":                "--environment=production",
		"ship -e=s":                           "-e=staging",
		"-e st":                               "staging",
		"ship --progress ":                    "auto plain tty quiet",
		"ship --color ":                       "auto always never",
		"ship --output ":                      "text json jsonl",
		"status --output ":                    "text json",
		"status --output=j":                   "--output=json",
		"status --nonsense=j":                 "",
		"status --context ":                   "arn:aws:eks:eu stable",
		"status --kubeconfig none --context ": "",
		"status --file ":                      "",
		"ship --allow-":                       "--allow-older --allow-dirty",
		"ship --allow-older --allow-":         "--allow-dirty",
		"ship --secret id=a,src=b --secr":     "--secret",
		"ship --verb":                         "--verbose",
		"version --":                          "--color --output --help",
		"--versi":                             "--version",
		"rollback ":                           "12 11 1a2b3c4",
		"rollback 1a":                         "1a2b3c4",
		"rollback --keep-database 12 ":        "",
		"rollback --lock-wait 5m 1":           "12 11 1a2b3c4",
		"logs --release 1a":                   "1a2b3c4",
		"restore-db ":                         "2026-01-02",
		"cron run ":                           "hourly nightly",
		"cron run -e staging ":                "sync",
		"cron suspend n":                      "nightly",
		"config --explain web.rollout.max":    "web.rollout.maxSurge web.rollout.maxUnavailable",
		"completion ":                         "bash zsh fish",
		"run -":                               "--timeout --file --environment --kubeconfig --context --progress --color --help",
		"run -- --":                           "",
		"run drush --":                        "",
		"exec ":                               "",
	} {
		t.Run(typed, func(t *testing.T) {
			var got []string
			for _, c := range complete(newApp(nil, nil), strings.Split(typed, " "), cluster) {
				got = append(got, c.text)
			}
			assert.Equal(t, want, strings.Join(got, " "))
		})
	}
}

func TestCompleteOffersAllCommands(t *testing.T) {
	app := newApp(nil, nil)
	var want, got []string
	for _, command := range app.Commands {
		if !command.Hidden {
			want = append(want, command.Name)
		}
	}
	for _, c := range complete(app, []string{""}, cluster{}) {
		got = append(got, c.text)
		assert.NotEmpty(t, c.about, c.text)
	}
	assert.Equal(t, want, got)
	assert.NotContains(t, got, "__complete")
}

func TestReleaseNames(t *testing.T) {
	release := func(number int, tag, subject string) deployer.Release {
		return deployer.Release{Number: number, Outcome: "shipped", Commit: site.Commit{Tag: tag, Subject: subject}}
	}
	assert.Equal(t, []candidate{
		{"3", "1a2b3c4, shipped One"},
		{"2", "5d6e7f8, shipped Two"},
		{"1", "1a2b3c4, shipped One"},
		{"1a2b3c4", "release 3, shipped One"},
		{"5d6e7f8", "release 2, shipped Two"},
	}, releaseNames([]deployer.Release{release(3, "1a2b3c4", "One"), release(2, "5d6e7f8", "Two"), release(1, "1a2b3c4", "One")}))
}

func TestCandidateLines(t *testing.T) {
	candidates := []candidate{{"arn:aws", "a\x1b[2J\nb: c"}, {"plain", ""}}
	assert.Equal(t, "arn:aws\nplain\n", candidateLines("bash", candidates))
	assert.Equal(t, "arn\\:aws:a[2J b: c\nplain\n", candidateLines("zsh", candidates))
	assert.Equal(t, "arn:aws\ta[2J b: c\nplain\n", candidateLines("fish", candidates))
}

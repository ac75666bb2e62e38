package site

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSourceURL(t *testing.T) {
	for remote, want := range map[string]string{
		"git@git.example.com:agency/site.git":            "https://git.example.com/agency/site",
		"https://git.example.com/agency/site.git":        "https://git.example.com/agency/site",
		"https://user:word@git.example.com/agency/site":  "https://git.example.com/agency/site",
		"ssh://git@git.example.com:2222/agency/site.git": "https://git.example.com/agency/site",
		"/srv/git/site":        "",
		"../site":              "",
		"file:///srv/git/site": "",
		"":                     "",
	} {
		assert.Equal(t, want, SourceURL(remote), remote)
	}
}

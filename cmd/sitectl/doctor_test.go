package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/deployer"
	"github.com/sitectl/sitectl/site"
)

func TestJudgeExpiry(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d := &doctor{now: func() time.Time { return now }}
	for name, test := range map[string]struct {
		expires time.Time
		renewed bool
		want    diagnosis
	}{
		"does not tell":       {time.Time{}, false, diagnosis{Result: checkOK, Message: "token"}},
		"renewed":             {time.Time{}, true, diagnosis{Result: checkOK, Message: "token, renewed as needed"}},
		"renewed, soon":       {now.Add(time.Hour), true, diagnosis{Result: checkOK, Message: "token, until 2026-01-02 04:04 UTC, renewed before"}},
		"in a year":           {now.AddDate(1, 0, 0), false, diagnosis{Result: checkOK, Message: "token, until 2027-01-02 03:04 UTC"}},
		"in six days":         {now.AddDate(0, 0, 6), false, diagnosis{Result: checkWarning, Message: "token expires in 6 days, on 2026-01-08 03:04 UTC", Mend: "a new one"}},
		"in 30 hours":         {now.Add(30 * time.Hour), false, diagnosis{Result: checkWarning, Message: "token expires in 30 hours, on 2026-01-03 09:04 UTC", Mend: "a new one"}},
		"in a minute":         {now.Add(time.Minute), false, diagnosis{Result: checkWarning, Message: "token expires in 1 minute, on 2026-01-02 03:05 UTC", Mend: "a new one"}},
		"expired":             {now.Add(-time.Hour), false, diagnosis{Result: checkFailed, Message: "token has expired, on 2026-01-02 02:04 UTC", Mend: "a new one"}},
		"expired, not renews": {now, true, diagnosis{Result: checkFailed, Message: "token has expired, on 2026-01-02 03:04 UTC", Mend: "a new one"}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, []diagnosis{test.want}, d.judgeExpiry("token", test.expires, test.renewed, "a new one"))
		})
	}
}

// phoneBook resolves the hosts in it.
type phoneBook map[string][]string

func (b phoneBook) LookupHost(_ context.Context, host string) ([]string, error) {
	switch addresses := b[host]; {
	case host == "broken.example.com":
		return nil, &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
	case addresses == nil:
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	default:
		return addresses, nil
	}
}

func TestLookAtHost(t *testing.T) {
	d := &doctor{resolver: phoneBook{
		"example.com":                {"192.0.2.1", "2001:db8::1"},
		"sitectl-doctor.example.com": {"192.0.2.1"},
	}}
	for name, test := range map[string]struct {
		host    string
		edge    []string
		result  checkResult
		message string
		mend    string
	}{
		"of this machine": {"shop.localhost", nil, checkOK, "shop.localhost is this machine, without DNS (RFC 6761)", ""},
		"of the cluster":  {"example.com", []string{"192.0.2.1"}, checkOK, "example.com has the address 192.0.2.1, 2001:db8::1, which is the cluster's", ""},
		"wildcard":        {"*.example.com", []string{"192.0.2.1"}, checkOK, "*.example.com has the address 192.0.2.1, which is the cluster's", ""},
		"before a ship":   {"example.com", nil, checkOK, "example.com has the address 192.0.2.1, 2001:db8::1; whether that is the cluster's is not known before the first ship", ""},
		"elsewhere": {
			"example.com",
			[]string{"192.0.2.9"},
			checkWarning, "example.com has the address 192.0.2.1, 2001:db8::1, but the cluster is reached at 192.0.2.9",
			"have a DNS record of example.com lead to 192.0.2.9, unless something in front of the cluster has that address",
		},
		"nowhere":   {"example.org", []string{"192.0.2.9"}, checkFailed, "example.org has no address: nobody can find the site there", "have a DNS record of example.org lead to 192.0.2.9"},
		"no answer": {"broken.example.com", nil, checkWarning, "broken.example.com: lookup broken.example.com: server misbehaving", ""},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, diagnosis{Result: test.result, Message: test.message, Mend: test.mend}, d.lookAtHost(t.Context(), test.host, test.edge))
		})
	}
}

func TestFileProblem(t *testing.T) {
	assert.Equal(t, diagnosis{Result: checkFailed, Message: "site.yaml:3:1: web.replica: unknown key", Mend: `in line 3 of site.yaml: did you mean "replicas"?`},
		fileProblem(site.Problem{File: "site.yaml", Line: 3, Column: 1, Key: "web.replica", Message: "unknown key", Hint: `did you mean "replicas"?`}))
	assert.Equal(t, "correct line 3 of site.yaml", fileProblem(site.Problem{File: "site.yaml", Line: 3}).Mend)
	assert.Empty(t, fileProblem(site.Problem{File: "site.yaml"}).Mend, "that is for the check to say")
}

func TestDiagnoses(t *testing.T) {
	finding := func(warning bool) deployer.Finding {
		return deployer.Finding{About: "Secret smtp", Message: "m", Hint: "h", Warning: warning}
	}
	assert.Equal(t, []diagnosis{
		{Result: checkOK, Message: "Secret smtp: m", Mend: "h"},
		{Result: checkFailed, Message: "Secret smtp: m", Mend: "h"},
		{Result: checkWarning, Message: "Secret smtp: m", Mend: "h"},
		{Result: checkSkipped, Message: "Secret smtp: m", Mend: "h"},
	}, diagnoses([]deployer.Diagnosis{
		{Finding: finding(false), Well: true}, {Finding: finding(false)}, {Finding: finding(true)}, {Finding: finding(false), Unseen: true},
	}))
}

func TestDoctorText(t *testing.T) {
	checks := []*examined{
		{found: []diagnosis{{Group: "git", Check: "git", Result: checkOK, Message: "git version 2"}}},
		{found: []diagnosis{{Group: "git", Check: "remote", Result: checkWarning, Message: "no remote", Mend: "git remote add"}}},
		{found: []diagnosis{{Group: "cluster", Check: "cluster", Result: checkFailed, Message: "cluster: \x1b[2Jno\n  way", Mend: "go\n  there"}}},
		{found: []diagnosis{{Group: "cluster", Check: "clock", Result: checkSkipped, lacks: "cluster"}}},
		{found: []diagnosis{{Group: "cluster", Check: "quota", Result: checkSkipped, lacks: "cluster"}}},
		{},
		{found: []diagnosis{{Group: "hosts", Check: "hosts", Result: checkSkipped, Message: "hosts: not allowed"}}},
	}
	for name, test := range map[string]struct {
		marks map[checkResult]string
		color colors
		want  string
	}{
		"Unicode": {unicodeMarks, false, `git
  ✓ git version 2
  ! no remote
    mend: git remote add
cluster
  ✗ cluster: [2Jno
      way
    mend: go there
  – clock, quota: not before cluster is well
hosts
  – hosts: not allowed
1 failure, 1 warning, of 6 checks
`},
		"ASCII": {asciiMarks, false, `git
  + git version 2
  ! no remote
    mend: git remote add
cluster
  x cluster: [2Jno
      way
    mend: go there
  - clock, quota: not before cluster is well
hosts
  - hosts: not allowed
1 failure, 1 warning, of 6 checks
`},
		"colour": {asciiMarks, true, "\x1b[1mgit\x1b[0m\n  \x1b[32m+\x1b[0m git version 2\n  \x1b[33m!\x1b[0m no remote\n    mend: git remote add\n" +
			"\x1b[1mcluster\x1b[0m\n  \x1b[31mx\x1b[0m cluster: [2Jno\n      way\n    mend: go there\n  - clock, quota: not before cluster is well\n" +
			"\x1b[1mhosts\x1b[0m\n  - hosts: not allowed\n1 failure, 1 warning, of 6 checks\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			text := &doctorText{out: &out, marks: test.marks, colors: test.color}
			r := doctorResult{}
			for _, check := range checks {
				text.tell(check)
				r.add(check)
			}
			require.NoError(t, text.end(r))
			assert.Equal(t, test.want, out.String())
		})
	}
}

func TestDoctorCounts(t *testing.T) {
	var r doctorResult
	for _, e := range []*examined{
		{area: statusUsage, found: []diagnosis{{Result: checkOK}, {Result: checkWarning}}},
		{area: statusRegistry, found: []diagnosis{{Result: checkFailed}}},
		{area: statusFailed, found: []diagnosis{{Result: checkSkipped}, {Result: checkFailed}}},
	} {
		r.add(e)
	}
	assert.Equal(t, 2, r.Failed)
	assert.Equal(t, 1, r.Warnings)
	assert.Len(t, r.Checks, 5)
	assert.Equal(t, statusRegistry, r.ExitStatus, "that of the first failure")
	assert.Equal(t, statusRegistry, exitStatus(t.Context(), &doctorError{r}))
	assert.Equal(t, "2 things have to be mended", (&doctorError{r}).Error())
}

func TestShowsUnicode(t *testing.T) {
	for name, test := range map[string]struct {
		environment map[string]string
		want        bool
	}{
		"none":                 {nil, false},
		"C":                    {map[string]string{"LANG": "C"}, false},
		"C.UTF-8":              {map[string]string{"LANG": "C.UTF-8"}, true},
		"utf8":                 {map[string]string{"LC_CTYPE": "de_DE.utf8"}, true},
		"LC_ALL wins":          {map[string]string{"LANG": "C.UTF-8", "LC_ALL": "POSIX"}, false},
		"a job without locale": {map[string]string{"GITLAB_CI": "true"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, showsUnicode(func(key string) string { return test.environment[key] }))
		})
	}
}

// What cannot be written ends in an error, not in silence.
func TestDoctorTextThatNobodyReads(t *testing.T) {
	text := &doctorText{out: brokenWriter{}, marks: asciiMarks}
	assert.ErrorContains(t, text.end(doctorResult{}), "write standard output: broken")
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

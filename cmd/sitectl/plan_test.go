package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sitectl/sitectl/deployer"
)

var samplePlan = planResult{Build: true, Plan: deployer.Plan{
	Namespace: "example-com",
	Image:     "registry.example.com/site:1a2b3c4",
	Migration: []string{"database", "index"},
	Changes: []deployer.Change{
		{Kind: "Namespace", Name: "example-com", Action: deployer.ActionNone},
		{Kind: "Secret", Name: "database", Action: deployer.ActionCreate},
		{Kind: "Secret", Name: "registry", Action: deployer.ActionChange, Fields: []deployer.FieldChange{
			{Path: "data..dockerconfigjson", After: "(hidden)"},
		}},
		{Kind: "ConfigMap", Name: "site", Action: deployer.ActionChange, Fields: []deployer.FieldChange{
			{Path: "data.hosts", Before: `"example.com\nold.example.com\nwww.example.com\n"`, After: `"example.com\nwww.example.com\n"`},
			{Path: "data.note", Before: `"\u001b[2J"`, After: `""`},
		}},
		{
			Kind: "Deployment", Name: "web", Action: deployer.ActionChange,
			Fields: []deployer.FieldChange{
				{Path: "spec.replicas", Before: "1", After: "2"},
				{Path: "metadata.labels.a", After: `"b"`},
				{Path: "metadata.labels.c", Before: `"d"`},
				{
					Path:   "spec.template.spec.containers[web].image",
					Before: `"registry.example.com/agency/example-com:0f0f0f0@sha256:0000"`,
					After:  `"registry.example.com/agency/example-com:1a2b3c4@sha256:1111"`,
				},
				{Path: "spec.template.spec.volumes[cache]", After: `{"emptyDir":{"sizeLimit":"1Gi"},"name":"cache"}`},
			},
			TakenOver: []string{"spec.replicas (kubectl-scale)"},
			Restart:   &deployer.Restart{Pods: 3, Because: []string{"image of web", "volumes"}},
		},
		{Kind: "CronJob", Name: "old", Action: deployer.ActionDelete},
	},
}}

func TestPlanText(t *testing.T) {
	const want = `build registry.example.com/site:1a2b3c4
migrate: database, index
+ Secret database
~ Secret registry
    data..dockerconfigjson: + (hidden)
~ ConfigMap site
    data.hosts:
        (line 2)
      - old.example.com
    data.note: [2J -> ""
~ Deployment web
    spec.replicas: 1 -> 2
    metadata.labels.a: + b
    metadata.labels.c: - d
    spec.template.spec.containers[web].image:
      - registry.example.com/agency/example-com:0f0f0f0@sha256:0000
      + registry.example.com/agency/example-com:1a2b3c4@sha256:1111
    spec.template.spec.volumes[cache]:
      + emptyDir:
      +   sizeLimit: 1Gi
      + name: cache
    taken over: spec.replicas (kubectl-scale)
    replaces 3 pods: image of web, volumes
- CronJob old
namespace example-com: 1 created, 3 changed, 1 deleted, 1 unchanged; 3 pods replaced
`
	assert.Equal(t, want, planText(samplePlan, false))

	painted := planText(samplePlan, true)
	assert.Contains(t, painted, "\x1b[31m- old.example.com\x1b[0m\n")
	assert.Contains(t, painted, "\x1b[32m+ Secret database\x1b[0m\n")
	assert.Equal(t, want, regexp.MustCompile(`\x1b\[\d+m`).ReplaceAllString(painted, ""))
}

// TestPlanJSON is the shape that the README documents.
func TestPlanJSON(t *testing.T) {
	small := samplePlan
	small.Changes = samplePlan.Changes[2:3]
	web := samplePlan.Changes[4]
	web.Fields = web.Fields[:2]
	small.Changes = append(small.Changes[:1:1], web)
	var out bytes.Buffer
	require.NoError(t, writeJSON(&out, small))
	assert.JSONEq(t, `{
		"build": true,
		"namespace": "example-com",
		"image": "registry.example.com/site:1a2b3c4",
		"migration": ["database", "index"],
		"changes": [
			{"kind": "Secret", "name": "registry", "action": "change", "fields": [{"path": "data..dockerconfigjson", "after": "(hidden)"}]},
			{
				"kind": "Deployment", "name": "web", "action": "change",
				"fields": [{"path": "spec.replicas", "before": "1", "after": "2"}, {"path": "metadata.labels.a", "after": "\"b\""}],
				"takenOver": ["spec.replicas (kubectl-scale)"],
				"restart": {"pods": 3, "because": ["image of web", "volumes"]}
			}
		]
	}`, out.String())
}

func TestPlanWithoutATerminalHasNoColors(t *testing.T) {
	assert.False(t, isTerminal(&strings.Builder{}))
}

func TestValueLines(t *testing.T) {
	for value, want := range map[string][]string{
		"":              nil,
		"3":             {"3"},
		"null":          {"null"},
		`"text"`:        {"text"},
		`" padded"`:     {`" padded"`},
		`"a\nb\n"`:      {"a", "b"},
		`["a","b"]`:     {"- a", "- b"},
		"(hidden)":      {"(hidden)"},
		`{"a":{"b":1}}`: {"a:", "  b: 1"},
	} {
		assert.Equal(t, want, valueLines(value), value)
		assert.True(t, value == "" || value == "(hidden)" || json.Valid([]byte(value)))
	}
}

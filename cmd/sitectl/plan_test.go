package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/sitectl/sitectl/deployer"
)

func TestPlanText(t *testing.T) {
	plan := planResult{Build: true, Plan: deployer.Plan{
		Namespace: "example-com",
		Image:     "registry.example.com/site:1a2b3c4",
		Migration: []string{"database", "index"},
		Changes: []deployer.Change{
			{Kind: "Namespace", Name: "example-com", Action: deployer.ActionNone},
			{Kind: "Secret", Name: "database", Action: deployer.ActionCreate},
			{Kind: "Deployment", Name: "web", Action: deployer.ActionChange, Restarts: true, Fields: []deployer.FieldChange{
				{Path: "spec.replicas", Before: "1", After: "2"},
				{Path: "metadata.labels.a", After: `"b"`},
				{Path: "metadata.labels.c", Before: `"d"`},
			}},
			{Kind: "CronJob", Name: "old", Action: deployer.ActionDelete},
		},
	}}
	assert.Equal(t, `build registry.example.com/site:1a2b3c4
migrate: database, index
+ Secret database
~ Deployment web (its pods are replaced)
    spec.replicas: 1 -> 2
    metadata.labels.a: + "b"
    metadata.labels.c: - "d"
- CronJob old
3 objects of namespace example-com change, 1 do not
`, planText(plan))
}

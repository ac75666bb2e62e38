package deployer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func TestDifference(t *testing.T) {
	tests := []struct {
		name, before, after string
		want                []FieldChange
	}{
		{name: "same", before: `{a: {b: [1, {name: x}]}}`, after: `{a: {b: [1, {name: x}]}}`},
		{
			name: "value", before: `{spec: {replicas: 2}}`, after: `{spec: {replicas: 3}}`,
			want: []FieldChange{{"spec.replicas", "2", "3"}},
		},
		{
			name:   "named element, moved",
			before: `{containers: [{name: web, image: a}, {name: other, image: b}]}`,
			after:  `{containers: [{name: other, image: b}, {name: web, image: c}]}`,
			want:   []FieldChange{{"containers[web].image", `"a"`, `"c"`}},
		},
		{
			name: "element added", before: `{args: [a]}`, after: `{args: [a, b]}`,
			want: []FieldChange{{"args[1]", "", `"b"`}},
		},
		{
			name: "field removed", before: `{metadata: {labels: {a: x, b: z}}}`, after: `{metadata: {labels: {a: x}}}`,
			want: []FieldChange{{"metadata.labels.b", `"z"`, ""}},
		},
		{
			name: "another type", before: `{port: 80}`, after: `{port: {name: http}}`,
			want: []FieldChange{{"port", "80", `{"name":"http"}`}},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var before, after any
			require.NoError(t, yaml.Unmarshal([]byte(test.before), &before))
			require.NoError(t, yaml.Unmarshal([]byte(test.after), &after))
			assert.Equal(t, test.want, difference("", before, after))
		})
	}
}

package builder

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSecretParts(t *testing.T) {
	tests := map[string]struct {
		content string
		parts   []string
	}{
		"Composer": {
			`{"http-basic": {"repo.example.com": {"username": "agency", "password": "not-a-password"}}, "github-oauth": {"github.com": "not-a-token"}}`,
			[]string{"not-a-password", "not-a-token"},
		},
		"npm": {
			"registry=https://npm.example.com/\n//npm.example.com/:_authToken=not-a-token\n//other.example.com/:_password=\"bm90\"\n",
			[]string{"bm90", "not-a-token"},
		},
		"npm, from a variable": {"//npm.example.com/:_authToken=${NPM_TOKEN}\n", nil},
		"a word":               {"not-a-password\n", []string{"not-a-password"}},
		"digits":               {"12345678", []string{"12345678"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var parts []string
			for _, part := range secretParts([]byte(test.content)) {
				parts = append(parts, string(part))
			}
			for _, part := range test.parts {
				assert.Contains(t, parts, part)
			}
			assert.False(t, slices.Contains(parts, "agency"), "a user name is none")
			assert.NotContains(t, parts, "https://npm.example.com/")
			assert.NotContains(t, parts, "${NPM_TOKEN}")
		})
	}
}

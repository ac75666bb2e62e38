package site

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParse shows that any file leads to problems or to a site that reads
// back to itself.
func FuzzParse(f *testing.F) {
	for _, folder := range []string{"good", "bad"} {
		for _, path := range siteFilePaths(f, folder) {
			data, err := os.ReadFile(path)
			require.NoError(f, err)
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		site, err := Parse("site.yaml", data, "")
		if err != nil {
			var problems Problems
			require.True(t, errors.As(err, &problems))
			require.NotEmpty(t, problems)
			return
		}
		text, err := Marshal(site)
		require.NoError(t, err)
		again, err := Parse("resolved.yaml", text, "")
		require.NoError(t, err, "%s", text)
		require.Equal(t, site, again)
	})
}

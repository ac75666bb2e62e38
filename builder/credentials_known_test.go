package builder

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKnownRegistries(t *testing.T) {
	folder := t.TempDir()
	hosts, err := KnownRegistries(folder)
	require.NoError(t, err)
	assert.Empty(t, hosts)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.json"), []byte(`{
		"auths": {"https://index.docker.io/v1/": {}, "registry.example.com:5000": {"auth": "YTpi"}, "https://a.example.com/v2/": {}},
		"credHelpers": {"registry.example.com:5000": "x", "c.example.com": "y"}}`), 0o600))
	hosts, err = KnownRegistries(folder)
	require.NoError(t, err)
	assert.Equal(t, []string{"a.example.com", "c.example.com", "registry.example.com:5000"}, hosts)
}

package builder

import (
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	canary  = "canary-of-this-test-0123456789"
	another = "another-one"
)

func auditSecrets(t *testing.T, config *v1.ConfigFile, layers ...v1.Layer) []Finding {
	t.Helper()
	result, err := audit(t.Context(), audited{Config: config, Layers: layers}, nil,
		[][]byte{[]byte(another), []byte(canary + "\n"), nil, []byte("short")})
	require.NoError(t, err)
	for _, finding := range result.Findings {
		assert.NotContains(t, finding.String(), canary)
		assert.NotContains(t, finding.String(), another)
	}
	return result.Findings
}

// Wherever in a file a secret is, it is found there and in no other file.
func TestAuditFindsSecretsInFiles(t *testing.T) {
	for _, secret := range []string{canary, another} {
		for _, size := range []int{0, 1, 511, 512, 513, 8191, headSize, headSize + 700, 200_000} {
			for _, before := range []int{size, size - 1, size - len(secret)/2, size - len(secret)} {
				if before < 0 {
					continue
				}
				layer := layerOf(t,
					packed{name: "a", content: strings.Repeat("a", 1000)},
					packed{name: "b", content: strings.Repeat("b", before) + secret},
					packed{name: "c", content: strings.Repeat("c", 10)},
					packed{name: "d"},
				)
				assert.Equal(t, []string{"secret /b"}, brief(auditSecrets(t, hardened(), layer)), "after %d bytes", before)
			}
		}
	}
	assert.Empty(t, auditSecrets(t, hardened(), layerOf(t, packed{name: "a", content: "short " + canary[:len(canary)-1]})))
}

func TestAuditFindsSecretsElsewhere(t *testing.T) {
	trailing := append(archive(t, packed{name: "a"}), canary...)
	for name, test := range map[string]struct {
		layer v1.Layer
		found string
	}{
		"a name":           {layerOf(t, packed{name: "x"}, packed{name: canary}), "secret /***"},
		"a long name":      {layerOf(t, packed{name: strings.Repeat("a/", 200) + another}), "secret /" + strings.Repeat("a/", 200) + "***"},
		"a folder's name":  {layerOf(t, packed{name: "x"}, packed{name: another + "/"}), "secret /***"},
		"a link":           {layerOf(t, packed{name: "a"}, packed{name: "b", kind: '2', link: canary}), "secret /b"},
		"an attribute":     {layerOf(t, packed{name: "a"}, packed{name: "b", pax: map[string]string{"SCHILY.xattr.user.a": canary}}), "secret /b"},
		"behind the files": {static.NewLayer(trailing, types.OCILayer), "secret /"},
		"a deleted file":   {layerOf(t, packed{name: "b", content: canary}, packed{name: "b"}), "secret /b"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, []string{test.found}, brief(auditSecrets(t, hardened(), test.layer)))
		})
	}
}

func TestAuditFindsSecretsInTheConfiguration(t *testing.T) {
	for at, set := range map[string]func(*v1.ConfigFile){
		"/config/Env/4":         func(c *v1.ConfigFile) { c.Config.Env = append(c.Config.Env, "NAME="+canary) },
		"/config/Cmd/1":         func(c *v1.ConfigFile) { c.Config.Cmd = []string{"run", "--with=" + canary} },
		"/config/Labels/a":      func(c *v1.ConfigFile) { c.Config.Labels = map[string]string{"a": canary} },
		"/config/Labels/***":    func(c *v1.ConfigFile) { c.Config.Labels = map[string]string{canary: "a"} },
		"/history/1/created_by": func(c *v1.ConfigFile) { c.History = []v1.History{{}, {CreatedBy: "RUN x " + canary}} },
		"/history/0/comment":    func(c *v1.ConfigFile) { c.History = []v1.History{{Comment: canary}} },
		"/author":               func(c *v1.ConfigFile) { c.Author = another },
	} {
		config := hardened()
		set(config)
		assert.Equal(t, []string{"secret " + at}, brief(auditSecrets(t, config)))
	}
	config := hardened()
	config.Config.User = canary
	findings := auditSecrets(t, config)
	assert.Equal(t, []string{"secret /config/User", "user /config/User"}, brief(findings))
}

// Secrets of different lengths, in writes of different lengths.
func TestSecretSearch(t *testing.T) {
	secrets := [][]byte{[]byte("12345678"), []byte("abcdefghijklmnopqrstuvwxyz")}
	for _, text := range []string{
		"12345678", "x12345678", "12345678x", "abcdefghijklmnopqrstuvwxyz", "1234567abcdefghijklmnopqrstuvwxyz",
		"xyzabcdefghijklmnopqrstuvwxyz12345678", "1234567 8", "abcdefghijklmnopqrstuvwxy", "1112345678",
	} {
		want := strings.Contains(text, string(secrets[0])) || strings.Contains(text, string(secrets[1]))
		for size := 1; size <= len(text); size++ {
			search := newSecretSearch(secrets)
			for rest := text; rest != ""; rest = rest[min(size, len(rest)):] {
				n, err := fmt.Fprint(search, rest[:min(size, len(rest))])
				require.NoError(t, err)
				require.Equal(t, min(size, len(rest)), n)
			}
			require.Equal(t, want, search.found(), "%q in writes of %d", text, size)
			require.False(t, search.found(), "it is told once")
			_, err := search.Write([]byte("xxxxxxxx"))
			require.NoError(t, err)
			require.False(t, search.found(), "%q ended before", text)
		}
	}
}

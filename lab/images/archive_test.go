package images

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestArchiveFromTargets(t *testing.T) {
	public := archive{Mirror: defaultMirror, Security: defaultSecurity}
	tests := map[string]struct {
		lines string
		want  archive
	}{
		"none": {"", public},
		"own mirrors": {
			"bookworm main http://mirror.example/debian/\nbookworm-updates main http://other.example/debian/\nbookworm-security main http://mirror.example/security/\n",
			archive{Mirror: "http://mirror.example/debian", Security: "http://mirror.example/security"},
		},
		"other components and releases": {"bookworm contrib http://contrib.example/\ntrixie main http://trixie.example/\n", public},
		"not reachable from an image":   {"bookworm main file:/media/cdrom/\n", public},
		"unexpected words":              {"bookworm main\nbookworm\n\n", public},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, public.withTargets(test.lines, "bookworm"))
		})
	}
}

func TestOSRelease(t *testing.T) {
	content := "NAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=bookworm\nID=debian\nEMPTY=\n"
	assert.Equal(t, "Debian GNU/Linux", osRelease(content, "NAME"))
	assert.Equal(t, "bookworm", osRelease(content, "VERSION_CODENAME"))
	assert.Equal(t, "debian", osRelease(content, "ID"))
	assert.Empty(t, osRelease(content, "EMPTY"))
	assert.Empty(t, osRelease(content, "VERSION"))
}

func TestSources(t *testing.T) {
	got := archive{Mirror: "http://mirror.example/debian", Security: "http://mirror.example/security"}.sources("trixie")
	assert.Equal(t, `Types: deb
URIs: http://mirror.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/security
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`, got)
}

func TestImagesTrustAnEncryptedMirror(t *testing.T) {
	assert.Empty(t, archive{Mirror: defaultMirror, Security: defaultSecurity}.bootstrapPackages())
	assert.Equal(t, []string{"ca-certificates"}, archive{Mirror: "https://mirror.example", Security: defaultSecurity}.bootstrapPackages())
	assert.Equal(t, []string{"ca-certificates"}, archive{Mirror: defaultMirror, Security: "https://mirror.example"}.bootstrapPackages())
}

func TestOnlyBuildsUseTheProxy(t *testing.T) {
	proxied := archive{Mirror: defaultMirror, Security: defaultSecurity, proxy: "http://127.0.0.1:3142"}
	assert.Contains(t, proxied.environment(), "http_proxy=http://127.0.0.1:3142")
	assert.NotContains(t, proxied.sources("trixie"), "3142")
	for _, variable := range (archive{}).environment() {
		assert.NotContains(t, variable, "proxy")
	}
}

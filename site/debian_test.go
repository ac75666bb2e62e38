package site

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestReleaseOf(t *testing.T) {
	for image, want := range map[string]string{
		"debian:trixie-slim":                         "trixie",
		"debian:trixie":                              "trixie",
		"debian:trixie-20260912-slim":                "trixie",
		"debian:13":                                  "trixie",
		"debian:12.5-slim":                           "bookworm",
		"debian:bookworm-slim@sha256:00":             "bookworm",
		"docker.io/library/debian:bullseye-slim":     "bullseye",
		"127.0.0.1:5000/library/debian:11":           "bullseye",
		"registry.example.com/debian-bookworm:1":     "bookworm",
		"registry.example.com/debian-12-slim@sha256": "bookworm",
		"debian:stable-slim":                         "",
		"debian:9":                                   "",
		"debian":                                     "",
		"debian@sha256:00":                           "",
		"debian-base:trixie":                         "",
		"registry.example.com/agency/php:bookworm":   "",
		"registry.example.com/debian/php:8.4":        "",
		"":                                           "",
	} {
		release, known := releaseOf(image)
		assert.Equal(t, want, release.codename, image)
		assert.Equal(t, want != "", known, image)
	}
}

// TestExtensionsOfReleases shows with some well-known ones that the table has
// what Debian has.
func TestExtensionsOfReleases(t *testing.T) {
	everywhere := []string{
		"gd", "intl", "mbstring", "curl", "xml", "zip", "mysql", "memcached", "apcu", "redis", "imagick", "bcmath", "soap",
		"pdo_mysql", "mysqli", "dom", "xsl", "json", "opcache", "sodium", "gettext", "tokenizer",
	}
	nowhere := []string{"", "cli", "fpm", "common", "dev", "all-dev", "twig", "symfony", "composer", "swoole", "Gd"}
	for _, release := range debianReleases {
		assert.True(t, slices.IsSorted(release.extensions), release)
		for _, extension := range everywhere {
			assert.True(t, release.has(extension), "%s: %s", release, extension)
		}
		for _, extension := range nowhere {
			assert.False(t, release.has(extension), "%s: %s", release, extension)
		}
		for _, implied := range extensionPartOf {
			assert.True(t, release.has(implied), "%s: %s", release, implied)
		}
		for _, preset := range presets {
			for _, extension := range presetLayer(Preset(preset)).fields["build"].fields["php"].fields["extensions"].items {
				assert.True(t, release.has(extension.scalar.String()), "%s: %s of preset %s", release, extension.scalar, preset)
			}
		}
	}
	assert.True(t, debianReleases[1].has("imap"), "bookworm")
	assert.False(t, debianReleases[0].has("imap"), "trixie")
}

//go:build lab

package builder

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// cleanBase is a Dockerfile, but for its last lines, of an image that passes.
const cleanBase = `FROM debian:trixie-slim
RUN find / -xdev -type f -perm /6000 -exec chmod ug-s {} +
`

// An image of each kind that nobody should ship, built by BuildKit and read
// from the registry.
func TestLabAuditRefuses(t *testing.T) {
	const asSite = "\nUSER 10001:10001\n"
	for name, test := range map[string]struct {
		dockerfile string
		files      map[string]string
		found      []string
	}{
		"nothing wrong": {dockerfile: cleanBase + "COPY good /srv/good" + asSite, files: map[string]string{"good": "good"}},
		"root":          {dockerfile: cleanBase, found: []string{"user /config/User"}},
		"user by name":  {dockerfile: cleanBase + "USER www-data\n", found: []string{"user /config/User"}},
		"setuid": {
			dockerfile: cleanBase + "RUN cp /usr/bin/id /usr/bin/id2 && chmod u+s /usr/bin/id2 && ln /usr/bin/id2 /usr/bin/id3" + asSite,
			found:      []string{"setuid /usr/bin/id2", "setuid /usr/bin/id3"},
		},
		"code of the user": {
			dockerfile: cleanBase + "COPY --chown=10001 code /srv/code" + asSite, files: map[string]string{"code/index.php": "1"},
			found: []string{"owner /srv/code", "writable /srv/code"},
		},
		"code for everyone": {
			dockerfile: cleanBase + "COPY code /srv/code\nRUN chmod -R a+w /srv/code" + asSite, files: map[string]string{"code/index.php": "1"},
			found: []string{"writable /srv/code"},
		},
		"composer and npm": {
			dockerfile: cleanBase + "COPY tool /usr/local/bin/composer\nCOPY tool /usr/local/lib/npm.js\nRUN ln -s ../lib/npm.js /usr/local/bin/npm" + asSite,
			files:      map[string]string{"tool": "#!/bin/sh\n"},
			found:      []string{"tool /usr/local/bin/composer", "tool /usr/local/bin/npm"},
		},
		"a tool that is gone": {
			dockerfile: cleanBase + "COPY tool /usr/local/bin/composer\nRUN rm /usr/local/bin/composer" + asSite, files: map[string]string{"tool": "x"},
		},
		"package lists that are deleted too late": {
			dockerfile: cleanBase + "RUN echo x > /var/lib/apt/lists/list\nRUN rm /var/lib/apt/lists/list" + asSite,
			found:      []string{"package-list /var/lib/apt/lists/list"},
		},
		"git": {
			dockerfile: cleanBase + "RUN mkdir -p /srv/.git && echo ref > /srv/.git/HEAD" + asSite,
			found:      []string{"git /srv/.git"},
		},
		"an env file that is deleted": {
			dockerfile: cleanBase + "COPY . /srv\nRUN rm -r /srv" + asSite, files: map[string]string{".env": "A=1", ".env.example": "A="},
			found: []string{"env-file /srv/.env"},
		},
		"a private key": {
			dockerfile: cleanBase + "COPY conf /srv/conf" + asSite, files: map[string]string{"conf": pemKey("RSA", "\n")},
			found: []string{"private-key /srv/conf"},
		},
		"a dump": {
			dockerfile: cleanBase + "COPY backup /srv/backup" + asSite, files: map[string]string{"backup": gzipped("-- MySQL dump 10.13\n")},
			found: []string{"dump /srv/backup"},
		},
		"logins": {
			dockerfile: cleanBase + "COPY auth.json .npmrc /root/" + asSite,
			files: map[string]string{
				"auth.json": `{"gitlab-token": {"gitlab.example.com": "x"}}`, ".npmrc": "//npm.example.com/:_authToken=x\n",
			},
			found: []string{"credentials /root/.npmrc", "credentials /root/auth.json"},
		},
		"credentials in variables": {
			dockerfile: cleanBase + "ENV DB_PASSWORD=x1\nARG NPM_TOKEN=x1\nRUN true" + asSite,
			found:      []string{"environment /config/Env/DB_PASSWORD", "environment /history"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, progress := labBuilder(t)
			s := labSite(t)
			s.Build.Dockerfile = "Dockerfile"
			dir := t.TempDir()
			write(t, dir, map[string]string{"Dockerfile": test.dockerfile})
			write(t, dir, test.files)
			image, _, err := ship(t, b, s, dir)
			if test.found == nil {
				require.NoError(t, err, "%s", progress)
				return
			}
			var refused *AuditError
			require.ErrorAs(t, err, &refused, "%s", progress)
			var found []string
			for _, text := range brief(refused.Findings) {
				if strings.HasPrefix(text, "environment /history/") {
					text = "environment /history" // the step's number is BuildKit's
				}
				if len(found) == 0 || found[len(found)-1] != text {
					found = append(found, text)
				}
			}
			assert.Equal(t, test.found, found)
			assert.Empty(t, image.Digest)

			repository, err := site.OpenRepository(t.Context(), dir)
			require.NoError(t, err)
			commit, err := repository.Head(t.Context(), false)
			require.NoError(t, err)
			_, exists, err := b.Find(t.Context(), s, commit)
			require.NoError(t, err)
			assert.False(t, exists, "an image that was refused has no tag")
		})
	}
}

// What sitectl generates passes without anything left out: no layer is taken
// for clean because of what an earlier audit said.
func TestLabAuditOfGeneratedImages(t *testing.T) {
	for name, presets := range map[string]site.Preset{"guestbook": site.PHP, "wordpress": site.WordPress} {
		t.Run(name, func(t *testing.T) {
			b, progress := labBuilder(t)
			s := labSite(t)
			s.Preset = presets
			s.Build.PHP.Extensions = []string{"apcu", "gd", "intl", "mbstring", "memcached", "mysql", "xml", "zip"}
			dir := t.TempDir()
			write(t, dir, map[string]string{"index.php": "<?php", filepath.Join("vendor", "a", "b.php"): "<?php"})
			image, _, err := ship(t, b, s, dir)
			require.NoError(t, err, "%s", progress)

			repo, err := b.repository(s.Image)
			require.NoError(t, err)
			pushed, err := remote.Image(repo.name.Digest(image.Digest), repo.options(t.Context())...)
			require.NoError(t, err)
			config, err := pushed.ConfigFile()
			require.NoError(t, err)
			layers, err := pushed.Layers()
			require.NoError(t, err)
			result, err := audit(t.Context(), audited{Config: config, Layers: layers}, nil, nil)
			require.NoError(t, err)
			assert.Empty(t, result.Findings)
			assert.Len(t, result.Marks, len(layers), "so that the next build reads none of them")
		})
	}
}

// The base by itself has programs that are setuid, and nothing else: what is
// done to them is all that an own Dockerfile needs.
func TestLabAuditOfTheBase(t *testing.T) {
	b, progress := labBuilder(t)
	s := labSite(t)
	s.Build.Dockerfile = "Dockerfile"
	dir := t.TempDir()
	write(t, dir, map[string]string{"Dockerfile": "FROM debian:trixie-slim\nUSER 10001:10001\n"})
	_, _, err := ship(t, b, s, dir)
	var refused *AuditError
	require.ErrorAs(t, err, &refused, "%s", progress)
	for _, finding := range refused.Findings {
		assert.Equal(t, ruleSetuid, finding.Rule, finding.Path)
	}

	s.Build.Audit = &site.Audit{Allow: []site.AuditException{
		{Rule: ruleSetuid, Path: "/usr/**", Reason: "pods run with no new privileges"},
	}}
	_, _, err = ship(t, b, s, changed(t, dir))
	require.NoError(t, err, "%s", progress)
}

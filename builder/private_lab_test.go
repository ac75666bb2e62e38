//go:build lab

package builder

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sitectl/sitectl/site"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"
)

// madeUp is a login that nobody could have guessed.
func madeUp(t *testing.T) string {
	t.Helper()
	return "canary" + rand.Text()
}

// secretFile is a file with a login in it, as a user would give it.
func secretFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

// assertNowhere looks for secrets in everything that the repository of a site
// has: under every tag, the cache of the builder's steps and statements about
// images included.
func assertNowhere(t *testing.T, b *Builder, s site.Site, secrets ...string) {
	t.Helper()
	repo, err := b.repository(s.Image)
	require.NoError(t, err)
	tags, err := remote.List(repo.name, repo.options(t.Context())...)
	require.NoError(t, err)
	require.NotEmpty(t, tags)
	looked := map[v1.Hash]bool{}
	for _, tag := range tags {
		lookInto(t, repo, repo.name.Tag(tag), secrets, looked)
	}
	assert.Greater(t, len(looked), 3)
}

func lookInto(t *testing.T, repo *repository, reference name.Reference, secrets []string, looked map[v1.Hash]bool) {
	t.Helper()
	found, err := remote.Get(reference, repo.options(t.Context())...)
	require.NoError(t, err)
	if looked[found.Digest] {
		return
	}
	looked[found.Digest] = true
	assertHasNone(t, reference.String(), bytes.NewReader(found.Manifest), secrets)
	if found.MediaType.IsIndex() {
		index, err := found.ImageIndex()
		require.NoError(t, err)
		manifest, err := index.IndexManifest()
		require.NoError(t, err)
		for _, member := range manifest.Manifests {
			lookInto(t, repo, repo.name.Digest(member.Digest.String()), secrets, looked)
		}
		return
	}
	var manifest v1.Manifest
	require.NoError(t, json.Unmarshal(found.Manifest, &manifest))
	for _, blob := range append(manifest.Layers, manifest.Config) {
		if looked[blob.Digest] {
			continue
		}
		looked[blob.Digest] = true
		layer, err := remote.Layer(repo.name.Digest(blob.Digest.String()), repo.options(t.Context())...)
		require.NoError(t, err)
		content, err := layer.Compressed()
		require.NoError(t, err)
		assertHasNone(t, blob.Digest.String(), uncompressed(t, content), secrets)
		require.NoError(t, content.Close())
	}
	referrers, err := remote.Referrers(repo.name.Digest(found.Digest.String()), repo.options(t.Context())...)
	require.NoError(t, err)
	statements, err := referrers.IndexManifest()
	require.NoError(t, err)
	for _, statement := range statements.Manifests {
		lookInto(t, repo, repo.name.Digest(statement.Digest.String()), secrets, looked)
	}
}

// uncompressed is what gzip has compressed, or the content as it is.
func uncompressed(t *testing.T, content io.Reader) io.Reader {
	t.Helper()
	start := make([]byte, 2)
	n, err := io.ReadFull(content, start)
	whole := io.MultiReader(bytes.NewReader(start[:n]), content)
	if err != nil || start[0] != 0x1f || start[1] != 0x8b {
		return whole
	}
	plain, err := gzip.NewReader(whole)
	require.NoError(t, err)
	return plain
}

func assertHasNone(t *testing.T, where string, content io.Reader, secrets []string) {
	t.Helper()
	all, err := io.ReadAll(content)
	require.NoError(t, err)
	for _, secret := range secrets {
		assert.False(t, bytes.Contains(all, []byte(secret)), "%s has the secret", where)
	}
}

// zipped is an archive as Composer downloads it.
func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var content bytes.Buffer
	archive := zip.NewWriter(&content)
	for name, text := range files {
		file, err := archive.Create(name)
		require.NoError(t, err)
		_, err = io.WriteString(file, text)
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	return content.Bytes()
}

// withPassword serves files to those who log in.
func withPassword(t *testing.T, user, password string, files map[string][]byte) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, given, _ := r.BasicAuth()
		content, ok := files[r.URL.Path]
		switch {
		case name != user || given != password:
			http.Error(w, "who are you?", http.StatusUnauthorized)
		case !ok:
			http.NotFound(w, r)
		default:
			_, _ = w.Write(content)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// spy is a plugin of Composer that looks for logins, and writes down what it
// has found.
const spy = `<?php
namespace Spy;
use Composer\Composer; use Composer\IO\IOInterface; use Composer\Plugin\PluginInterface;
final class Spy implements PluginInterface {
	public function activate(Composer $composer, IOInterface $io) {
		$found = [];
		foreach (['/root/.config/composer/auth.json', '/run/secrets/composer-auth', '/proc/1/environ'] as $file) {
			if (@file_get_contents($file) !== false) { $found[] = $file; }
		}
		foreach (glob('/run/buildkit/*') as $socket) {
			if (@stream_socket_client("unix://$socket")) { $found[] = $socket; }
		}
		if (getenv('SSH_AUTH_SOCK')) { $found[] = 'SSH_AUTH_SOCK'; }
		if ($io->getAuthentications() !== []) { $found[] = 'the logins of Composer'; }
		file_put_contents('spied.txt', 'as ' . posix_getuid() . ': ' . (implode(' ', $found) ?: 'nothing'));
	}
	public function deactivate(Composer $composer, IOInterface $io) {}
	public function uninstall(Composer $composer, IOInterface $io) {}
}`

// composerFiles are composer.json and composer.lock that ask for packages, given
// as both have them.
func composerFiles(t *testing.T, packages ...map[string]any) map[string]string {
	t.Helper()
	wanted := map[string]any{}
	var repositories []any
	for _, p := range packages {
		wanted[p["name"].(string)] = p["version"]
		repositories = append(repositories, map[string]any{"type": "package", "package": p})
	}
	repositories = append(repositories, map[string]any{"packagist.org": false})
	project, err := json.Marshal(map[string]any{
		"name": "example/site", "require": wanted, "repositories": repositories,
		"config": map[string]any{"secure-http": false, "allow-plugins": true},
	})
	require.NoError(t, err)
	lock, err := json.Marshal(map[string]any{
		"content-hash": strings.Repeat("0", 32), "packages": packages, "packages-dev": []any{}, "aliases": []any{},
		"minimum-stability": "stable", "stability-flags": map[string]any{}, "platform": map[string]any{}, "platform-dev": map[string]any{},
		"plugin-api-version": "2.6.0",
	})
	require.NoError(t, err)
	return map[string]string{"composer.json": string(project), "composer.lock": string(lock)}
}

// TestLabPrivateComposer downloads a package with a password, and with it a
// plugin that would like to have it.
func TestLabPrivateComposer(t *testing.T) {
	password := madeUp(t)
	server := withPassword(t, "agency", password, map[string][]byte{
		"/spy.zip": zipped(t, map[string]string{
			"composer.json": `{"name": "private/spy", "type": "composer-plugin", "require": {"composer-plugin-api": "^2.0"}, "autoload": {"classmap": ["Spy.php"]}, "extra": {"class": "Spy\\Spy"}}`,
			"Spy.php":       spy,
		}),
	})
	files := composerFiles(t, map[string]any{
		"name": "private/spy", "version": "1.0.0", "type": "composer-plugin", "require": map[string]any{"composer-plugin-api": "^2.0"},
		"autoload": map[string]any{"classmap": []any{"Spy.php"}}, "extra": map[string]any{"class": `Spy\Spy`},
		"dist": map[string]any{"type": "zip", "url": server.URL + "/spy.zip"},
	})
	auth := fmt.Sprintf(`{"http-basic": {%q: {"username": "agency", "password": %q}}}`, strings.TrimPrefix(server.URL, "http://"), password)
	for _, release := range []string{"trixie", "bullseye"} {
		t.Run(release, func(t *testing.T) {
			b, progress := labBuilder(t)
			b.options.Secrets = []Secret{{ID: "composer-auth", File: secretFile(t, auth)}}
			s := labSite(t)
			s.Build.Base, s.Build.Composer = "debian:"+release+"-slim", &site.Composer{}
			dir := t.TempDir()
			write(t, dir, files)
			image, _, err := ship(t, b, s, dir)
			require.NoError(t, err, "%s", progress)
			code := pulled(t, b, s, image)
			assert.Equal(t, spy, code["var/www/site/vendor/private/spy/Spy.php"].content)
			assert.Equal(t, "as 10001: nothing", code["var/www/site/spied.txt"].content)
			assertNowhere(t, b, s, password)
			assert.NotContains(t, progress.String(), password)

			b, progress = labBuilder(t)
			b.options.Secrets = []Secret{{ID: "composer-auth", File: secretFile(t, strings.ReplaceAll(auth, password, "wrong"+password))}}
			s.Image += "-wrong"
			_, _, err = ship(t, b, s, changed(t, dir))
			var failed *BuildError
			require.ErrorAs(t, err, &failed, "%s", progress)
			assert.NotContains(t, err.Error()+progress.String(), password)
			assert.Contains(t, strings.Join(failed.Log, "\n"), "required authentication")
			assert.Contains(t, failed.Hint(), "--secret id=composer-auth")
		})
	}
}

// gitServer serves one repository over SSH to who has the key.
func gitServer(t *testing.T, repository string, key ssh.PublicKey) (address string, host ssh.PublicKey) {
	t.Helper()
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(secret)
	require.NoError(t, err)
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, given ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(given.Marshal(), key.Marshal()) {
			return nil, fmt.Errorf("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go serveGit(connection, config, repository)
		}
	}()
	return listener.Addr().String(), signer.PublicKey()
}

func serveGit(connection net.Conn, config *ssh.ServerConfig, repository string) {
	_, channels, requests, err := ssh.NewServerConn(connection, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go func() {
			defer channel.Close()
			for request := range requests {
				_ = request.Reply(request.Type == "exec", nil)
				if request.Type != "exec" {
					continue
				}
				git := exec.Command("git", "upload-pack", repository)
				git.Stdin, git.Stdout, git.Stderr = channel, channel, channel.Stderr()
				status := struct{ Status uint32 }{}
				if git.Run() != nil {
					status.Status = 1
				}
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
				return
			}
		}()
	}
}

// sshAgent runs an agent with a new key, which SSH_AUTH_SOCK then names, and
// returns both parts of the key.
func sshAgent(t *testing.T) (ssh.PublicKey, string) {
	t.Helper()
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(secret, "")
	require.NoError(t, err)
	keys := agent.NewKeyring()
	require.NoError(t, keys.Add(agent.AddedKey{PrivateKey: secret}))
	socket := filepath.Join(t.TempDir(), "agent")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(keys, connection) }()
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", socket)
	signer, err := ssh.NewSignerFromKey(secret)
	require.NoError(t, err)
	return signer.PublicKey(), string(pem.EncodeToMemory(block))
}

// TestLabPrivateGit clones a package with the key of an SSH agent.
func TestLabPrivateGit(t *testing.T) {
	key, secret := sshAgent(t)
	private := t.TempDir()
	write(t, private, map[string]string{"composer.json": `{"name": "private/library"}`, "src/Secret.php": "<?php // of the agency"})
	commitAll(t, private)
	head, err := exec.Command("git", "-C", private, "rev-parse", "HEAD").Output()
	require.NoError(t, err)
	address, host := gitServer(t, private, key)
	files := composerFiles(t, map[string]any{
		"name": "private/library", "version": "1.0.0", "type": "library",
		"source": map[string]any{"type": "git", "url": "ssh://git@" + address + "/library.git", "reference": strings.TrimSpace(string(head))},
	})

	s := labSite(t)
	s.Build.Composer = &site.Composer{}
	dir := t.TempDir()
	write(t, dir, files)
	b, progress := labBuilder(t)
	b.options.SSH = true
	image, _, err := ship(t, b, s, dir)
	require.NoError(t, err, "%s", progress)
	code := pulled(t, b, s, image)
	assert.Equal(t, "<?php // of the agency", code["var/www/site/vendor/private/library/src/Secret.php"].content)
	assertNoTools(t, code)
	lines := strings.Split(secret, "\n")
	assertNowhere(t, b, s, lines[len(lines)/2])

	for name, test := range map[string]struct {
		host  ssh.PublicKey
		works bool
	}{"known": {host, true}, "another": {key, false}} {
		t.Run(name+" host", func(t *testing.T) {
			b, progress := labBuilder(t)
			b.options.SSH = true
			known := knownhosts.Line([]string{knownhosts.Normalize(address)}, test.host) + "\n"
			b.options.Secrets = []Secret{{ID: "known-hosts", File: secretFile(t, known)}}
			s := s
			s.Image += "-" + name
			_, _, err := ship(t, b, s, changed(t, dir))
			if test.works {
				require.NoError(t, err, "%s", progress)
				return
			}
			var failed *BuildError
			require.ErrorAs(t, err, &failed)
			assert.Contains(t, progress.String(), "Host key verification failed")
		})
	}
}

// npmRegistry serves one package to who has the token.
func npmRegistry(t *testing.T, token string, archive []byte) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer "+token:
			http.Error(w, `{"error": "who are you?"}`, http.StatusUnauthorized)
		case r.URL.Path == "/spy/-/spy-1.0.0.tgz":
			_, _ = w.Write(archive)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func npmArchive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var content bytes.Buffer
	compressed := gzip.NewWriter(&content)
	archive := tar.NewWriter(compressed)
	for name, text := range files {
		require.NoError(t, archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "package/" + name, Mode: 0o644, Size: int64(len(text))}))
		_, err := io.WriteString(archive, text)
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, compressed.Close())
	return content.Bytes()
}

// TestLabPrivateNPM installs a package with a token, whose install script
// would like to have it.
func TestLabPrivateNPM(t *testing.T) {
	token := madeUp(t)
	archive := npmArchive(t, map[string]string{
		"package.json": `{"name": "spy", "version": "1.0.0", "scripts": {"install": "node spy.js"}}`,
		"spy.js": `const fs = require('fs');
			const found = ['/root/.npmrc', '/run/secrets/npm-token'].filter((file) => fs.existsSync(file) && fs.readFileSync(file, 'utf8') !== '');
			if (process.env.NPM_TOKEN) found.push('NPM_TOKEN');
			fs.writeFileSync('found.txt', found.join(' ') || 'nothing');`,
	})
	registry := npmRegistry(t, token, archive)
	sum := sha512.Sum512(archive)
	host := strings.TrimPrefix(registry.URL, "http:")
	files := map[string]string{
		"index.php":    "<?php",
		"package.json": `{"name": "site", "private": true, "dependencies": {"spy": "1.0.0"}, "scripts": {"build": "mkdir -p dist && cp node_modules/spy/found.txt dist/"}}`,
		"package-lock.json": fmt.Sprintf(`{"name": "site", "lockfileVersion": 3, "requires": true, "packages": {
			"": {"name": "site", "dependencies": {"spy": "1.0.0"}},
			"node_modules/spy": {"version": "1.0.0", "resolved": %q, "integrity": %q, "hasInstallScript": true}}}`,
			registry.URL+"/spy/-/spy-1.0.0.tgz", "sha512-"+base64.StdEncoding.EncodeToString(sum[:])),
	}
	tests := map[string]struct {
		committed string // .npmrc of the site
		secret    Secret
	}{
		"npmrc": {"", Secret{ID: "npmrc", File: secretFile(t, host+"/:_authToken="+token+"\n")}},
		"token": {host + "/:_authToken=${NPM_TOKEN}\n", Secret{ID: "npm-token", File: secretFile(t, token+"\n")}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b, progress := labBuilder(t)
			b.options.Secrets = []Secret{test.secret}
			s := labSite(t)
			s.Build.Frontend = &site.Frontend{Image: "node:22-slim", Dir: ".", Script: "build", Output: "dist"}
			dir := t.TempDir()
			write(t, dir, files)
			if test.committed != "" {
				write(t, dir, map[string]string{".npmrc": test.committed})
			}
			image, _, err := ship(t, b, s, dir)
			require.NoError(t, err, "%s", progress)
			assert.Equal(t, "nothing", pulled(t, b, s, image)["var/www/site/dist/found.txt"].content)
			assertNowhere(t, b, s, token)
			assert.NotContains(t, progress.String(), token)

			b, progress = labBuilder(t)
			s.Image += "-without"
			_, _, err = ship(t, b, s, changed(t, dir))
			var failed *BuildError
			require.ErrorAs(t, err, &failed)
			assert.Contains(t, progress.String(), "E401")
		})
	}
}

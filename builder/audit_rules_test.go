package builder

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pemKey has the form of a key, and is none.
func pemKey(kind, lineBreak string) string {
	words := strings.TrimSpace(kind + " PRIVATE KEY")
	return "-----BEGIN " + words + "-----" + lineBreak + strings.Repeat("Tm90IGEga2V5", 5) + lineBreak + "-----END " + words + "-----\n"
}

func gzipped(text string) string {
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	_, _ = writer.Write([]byte(text))
	_ = writer.Close()
	return out.String()
}

// Each rule has an image that breaks it, and the nearest one that does not.
func TestAuditRules(t *testing.T) {
	const code = "var/www/site/"
	for rule, test := range map[string]struct{ bad, good []packed }{
		"setuid": {
			bad:  []packed{{name: "usr/bin/su", mode: 0o4755}, {name: "usr/bin/wall", mode: 0o2755}},
			good: []packed{{name: "usr/bin/su", mode: 0o755}, {name: "var/mail/", mode: 0o2755}, {name: "tmp/", mode: 0o1777}},
		},
		"writable": {
			bad: []packed{
				{name: code + "all.php", mode: 0o666},
				{name: code + "group.php", mode: 0o664, gid: 10001},
				{name: code + "folder/", mode: 0o777},
				{name: code + "sticky/", mode: 0o1777},
				{name: "etc/cron", mode: 0o602},
			},
			good: []packed{
				{name: code + "root.php", mode: 0o644},
				{name: code + "rootgroup.php", mode: 0o664},
				{name: code + "othergroup.php", mode: 0o660, gid: 42},
				// Who is in the group has the rights of the group only.
				{name: code + "group.php", mode: 0o646, gid: 10001},
				{name: code + "link", kind: tar.TypeSymlink, mode: 0o777, link: "root.php"},
				{name: "tmp/", mode: 0o1777},
				{name: "tmp/x", mode: 0o666},
				{name: "var/tmp/", mode: 0o1777},
				{name: "run/lock/", mode: 0o1777},
				{name: "dev/shm/", mode: 0o1777},
				{name: "var/lib/php/sessions/", mode: 0o1733},
			},
		},
		"owner": {
			bad:  []packed{{name: code + "index.php", uid: 33}, {name: "usr/local/tool", uid: 1000, gid: 1000}},
			good: []packed{{name: code + "index.php", gid: 33}, {name: "var/cache/mod_cache_disk/", uid: 33}, {name: "var/lib/mysql/", uid: 100}},
		},
		"tool": {
			bad: []packed{
				{name: "usr/bin/composer"},
				{name: "usr/local/bin/composer.phar"},
				{name: code + "composer.phar"},
				{name: "usr/local/bin/npm", kind: tar.TypeSymlink, link: "../lib/node_modules/npm/bin/npm-cli.js"},
				{name: "usr/local/bin/npx"},
				{name: "usr/local/bin/yarn"},
				{name: "usr/bin/pnpm"},
				{name: "usr/bin/git"},
				{name: "usr/lib/git-core/git"},
				{name: "bin/make"},
				{name: "usr/bin/cc"},
				{name: "usr/bin/gcc-14"},
				{name: "usr/bin/x86_64-linux-gnu-gcc-14"},
				{name: "usr/bin/aarch64-linux-gnu-g++"},
				{name: "usr/bin/c++"},
				{name: "usr/bin/clang-19"},
				{name: "usr/bin/clang++"},
				{name: "usr/bin/ld"},
				{name: "usr/bin/ld.bfd"},
				{name: "usr/bin/x86_64-alpine-linux-musl-cc"},
				{name: "opt/node/bin/npm"},
			},
			good: []packed{
				{name: "usr/bin/perl"},
				{name: "usr/bin/apt"},
				{name: "usr/bin/dpkg"},
				{name: "usr/bin/php8.4"},
				{name: "usr/bin/node"},
				{name: "usr/bin/ld.so"},
				{name: "usr/bin/gzip"},
				{name: "usr/bin/gitx"},
				{name: "usr/sbin/apache2"},
				{name: "usr/bin/asn1"},
				{name: "usr/share/doc/git/README"},
				{name: code + "vendor/bin/composer"},
				{name: code + "web/core/make"},
				{name: code + "git/"},
			},
		},
		"device": {
			bad:  []packed{{name: "srv/disk", kind: tar.TypeBlock}, {name: "srv/null", kind: tar.TypeChar}},
			good: []packed{{name: "dev/null", kind: tar.TypeChar}, {name: "srv/pipe", kind: tar.TypeFifo}},
		},
		"package-list": {
			bad: []packed{
				{name: "var/lib/apt/lists/deb.debian.org_dists_trixie_InRelease", content: "x"},
				{name: "var/lib/apt/lists/auxfiles/x", content: "x"},
				{name: "var/cache/apt/pkgcache.bin", content: "x"},
				{name: "var/cache/apt/archives/git_1.deb", content: "x"},
				{name: "var/cache/apk/APKINDEX.gz", content: "x"},
				{name: "var/cache/dnf/repo.solv", content: "x"},
			},
			good: []packed{
				{name: "var/lib/apt/lists/"},
				{name: "var/lib/apt/lists/lock"},
				{name: "var/lib/apt/lists/partial/"},
				{name: "var/lib/apt/extended_states", content: "x"},
				{name: "var/cache/apt/archives/lock"},
				{name: "var/lib/dpkg/status", content: "x"},
			},
		},
		"git": {
			bad:  []packed{{name: code + ".git/"}, {name: code + "vendor/a/b/.git", content: "gitdir: ../x"}},
			good: []packed{{name: code + ".gitattributes"}, {name: code + ".github/x"}, {name: code + "git/"}, {name: code + "a.git/HEAD"}},
		},
		"env-file": {
			bad: []packed{
				{name: code + ".env", content: "A=1"},
				{name: code + ".env.local", content: "A=1"},
				{name: code + "vendor/a/b/.env", content: "A=1"},
			},
			good: []packed{
				{name: code + ".env.example", content: "A="},
				{name: code + ".env.dist", content: "A="},
				{name: code + ".env.sample", content: "A="},
				{name: code + ".env.production.example", content: "A="},
				{name: code + ".environment", content: "A=1"},
				{name: code + "env", content: "A=1"},
				{name: code + "a/.env"},
				{name: code + ".env", kind: tar.TypeSymlink, link: "/secrets/site/.env"},
				{name: code + "vendor/a/b/tests/fixtures/.env", content: "A=1"},
			},
		},
		"credentials": {
			bad: []packed{
				{name: "root/.npmrc", content: "registry=https://npm.example.com\n//npm.example.com/:_authToken=abc\n"},
				{name: "a/.npmrc", content: "_auth = \"YQ==\"\n"},
				{name: "a/.yarnrc.yml", content: "npmAuthToken: \"abc\"\n"},
				{name: code + "auth.json", content: `{"http-basic": {"repo.example.com": {"username": "a", "password": "b"}}}`},
				{name: "b/auth.json", content: "{\n  \"github-oauth\": {\n    \"github.com\": \"x\"\n  }\n}"},
				{name: "root/.netrc", content: "machine example.com login a password b"},
				{name: "root/.git-credentials", content: "https://a:b@example.com"},
				{name: "root/.docker/config.json", content: `{"auths": {"registry.example.com": {"auth": "YTpi"}}}`},
				{name: "root/.my.cnf", content: "[client]\npassword=b\n"},
				{name: "root/.pgpass", content: "host:5432:db:user:pass\n"},
			},
			good: []packed{
				{name: "root/.npmrc", content: "//npm.example.com/:_authToken=${NPM_TOKEN}\n"},
				{name: "a/.npmrc", content: "save-exact=true\n# _authToken=abc\n"},
				{name: "a/.yarnrc.yml", content: "nodeLinker: node-modules\nnpmAuthToken: \"${NPM_TOKEN}\"\n"},
				{name: code + "auth.json", content: `{"http-basic": {}, "github-oauth": {}}`},
				{name: "b/auth.json", content: `{"name": "auth", "version": 1}`},
				{name: code + "auth.json.sample", content: `{"http-basic": {"x": {}}}`},
				{name: "root/.docker/config.json", content: `{"credsStore": "pass"}`},
				{name: "root/.my.cnf", content: "[client]\nuser=a\n"},
				{name: "root/.pgpass", content: "# host:port:db:user:pass\n"},
			},
		},
		"private-key": {
			bad: []packed{
				{name: code + "key.pem", content: pemKey("RSA", "\n")},
				{name: code + "pkcs8.pem", content: pemKey("", "\r\n")},
				{name: code + "encrypted.pem", content: "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n" + strings.Repeat("QUFB", 16)},
				{name: code + "service.json", content: `{"type": "service_account", "private_key": "` + pemKey("", `\n`) + `"}`},
				{name: code + "config.php", content: `<?php return ["key" => "-----BEGIN PRIVATE KEY-----\n" .` + "\n    \"" + strings.Repeat("QUFB", 16) + `\n"];`},
				{name: code + "late.txt", content: strings.Repeat(" ", headSize-300) + pemKey("OPENSSH", "\n")},
				{name: code + "pgp.asc", content: "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n" + strings.Repeat("QUFB", 16)},
				{name: "root/.ssh/id_ed25519", content: "x"},
				{name: code + "client.p12", content: "x"},
				{name: code + "a.ppk", content: "x"},
				{name: code + "README.md", content: pemKey("RSA", "\n")},
				{name: code + "vendor/a/b/src/key.pem", content: pemKey("RSA", "\n")},
				{name: code + "tests/key.pem", content: pemKey("RSA", "\n")},
			},
			good: []packed{
				{name: code + "cert.pem", content: strings.ReplaceAll(pemKey("RSA", "\n"), "RSA PRIVATE KEY", "CERTIFICATE")},
				{name: code + "public.pem", content: strings.ReplaceAll(pemKey("", "\n"), "PRIVATE", "PUBLIC")},
				{name: "root/.ssh/id_ed25519.pub", content: "ssh-ed25519 AAAA"},
				// phpseclib3\Crypt\Common\Formats\Keys\PKCS8
				{name: code + "vendor/phpseclib/phpseclib/phpseclib/Crypt/PKCS8.php", content: `return "-----BEGIN $type-----\r\n"; "-----BEGIN PRIVATE KEY-----\r\n" . chunk_split(Strings::base64_encode($key), 64) . "-----END PRIVATE KEY-----";`},
				{name: code + "help.php", content: "Paste a text such as\n-----BEGIN RSA PRIVATE KEY-----\nMIIE...\n-----END RSA PRIVATE KEY-----"},
				{name: code + "vendor/firebase/php-jwt/README.md", content: pemKey("RSA", "\n")},
				{name: code + "web/modules/contrib/simple_oauth/tests/certificates/private.key", content: pemKey("RSA", "\n")},
				{name: "usr/lib/libgnutls.so.30", content: "\x7fELF" + pemKey("RSA", "\n")},
			},
		},
		"dump": {
			bad: []packed{
				{name: code + "backup.sql", content: "-- MySQL dump 10.13  Distrib 8.0\n--\n"},
				{name: code + "mariadb.sql", content: "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n"},
				{name: code + "compact", content: "/*!40101 SET @saved_cs_client     = @@character_set_client */;\nCREATE TABLE a (b int);"},
				{name: code + "pg.txt", content: "--\n-- PostgreSQL database dump\n--\n"},
				{name: code + "pg.dump", content: "PGDMP\x01\x0e"},
				{name: code + "web/db.sql.gz", content: gzipped("-- MySQL dump 10.13\n" + strings.Repeat("INSERT\n", 100_000))},
				{name: code + "renamed.bin", content: gzipped("-- phpMyAdmin SQL Dump\n-- version 5\n")},
				{name: code + "adminer.sql", content: "-- Adminer 4.8.1 MySQL 8 dump\n"},
				{name: code + "db.sql.xz", content: "\xfd7zXZ"},
				{name: code + "db.sql.zip", content: "PK"},
			},
			good: []packed{
				{name: code + "schema.sql", content: "CREATE TABLE a (b int);\nINSERT INTO a VALUES (1);"},
				{name: code + "create_tables.sql", content: "-- --------------------------------------------------------\n-- SQL Commands to set up the pmadb\n"},
				// core/modules/system/tests/fixtures/update/drupal-10.3.0.bare.standard.php.gz
				{name: code + "web/core/modules/system/tests/fixtures/update/drupal.php.gz", content: gzipped("<?php\n// phpcs:ignoreFile\n/**\n * @file\n * A database agnostic dump for testing purposes.\n */\n")},
				{name: code + "vendor/a/src/Export.php", content: "<?php $out = '-- phpMyAdmin SQL Dump' . \"\\n\"; // -- MySQL dump 10"},
				{name: code + "vendor/a/tests/dump.sql", content: "-- MySQL dump 10.13\n"},
				{name: code + "cut.gz", content: gzipped("-- MySQL dump")[:12]},
				{name: code + "not.gz", content: "\x1f\x8bno"},
				{name: code + "fonts.zip", content: "PK"},
				{name: code + "empty.sql.xz"},
			},
		},
		"traversal": {
			bad:  []packed{{name: "../../etc/cron"}, {name: "a/../../b"}},
			good: []packed{{name: "./etc/cron"}, {name: "/etc/absolute"}, {name: "a/..b"}, {name: "a/up", kind: tar.TypeSymlink, link: "../../../../etc/passwd"}},
		},
	} {
		t.Run(rule, func(t *testing.T) {
			for _, entry := range test.bad {
				findings := auditLayers(t, layerOf(t, entry))
				if assert.Len(t, findings, 1, "%q: %v", entry.name, findings) {
					assert.Equal(t, rule, findings[0].Rule, entry.name)
				}
			}
			for _, entry := range test.good {
				assert.Empty(t, auditLayers(t, layerOf(t, entry)), entry.name)
			}
			assert.Empty(t, auditLayers(t, layerOf(t, test.good...)), "all of them")
		})
	}
}

// Whoever pulls the image gets every layer; what a container sees is their sum.
func TestAuditRulesOfLayersAndOfTheirSum(t *testing.T) {
	for name, test := range map[string]struct {
		bad  packed
		gone packed
		left []string
	}{
		"a setuid bit that is cleared": {packed{name: "bin/su", mode: 0o4755}, packed{name: "bin/su", mode: 0o755}, nil},
		"a tool that is removed":       {packed{name: "usr/bin/git"}, packed{name: "usr/bin/.wh.git"}, nil},
		"a device that is removed":     {packed{name: "a/b", kind: tar.TypeChar}, packed{name: ".wh.a"}, nil},
		"an owner that is changed":     {packed{name: "a/", uid: 33}, packed{name: "a/", uid: 0}, nil},
		"a mode that is changed":       {packed{name: "a", mode: 0o666}, packed{name: "a"}, nil},
		"a .env that is deleted":       {packed{name: "a/.env", content: "A=1"}, packed{name: "a/.wh..env"}, []string{"env-file /a/.env"}},
		"a key that is emptied":        {packed{name: "a/id_rsa", content: "x"}, packed{name: "a/id_rsa"}, []string{"private-key /a/id_rsa"}},
		"a .git that is deleted":       {packed{name: "a/.git/HEAD"}, packed{name: "a/.wh..git"}, []string{"git /a/.git"}},
		"lists that are deleted":       {packed{name: "var/lib/apt/lists/a", content: "x"}, packed{name: "var/lib/apt/lists/.wh..wh..opq"}, []string{"package-list /var/lib/apt/lists/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			bad, gone := layerOf(t, test.bad), layerOf(t, test.gone)
			require.NotEmpty(t, auditLayers(t, bad))
			assert.Equal(t, test.left, brief(auditLayers(t, bad, gone)))
		})
	}
}

func TestAuditUser(t *testing.T) {
	for user, reason := range map[string]string{
		"":            "names no user",
		"root":        `has the user "root"`,
		"0":           "has the user root",
		"0:0":         "has the user root",
		"00:10001":    "has the user root",
		"www-data":    `has the user "www-data"`,
		"-1:5":        `has the user "-1"`,
		"4294967296":  `has the user "4294967296"`,
		"10001":       "names no group",
		"10001:0":     "has root's group",
		"10001:site":  `has the group "site"`,
		"10001:":      `has the group ""`,
		"10001:10001": "",
		"33:33":       "",
	} {
		config := hardened()
		config.Config.User = user
		result, err := audit(t.Context(), audited{Config: config}, nil, nil)
		require.NoError(t, err)
		if reason == "" {
			assert.Empty(t, result.Findings, user)
			continue
		}
		if assert.Len(t, result.Findings, 1, user) {
			assert.Equal(t, "user", result.Findings[0].Rule)
			assert.Equal(t, "/config/User", result.Findings[0].Path)
			assert.Contains(t, result.Findings[0].Reason, reason)
		}
	}
}

// Without a usable user the audit still says what everyone may change.
func TestAuditOfWhatTheUserMayWrite(t *testing.T) {
	layer := layerOf(t, packed{name: "a", mode: 0o666}, packed{name: "b", mode: 0o664}, packed{name: "c", mode: 0o644})
	for user, want := range map[string][]string{
		"www-data":    {"user /config/User", "writable /a"},
		"root":        {"user /config/User", "writable /a"},
		"10001:0":     {"user /config/User", "writable /a", "writable /b"},
		"10001":       {"user /config/User", "writable /a", "writable /b"},
		"10001:10001": {"writable /a"},
	} {
		config := hardened()
		config.Config.User = user
		result, err := audit(t.Context(), audited{Config: config, Layers: []v1.Layer{layer}}, nil, nil)
		require.NoError(t, err)
		assert.Equal(t, want, brief(result.Findings), user)
	}
}

func TestAuditEnvironment(t *testing.T) {
	for variable, bad := range map[string]bool{
		"MYSQL_PASSWORD=x1":                     true,
		"DB_PASS=x1":                            true,
		"NPM_TOKEN=x1":                          true,
		"API_KEY=x1":                            true,
		"APP_KEY=base64:x1":                     true,
		"AWS_SECRET_ACCESS_KEY=x1":              true,
		"COMPOSER_AUTH={}x":                     true,
		"AUTH_SALT=x1":                          true,
		"DATABASE_URL=mysql://user:x1@db/site":  true,
		"REDIS=redis://:x1@cache":               true,
		"MYSQL_PASSWORD=":                       false,
		"MYSQL_PASSWORD_FILE=/secrets/password": false,
		"MYSQL_PASSWORD=/secrets/password":      false,
		"ALLOW_EMPTY_PASSWORD=yes":              false,
		"GPG_KEYS=AB12":                         false,
		"GPG_KEY=AB12":                          false,
		"PHP_SHA256=ab12":                       false,
		"PWD=/var/www":                          false,
		"PATH=/usr/bin:/bin":                    false,
		"URL=https://example.com:8080/a@b":      false,
		"TOKENIZER=x1":                          false,
	} {
		config := hardened()
		config.Config.Env = append(config.Config.Env, variable)
		result, err := audit(t.Context(), audited{Config: config}, nil, nil)
		require.NoError(t, err)
		name, _, _ := strings.Cut(variable, "=")
		if !bad {
			assert.Empty(t, result.Findings, variable)
			continue
		}
		assert.Equal(t, []string{"environment /config/Env/" + name}, brief(result.Findings), variable)
		assert.NotContains(t, result.Findings[0].Reason, "x1")
	}
}

func TestAuditHistory(t *testing.T) {
	for step, bad := range map[string]bool{
		`RUN |2 VERSION=1 NPM_TOKEN=x1 /bin/sh -c npm ci # buildkit`: true,
		`ARG NPM_TOKEN=x1`:                           true,
		`/bin/sh -c #(nop)  ARG NPM_TOKEN=x1`:        true,
		`ENV DB_PASSWORD=x1`:                         true,
		`RUN |1 VERSION=1 /bin/sh -c make`:           false,
		`ARG NPM_TOKEN`:                              false,
		`RUN /bin/sh -c A_TOKEN=$(cat /run/x) make`:  false,
		`RUN |1 A=1 /bin/sh -c A_TOKEN=$X make`:      false,
		`COPY PASSWORD=x1 /`:                         false,
		`ENV DB_PASSWORD_FILE=/secrets/db/password`:  false,
		`RUN |1 TOKEN_URL=https://a.example/ /bin/x`: false,
	} {
		config := hardened()
		config.History = []v1.History{{CreatedBy: "base"}, {CreatedBy: step}}
		result, err := audit(t.Context(), audited{Config: config}, nil, nil)
		require.NoError(t, err)
		if !bad {
			assert.Empty(t, result.Findings, step)
			continue
		}
		assert.Equal(t, []string{"environment /history/1/created_by"}, brief(result.Findings), step)
		assert.NotContains(t, result.Findings[0].Reason, "x1")
	}
}

package builder

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// The rules, by the names that findings and exceptions have.
const (
	ruleUser        = "user"         // of the configuration
	ruleEnvironment = "environment"  // of the configuration
	ruleSecret      = "secret"       // of the configuration and of layers
	ruleTraversal   = "traversal"    // of layers, as all below
	ruleGit         = "git"          //
	ruleEnvFile     = "env-file"     //
	ruleCredentials = "credentials"  //
	rulePrivateKey  = "private-key"  //
	ruleDump        = "dump"         //
	rulePackageList = "package-list" //
	ruleSetuid      = "setuid"       // of what a container sees, as all below
	ruleWritable    = "writable"     //
	ruleOwner       = "owner"        //
	ruleTool        = "tool"         //
	ruleDevice      = "device"       //
)

// rulesOfTrees are those that a folder breaks with everything in it.
var rulesOfTrees = []string{ruleGit, ruleWritable, ruleOwner}

// headSize is how much of the beginning of a file rules look at, in bytes.
const headSize = 64 << 10

// entry is an entry of a layer.
type entry struct {
	path   string // absolute
	file   bool   // a regular file
	size   int64  // of a regular file, in bytes
	head   []byte // of a regular file, at most headSize; only valid during the call
	header *tar.Header
}

// layerRules hold in every layer: a file that a later layer deletes is hidden,
// but whoever pulls the image has it. Each says what is wrong with an entry,
// or nothing.
var layerRules = []struct {
	name   string
	broken func(entry) string
}{
	{ruleTraversal, traversal},
	{ruleGit, gitFolder},
	{ruleEnvFile, envFile},
	{ruleCredentials, loginFile},
	{rulePrivateKey, privateKey},
	{ruleDump, dump},
	{rulePackageList, packageList},
}

// viewRules hold in what a container sees: all layers on top of each other.
// Each says what is wrong with a file, or nothing.
var viewRules = []struct {
	name   string
	broken func(path string, n *node, user account) string
}{
	{ruleSetuid, setuid},
	{ruleWritable, writable},
	{ruleOwner, owner},
	{ruleTool, tool},
	{ruleDevice, device},
}

// traversal: what unpacks a layer may or may not stay inside its folder.
func traversal(e entry) string {
	if slices.Contains(strings.Split(e.header.Name, "/"), "..") {
		return "has a name that leads out of its folder: " + e.header.Name
	}
	return ""
}

func gitFolder(e entry) string {
	if strings.Contains(e.path+"/", "/.git/") {
		return "is part of a git repository, which may have every earlier version of every file"
	}
	return ""
}

// templates of a .env hold names without values.
var envTemplate = regexp.MustCompile(`^\.env\.(.+\.)?(example|dist|sample|template|tpl|tmpl|defaults?|schema|stub)$`)

// envFile: a link to a file that is mounted into the container is what a .env
// should be.
func envFile(e entry) string {
	name := path.Base(e.path)
	if !e.file || e.size == 0 || name != ".env" && !strings.HasPrefix(name, ".env.") {
		return ""
	}
	if envTemplate.MatchString(name) || published(e.path) {
		return ""
	}
	return "is a file of settings and passwords"
}

// published tells whether a file is among the tests or the documentation of a
// package that a package manager installed. Keys and dumps there are made up
// and known to everyone: the README of firebase/php-jwt prints an RSA key, and
// drupal/simple_oauth tests with one.
func published(name string) bool {
	at := packageFolder.FindStringIndex(name)
	return at != nil && besideCode.MatchString(name[at[1]-1:])
}

var (
	packageFolder = regexp.MustCompile(`/(vendor|node_modules|contrib)/`)
	besideCode    = regexp.MustCompile(`(?i)/(tests?|fixtures?|examples?|docs?)/|\.(md|markdown|rst|adoc)$`)
)

// credentialFiles are the files in which package managers and other tools keep
// a login, and what one looks like there. A reference to an environment
// variable is none.
var credentialFiles = map[string]*regexp.Regexp{
	".npmrc":           regexp.MustCompile(`(?m)^[^#;\n]*(_authToken|_auth|_password)\s*=\s*"?[^\s"$]`),
	".yarnrc.yml":      regexp.MustCompile(`(?m)^\s*"?(npmAuthToken|npmAuthIdent)"?\s*:\s*["']?[^\s"'$#]`),
	"auth.json":        regexp.MustCompile(`"(http-basic|bearer|custom-headers|github-oauth|gitlab-oauth|gitlab-token|bitbucket-oauth|forgejo-token|client-certificate)"\s*:\s*\{\s*"`),
	".netrc":           regexp.MustCompile(`(?i)\bpassword\s+\S`),
	".git-credentials": regexp.MustCompile(`://[^/\s]*:[^/\s]*@`),
	".pgpass":          regexp.MustCompile(`(?m)^[^#\n]+:[^:\n]*:[^:\n]*:[^:\n]*:[^\n]`),
	".my.cnf":          regexp.MustCompile(`(?m)^\s*password\s*=\s*\S`),
	".mylogin.cnf":     regexp.MustCompile(`(?s).`),
	".dockercfg":       regexp.MustCompile(`"auth"\s*:\s*"[^"]`),
}

var dockerLogin = regexp.MustCompile(`"(auth|identitytoken|registrytoken)"\s*:\s*"[^"]`)

func loginFile(e entry) string {
	login := credentialFiles[path.Base(e.path)]
	if strings.HasSuffix(e.path, "/.docker/config.json") {
		login = dockerLogin
	}
	if login == nil || !e.file || !login.Match(e.head) || published(e.path) {
		return ""
	}
	return "has a login in it"
}

// keyBlock is a private key in PEM or PGP form with at least some of its
// content, be it a file of its own, a string of JSON or PHP, or several PHP
// strings. The words alone are in every program that reads keys.
var keyBlock = regexp.MustCompile(`-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----` +
	`(\\[rn]|[\s"'.+,*#])*` + `([A-Za-z-]+: [^\n]*\n\s*)*` + `[A-Za-z0-9+/]{40}`)

// keyFile is what tools call private keys in forms that cannot be told from
// other data.
var keyFile = regexp.MustCompile(`^id_(rsa|dsa|ecdsa|ed25519)(_sk)?$|\.(ppk|p12|pfx)$`)

func privateKey(e entry) string {
	if !e.file || e.size == 0 {
		return ""
	}
	if keyFile.MatchString(path.Base(e.path)) && !published(e.path) {
		return "is a private key"
	}
	// Libraries of cryptography are linked with keys to test themselves.
	if !bytes.Contains(e.head, []byte("PRIVATE KEY")) || bytes.HasPrefix(e.head, []byte("\x7fELF")) {
		return ""
	}
	if keyBlock.Match(e.head) && !published(e.path) {
		return "has a private key in it"
	}
	return ""
}

// dumpHeads are lines by which files begin that come from a program that
// dumps databases. SQL that an application brings to install itself begins
// otherwise.
var dumpHeads = []string{
	"-- MySQL dump ", "-- MariaDB dump ", "-- Dump created by MySQL", "-- mysqldump-php ",
	"/*!40101 SET @saved_cs_client", "/*!40101 SET @OLD_CHARACTER_SET_CLIENT", // mysqldump without comments
	"-- PostgreSQL database dump", "-- PostgreSQL database cluster dump", "PGDMP", // the last is pg_dump's own format
	"-- phpMyAdmin SQL Dump", "-- Adminer ", "-- HeidiSQL ",
	"# Sequel Pro SQL dump", "# Sequel Ace SQL dump", "# WordPress MySQL database backup",
}

// dumpHeadSize is how far into a file such a line may be, in bytes: behind a
// warning, or the sandbox command of newer MariaDB.
const dumpHeadSize = 4 << 10

// packedDump is a dump that cannot be looked into with a few bytes.
var packedDump = regexp.MustCompile(`(?i)\.(sql|mysql|pgsql|dump)\.(bz2|xz|zst|zip|7z|lz4)$`)

func dump(e entry) string {
	if !e.file || e.size == 0 {
		return ""
	}
	if packedDump.MatchString(path.Base(e.path)) && !published(e.path) {
		return "is a packed dump of a database, by its name"
	}
	head := e.head
	if bytes.HasPrefix(head, []byte{0x1f, 0x8b}) {
		head = gunzipped(head, dumpHeadSize)
	}
	if hasDumpHead(head[:min(len(head), dumpHeadSize)]) && !published(e.path) {
		return "is a dump of a database"
	}
	return ""
}

func hasDumpHead(text []byte) bool {
	for line := range bytes.Lines(text) {
		for _, head := range dumpHeads {
			if bytes.HasPrefix(line, []byte(head)) {
				return true
			}
		}
	}
	return false
}

// gunzipped returns the first bytes of what was packed, as far as there are
// any.
func gunzipped(packed []byte, size int) []byte {
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil
	}
	plain := make([]byte, size)
	n, _ := io.ReadFull(reader, plain)
	return plain[:n]
}

// packageLists are what package managers fetch to find packages, and the
// packages as they were fetched.
var packageLists = regexp.MustCompile(`^/var/lib/apt/lists/|^/var/cache/apt/([^/]+\.bin|archives/.+\.deb)$|` +
	`^/(var/cache/apk|etc/apk/cache)/|^/var/cache/(yum|dnf|libdnf5|zypp)/|^/var/lib/(yum|dnf)/repos/`)

func packageList(e entry) string {
	if !e.file || e.size == 0 || !packageLists.MatchString(e.path) {
		return "" // apt's lock is empty
	}
	return "is left over from installing packages"
}

func setuid(_ string, n *node, _ account) string {
	switch {
	case !n.isFile():
		return "" // on a folder it is about whose new files are
	case n.mode&0o4000 != 0:
		return "is setuid: it runs as its owner, whoever starts it"
	case n.mode&0o2000 != 0:
		return "is setgid: it runs as its group, whoever starts it"
	}
	return ""
}

// scratch are folders for files that come and go while a container runs.
// Nothing in them is code, and most are mounted over.
var scratch = []string{
	"/dev", "/proc", "/run", "/sys", "/tmp", "/var/cache", "/var/lib/php/sessions", "/var/lock",
	"/var/log", "/var/mail", "/var/run", "/var/spool", "/var/tmp",
}

// data are folders, besides scratch, in which packages of a distribution keep
// files that are not root's.
var data = []string{"/var/lib"}

func below(name string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return within(name, folder) })
}

// writable: code that the site can change is code that an attacker can change.
func writable(name string, n *node, user account) string {
	if !n.isFile() && !n.isFolder() || !user.mayWrite(n) || below(name, scratch) {
		return ""
	}
	return fmt.Sprintf("can be changed by %s (owner %d:%d, mode %04o)", user, n.uid, n.gid, n.mode)
}

// owner: whoever owns a file may change it, whatever its mode; and which user
// a pod runs as is not for the image to say.
func owner(name string, n *node, _ account) string {
	if !n.isFile() && !n.isFolder() || n.uid == 0 || below(name, scratch) || below(name, data) {
		return ""
	}
	return fmt.Sprintf("belongs to user %d and not to root", n.uid)
}

// toolName are the tools to build a site with. They may have the name of a
// machine in front and a version behind: x86_64-linux-gnu-gcc-14.
var toolName = regexp.MustCompile(`^(?:[a-z0-9_]+-(?:linux|alpine-linux)-[a-z0-9]+-)?(?:` +
	`composer|npm|npx|yarn|yarnpkg|pnpm|pnpx|corepack|bun|bunx|` +
	`git|git-(?:shell|receive-pack|upload-pack|upload-archive)|` +
	`gcc|g\+\+|cc|c\+\+|c89|c89-gcc|c99|c99-gcc|cpp|clang|clang\+\+|clang-cpp|tcc|as|lld|ld|ld\.(?:bfd|gold|lld)|` +
	`make|gmake|cmake|ninja|go|rustc|cargo|javac` +
	`)(?:-[0-9.]+)?(?:\.phar)?$`)

// toolFolders are where tools are found by their name.
var toolFolders = []string{
	"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/usr/lib/git-core",
}

func tool(name string, n *node, _ account) string {
	folder, base := path.Split(name)
	found := slices.Contains(toolFolders, path.Clean(folder)) ||
		strings.HasPrefix(folder, "/opt/") && strings.HasSuffix(folder, "/bin/")
	if n.isFolder() || base != "composer.phar" && !(found && toolName.MatchString(base)) {
		return ""
	}
	return "is a tool to build with, of use only to an attacker"
}

func device(name string, n *node, _ account) string {
	if (n.kind == tar.TypeChar || n.kind == tar.TypeBlock) && !within(name, "/dev") {
		return "is a device"
	}
	return ""
}

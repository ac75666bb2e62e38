package site

import (
	"net"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// isHost accepts the host names that an Ingress accepts: RFC 1123, lower
// case, and no IP address.
func isHost(host string) bool {
	return len(validation.IsDNS1123Subdomain(host)) == 0 && net.ParseIP(host) == nil
}

func isWildcardHost(host string) bool {
	return len(validation.IsWildcardDNS1123Subdomain(host)) == 0
}

// isLabel accepts a DNS label: names of namespaces, containers and volumes.
func isLabel(name string) bool { return len(validation.IsDNS1123Label(name)) == 0 }

// isObjectName accepts the names of most other objects.
func isObjectName(name string) bool { return len(validation.IsDNS1123Subdomain(name)) == 0 }

// The registry library takes the host part for that of any URL, with quotes
// and more in it, and any order of separators in the rest. These are the
// grammars of RFC 1123 and of the OCI distribution specification.
var (
	registryHost   = regexp.MustCompile(`^[a-z0-9.-]+(:[0-9]+)?$`)
	repositoryPath = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
)

func isRegular(repository name.Repository) bool {
	return registryHost.MatchString(repository.RegistryStr()) && repositoryPath.MatchString(repository.RepositoryStr())
}

// isRepository accepts a repository that names its registry. Without one it
// would be a public repository at Docker Hub, which is no place to end up at
// by leaving something out.
func isRepository(text string) bool {
	host, _, found := strings.Cut(text, "/")
	if !found || host != "localhost" && !strings.ContainsAny(host, ".:") {
		return false
	}
	repository, err := name.NewRepository(text)
	return err == nil && isRegular(repository)
}

// isPinnedImage accepts an image with a tag or digest. Without one it would be
// another image every time somebody publishes one.
func isPinnedImage(text string) bool {
	if digest, err := name.NewDigest(text); err == nil {
		return isRegular(digest.Context())
	}
	tag, err := name.NewTag(text)
	return err == nil && isRegular(tag.Context()) && strings.HasSuffix(text, ":"+tag.TagStr())
}

// pathCharacters are those that mean themselves to Apache, Dockerfiles, shells
// and Kubernetes alike.
var pathCharacters = regexp.MustCompile(`^[A-Za-z0-9._/-]+$`)

// isInside accepts a path inside the repository in its shortest form; "." is
// the repository itself.
func isInside(p string) bool {
	return pathCharacters.MatchString(p) && path.Clean(p) == p && !path.IsAbs(p) &&
		p != ".." && !strings.HasPrefix(p, "../") && !strings.HasPrefix(p, "-")
}

// contains tells whether a path is a folder or something in it.
func contains(folder, p string) bool {
	return folder == "." || p == folder || strings.HasPrefix(p, folder+"/")
}

// urlCharacters leaves out quotes, spaces, braces and what else RFC 3986 has
// no place for in a path and query.
var urlCharacters = regexp.MustCompile(`^/[A-Za-z0-9._~!$&()*+,;=:@%/?-]*$`)

// isURLPath accepts the path and query of a request.
func isURLPath(p string) bool {
	_, err := url.ParseRequestURI(p)
	return err == nil && urlCharacters.MatchString(p) && !strings.HasPrefix(p, "//")
}

var (
	databaseName = regexp.MustCompile(`^[A-Za-z0-9_$-]{1,64}$`)
	bucketName   = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
)

// isDatabaseName accepts what needs no quotes in a connection string.
func isDatabaseName(name string) bool { return databaseName.MatchString(name) }

// isBucket accepts the names that every S3-compatible store accepts.
func isBucket(name string) bool { return bucketName.MatchString(name) }

// isEndpoint accepts the scheme, host and port of a server.
func isEndpoint(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") &&
		(isHost(u.Hostname()) || net.ParseIP(u.Hostname()) != nil) && u.Scheme+"://"+u.Host == text
}

// isPathPrefix accepts what an Ingress takes for the type Prefix, and Apache,
// Kubernetes and the Gateway API for the same path.
func isPathPrefix(p string) bool {
	return strings.HasPrefix(p, "/") && path.Clean(p) == p && (p == "/" || pathCharacters.MatchString(p))
}

var mebibyte = resource.MustParse("1Mi")

// isSize accepts whole bytes, and enough of them that no unit was forgotten.
func isSize(size string) bool {
	quantity, err := resource.ParseQuantity(size)
	if err != nil {
		return false
	}
	whole := quantity.Cmp(*resource.NewQuantity(quantity.Value(), resource.BinarySI)) == 0
	return whole && quantity.Cmp(mebibyte) >= 0
}

// isCPU accepts a thousandth of a CPU and more.
func isCPU(cpu string) bool {
	quantity, err := resource.ParseQuantity(cpu)
	return err == nil && quantity.Cmp(resource.MustParse("1m")) >= 0
}

var iniKey = regexp.MustCompile(`^[a-z0-9_.-]{1,60}$`)

// isIniValue refuses what cannot be quoted in php.ini: it has no escapes that
// hold everywhere, and expands ${…} even in quotes.
func isIniValue(value string) bool {
	return !strings.ContainsAny(value, `"\`) && !strings.Contains(value, "${")
}

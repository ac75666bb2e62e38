package site

import (
	"fmt"
	"slices"
	"strings"
)

// identity checks what names the site and says where it goes.
func (c *check) identity() {
	s := c.site
	c.expect(isHost(s.Address), "site", s.Address, "the site's address in lower case, such as example.com", "")
	c.expect(s.Environment == "" || isLabel(s.Environment), "environment", s.Environment, "a DNS label", "")
	c.namespace()
	c.image("image", s.Image)
	c.expect(isPreset(string(s.Preset)), "preset", string(s.Preset), oneOf(presets), suggest(string(s.Preset), presets))
	if (s.Preset == WordPress || s.Preset == MediaWiki) && s.Database == nil && s.Deploy == nil {
		c.conflict("database", "the preset "+string(s.Preset)+" needs a database", "leave the key out for its default")
	}
}

// IsAddress tells whether a site can have that address: a host name in lower
// case.
func IsAddress(text string) bool { return isHost(text) }

// IsImage tells whether images can go there: a repository with its registry,
// without a tag.
func IsImage(text string) bool { return isRepository(text) && !isPinnedImage(text) }

func isPreset(name string) bool { return slices.Contains(presets, name) }

// namespace checks the namespace. A default that does not fit is a problem of
// the address that it follows from.
func (c *check) namespace() {
	s := c.site
	if isLabel(s.Namespace) && !isClusterNamespace(s.Namespace) {
		return
	}
	if c.places["namespace"].origin.inFile() {
		c.expect(!isClusterNamespace(s.Namespace), "namespace", s.Namespace, "a namespace of the site's own", "")
		c.expect(false, "namespace", s.Namespace, "a DNS label of at most 63 characters", "")
		return
	}
	c.problem("site", fmt.Sprintf("the namespace %q that follows from it is not possible", shorten(s.Namespace)),
		"set namespace to a DNS label of at most 63 characters")
}

// isClusterNamespace tells the namespaces that belong to the cluster.
func isClusterNamespace(name string) bool {
	return name == "default" || strings.HasPrefix(name, "kube-")
}

func (c *check) image(path, repository string) {
	hint := ""
	if isPinnedImage(repository) {
		hint = "leave the tag out: each ship gives the image the tag of its commit"
	}
	c.expect(isRepository(repository), path, repository,
		"a repository with its registry, such as registry.example.com/agency/example-com", hint)
}

package site

import (
	"path"
	"slices"
)

// platforms are those that Debian has Apache and PHP for, and clusters nodes.
var platforms = []string{"linux/amd64", "linux/arm64"}

func (c *check) build() {
	b := c.site.Build
	c.pinned("build.base", b.Base)
	c.expect(slices.Contains(platforms, b.Platform), "build.platform", b.Platform, oneOf(platforms), suggest(b.Platform, platforms))
	if isRepository(c.site.Image) {
		c.image("build.runtime", b.Runtime)
	}
	c.inside("build.docroot", b.Docroot)
	if b.Dockerfile != "" {
		c.inside("build.dockerfile", b.Dockerfile)
		c.expect(b.Dockerfile != ".", "build.dockerfile", b.Dockerfile, "the path of a file", "")
	}
	paths := indexed("build.php.extensions", len(b.PHP.Extensions), "")
	for i, extension := range b.PHP.Extensions {
		c.expect(extensionName.MatchString(extension), paths[i], extension, "the name of a PHP extension, such as gd", "")
	}
	c.unique(paths, b.PHP.Extensions)
	for key, value := range b.PHP.Ini {
		at := join("build.php.ini", key)
		c.expect(iniKey.MatchString(key) && len(key) <= maxText, at, key, "the name of a php.ini setting, such as memory_limit", "")
		c.expect(isIniValue(value), at, value, `a value without quotes, backslashes and "${"`, "")
	}
	c.audit()
}

// audit checks the exceptions. One without a reason could not be told from a
// rule that somebody got out of the way.
func (c *check) audit() {
	if c.site.Build.Audit == nil {
		return
	}
	for i, exception := range c.site.Build.Audit.Allow {
		at := joinIndex("build.audit.allow", i)
		c.expect(isLabel(exception.Rule), join(at, "rule"), exception.Rule, "the name of a rule, as a finding has it", "")
		c.expect(path.IsAbs(exception.Path), join(at, "path"), exception.Path, "an absolute path in the image", "")
		c.expect(exception.Reason != "", join(at, "reason"), exception.Reason, "why the file is right all the same", "")
	}
}

func (c *check) pinned(path, image string) {
	c.expect(isPinnedImage(image), path, image, "an image with a tag or digest, such as debian:trixie-slim", "")
}

func (c *check) inside(path, folder string) {
	c.expect(isInside(folder), path, folder, "a path inside the repository, of letters, digits and ._-/", "")
}

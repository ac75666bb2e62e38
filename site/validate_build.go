package site

import (
	"path"
	"regexp"
	"slices"
	"strings"
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
	c.fallback(b.Fallback)
	c.extensions()
	for key, value := range b.PHP.Ini {
		at := join("build.php.ini", key)
		c.expect(iniKey.MatchString(key) && len(key) <= maxText, at, key, "the name of a php.ini setting, such as memory_limit", "")
		c.expect(isIniValue(value), at, value, `a value without quotes, backslashes and "${"`, "")
	}
	c.composer()
	c.frontend()
	c.audit()
}

// fallback checks the path that answers for what is not there. Apache takes it
// for a path below the docroot, and the words "disabled" and "none" for none.
func (c *check) fallback(path string) {
	ok := path == "" || strings.HasPrefix(path, "/") && isInside(strings.TrimPrefix(path, "/")) && path != "/."
	c.expect(ok, "build.fallback", path, "a path below the docroot, such as /index.php", "")
}

func (c *check) composer() {
	if c.site.Build.Composer == nil {
		return
	}
	include := c.site.Build.Composer.Include
	for i, path := range indexed("build.composer.include", len(include), "") {
		c.inside(path, include[i])
	}
}

// scriptName is what npm takes for one word and not for an option.
var scriptName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:@/-]*$`)

func (c *check) frontend() {
	f := c.site.Build.Frontend
	if f == nil {
		return
	}
	c.pinned("build.frontend.image", f.Image)
	c.inside("build.frontend.dir", f.Dir)
	c.expect(scriptName.MatchString(f.Script), "build.frontend.script", f.Script, "the name of a script in package.json, such as build", "")
	if f.Output != "" {
		output := path.Join(f.Dir, f.Output)
		c.expect(isInside(output) && output != ".", "build.frontend.output", f.Output,
			"a folder inside the repository, relative to build.frontend.dir", "leave it out for all that the script adds or changes")
	}
	for i, path := range indexed("build.frontend.include", len(f.Include), "") {
		c.inside(path, f.Include[i])
	}
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
		_, malformed := path.Match(exception.Path, "")
		c.expect(path.IsAbs(exception.Path) && malformed == nil, join(at, "path"), exception.Path,
			"an absolute path in the image, or a pattern with * and **", "")
		c.expect(exception.Reason != "", join(at, "reason"), exception.Reason, "why the file is right all the same", "")
	}
}

func (c *check) pinned(path, image string) {
	c.expect(isPinnedImage(image), path, image, "an image with a tag or digest, such as debian:trixie-slim", "")
}

func (c *check) inside(path, folder string) {
	c.expect(isInside(folder), path, folder, "a path inside the repository, of letters, digits and ._-/", "")
}

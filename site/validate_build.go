package site

func (c *check) build() {
	b := c.site.Build
	c.pinned("build.base", b.Base)
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
		path := join("build.php.ini", key)
		c.expect(iniKey.MatchString(key) && len(key) <= maxText, path, key, "the name of a php.ini setting, such as memory_limit", "")
		c.expect(isIniValue(value), path, value, `a value without quotes, backslashes and "${"`, "")
	}
}

func (c *check) pinned(path, image string) {
	c.expect(isPinnedImage(image), path, image, "an image with a tag or digest, such as debian:trixie-slim", "")
}

func (c *check) inside(path, folder string) {
	c.expect(isInside(folder), path, folder, "a path inside the repository, of letters, digits and ._-/", "")
}

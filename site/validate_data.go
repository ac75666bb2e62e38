package site

import (
	"fmt"
	"slices"
)

// services checks the database and the cache.
func (c *check) services() {
	if database := c.site.Database; database != nil {
		if c.member("database", "mariadb", database.MariaDB != nil) {
			c.pinned("database.mariadb.image", database.MariaDB.Image)
			c.size("database.mariadb.storage", database.MariaDB.Storage)
			c.size("database.mariadb.memory", database.MariaDB.Memory)
		}
	}
	if cache := c.site.Cache; cache != nil {
		if c.member("cache", "memcached", cache.Memcached != nil) {
			c.pinned("cache.memcached.image", cache.Memcached.Image)
			c.atLeast("cache.memcached.replicas", int64(cache.Memcached.Replicas), 1)
			c.size("cache.memcached.memory", cache.Memcached.Memory)
		}
	}
}

// member checks that a section which is one of several kinds is one.
func (c *check) member(path, kind string, set bool) bool {
	if !set {
		c.problem(join(path, kind), "expected a mapping, found nothing", "write {} for its defaults")
	}
	return set
}

func (c *check) files() {
	if c.site.Files == nil || !c.member("files", "volume", c.site.Files.Volume != nil) {
		return
	}
	volume := c.site.Files.Volume
	c.mountPoint("files.volume.path", volume.Path)
	for i, path := range indexed("files.volume.also", len(volume.Also), "") {
		c.mountPoint(path, volume.Also[i])
	}
	c.size("files.volume.size", volume.Size)
	c.expect(slices.Contains(accessModes, volume.AccessMode), "files.volume.accessMode", volume.AccessMode,
		oneOf(accessModes), suggest(volume.AccessMode, accessModes))
	c.expect(volume.StorageClass == "" || isObjectName(volume.StorageClass), "files.volume.storageClass", volume.StorageClass,
		"the name of a StorageClass", "")
	if volume.AccessMode == readWriteOnce {
		c.oneNode()
	}
}

// mountPoint checks a folder that something is mounted over.
func (c *check) mountPoint(path, folder string) {
	c.inside(path, folder)
	if contains(folder, c.site.Build.Docroot) {
		c.conflict(path, fmt.Sprintf("a volume at %q would hide the code in %q", shorten(folder), shorten(c.site.Build.Docroot)),
			"name the folder that is written to alone")
	}
}

// writable checks the folders that are empty in each pod, and that nothing is
// mounted twice at one place.
func (c *check) writable() {
	paths := indexed("writable", len(c.site.Writable), "")
	for i, path := range paths {
		c.mountPoint(path, c.site.Writable[i])
	}
	folders := c.site.Writable
	if files := c.site.Files; files != nil && files.Volume != nil {
		paths = append(paths, append([]string{"files.volume.path"}, indexed("files.volume.also", len(files.Volume.Also), "")...)...)
		folders = c.site.MountPoints()
	}
	c.unique(paths, folders)
}

const (
	readWriteMany = "ReadWriteMany"
	readWriteOnce = "ReadWriteOnce"
)

var accessModes = []string{readWriteMany, readWriteOnce}

// oneNode checks what a volume for a single node allows. A second pod that
// lands on another node waits for the volume and is never ready.
func (c *check) oneNode() {
	const path = "files.volume.accessMode"
	if c.site.Web.Rollout.MaxSurge > 0 {
		c.conflict(path, "a ReadWriteOnce volume cannot follow a new pod to another node while the old one runs (web.rollout.maxSurge above 0)",
			"set accessMode: ReadWriteMany, or maxSurge: 0 with maxUnavailable: 1, which stops the site for each rollout")
	}
	if _, most := c.site.Web.Pods(); most > 1 {
		key := "web.replicas"
		if c.site.Web.Autoscale != nil {
			key = "web.autoscale.max"
		}
		c.conflict(path, fmt.Sprintf("a ReadWriteOnce volume cannot serve pods on several nodes (%s above 1)", key),
			"set accessMode: ReadWriteMany, or replicas: 1")
	}
}

// reservedSecrets are made by sitectl itself.
var reservedSecrets = []string{"database", "drupal", "mysql-root", "registry", "wordpress"}

// maxSecretName leaves room for what sitectl puts before the name to call a
// volume by, within the 63 characters of a DNS label.
const maxSecretName = 52

// secretReaders are those that can read a Secret.
var secretReaders = []string{"web", "migrate", "cron"}

func (c *check) secrets() {
	names := make([]string, len(c.site.Secrets))
	for i, secret := range c.site.Secrets {
		path := joinIndex("secrets", i)
		names[i] = secret.Name
		c.expect(isLabel(secret.Name) && len(secret.Name) <= maxSecretName, path+".name", secret.Name,
			fmt.Sprintf("the name of a Secret, a DNS label of at most %d characters", maxSecretName), "")
		if slices.Contains(reservedSecrets, secret.Name) {
			c.problem(path+".name", fmt.Sprintf("%q is the name of a Secret that sitectl makes itself", secret.Name), "choose another name")
		}
		if len(secret.For) == 0 {
			c.problem(path+".for", "expected at least one reader, found none", "leave the key out for all: "+oneOf(secretReaders))
		}
		for j, reader := range secret.For {
			c.expect(slices.Contains(secretReaders, reader), joinIndex(path+".for", j), reader, oneOf(secretReaders), suggest(reader, secretReaders))
		}
		c.unique(indexed(path+".for", len(secret.For), ""), secret.For)
	}
	c.unique(indexed("secrets", len(names), ".name"), names)
}

package site

import (
	"fmt"
	"math"
	"net"
	"slices"
)

// services checks the database and the cache.
func (c *check) services() {
	if database := c.site.Database; database != nil {
		c.exactlyOne("database", section{"mariadb", database.MariaDB != nil}, section{"external", database.External != nil})
		c.mariadb(database.MariaDB)
		c.externalDatabase(database.External)
	}
	if cache := c.site.Cache; cache != nil {
		c.exactlyOne("cache", section{"memcached", cache.Memcached != nil}, section{"redis", cache.Redis != nil})
		if memcached := cache.Memcached; memcached != nil {
			c.pinned("cache.memcached.image", memcached.Image)
			c.atLeast("cache.memcached.replicas", int64(memcached.Replicas), 1)
			c.size("cache.memcached.memory", memcached.Memory)
		}
		if redis := cache.Redis; redis != nil {
			c.pinned("cache.redis.image", redis.Image)
			c.size("cache.redis.memory", redis.Memory)
		}
	}
}

func (c *check) mariadb(mariadb *MariaDB) {
	if mariadb == nil {
		return
	}
	c.pinned("database.mariadb.image", mariadb.Image)
	c.size("database.mariadb.storage", mariadb.Storage)
	c.storageClass("database.mariadb.storageClass", mariadb.StorageClass)
	c.size("database.mariadb.memory", mariadb.Memory)
}

func (c *check) externalDatabase(external *ExternalDatabase) {
	if external == nil {
		return
	}
	const path = "database.external"
	c.expect(isHost(external.Host) || net.ParseIP(external.Host) != nil, path+".host", external.Host, "a host name or an IP address", "")
	c.port(path+".port", external.Port)
	c.pinned(path+".image", external.Image)
	c.expect(isDatabaseName(external.Name), path+".name", external.Name, "the name of a database, of letters, digits and _$-", "")
	// A site that leaves its own database behind may have moved its Secret.
	if external.Secret != "database" {
		c.secretName(path+".secret", external.Secret)
	}
}

func (c *check) port(path string, port int32) {
	if port < 1 || port > math.MaxUint16 {
		c.problem(path, fmt.Sprintf("expected a port from 1 to 65535, found %d", port), "")
	}
}

// section is one of the keys of a section of which exactly one is set.
type section struct {
	name string
	set  bool
}

// exactlyOne checks that a section which is one of several kinds is one.
func (c *check) exactlyOne(path string, kinds ...section) {
	var names, set []string
	for _, kind := range kinds {
		if place := c.places[join(path, kind.name)]; place != nil && place.kind == broken {
			return
		}
		names = append(names, kind.name)
		if kind.set {
			set = append(set, kind.name)
		}
	}
	switch {
	case len(set) == 0:
		c.problem(path, "expected "+oneOf(names)+", found neither", fmt.Sprintf("write %s: {} for its defaults", names[0]))
	case len(set) > 1:
		c.problem(path, "expected "+oneOf(names)+", found both", "remove one of them")
	}
}

func (c *check) files() {
	files := c.site.Files
	if files == nil {
		return
	}
	c.exactlyOne("files", section{"volume", files.Volume != nil}, section{"s3", files.S3 != nil})
	c.filesVolume(files.Volume)
	if s3 := files.S3; s3 != nil {
		c.expect(isBucket(s3.Bucket), "files.s3.bucket", s3.Bucket, "the name of a bucket", "")
		c.expect(isEndpoint(s3.Endpoint), "files.s3.endpoint", s3.Endpoint, "a URL without a path, such as https://s3.example.com", "")
		c.expect(isLabel(s3.Region), "files.s3.region", s3.Region, "the name of a region, such as us-east-1", "")
		c.secretName("files.s3.secret", s3.Secret)
	}
}

func (c *check) filesVolume(volume *FilesVolume) {
	if volume == nil {
		return
	}
	c.mountPoint("files.volume.path", volume.Path)
	for i, path := range indexed("files.volume.also", len(volume.Also), "") {
		c.mountPoint(path, volume.Also[i])
	}
	c.size("files.volume.size", volume.Size)
	c.expect(slices.Contains(accessModes, volume.AccessMode), "files.volume.accessMode", volume.AccessMode,
		oneOf(accessModes), suggest(volume.AccessMode, accessModes))
	c.storageClass("files.volume.storageClass", volume.StorageClass)
	if volume.AccessMode == readWriteOnce {
		c.oneNode()
	}
}

func (c *check) storageClass(path, name string) {
	c.expect(name == "" || isObjectName(name), path, name, "the name of a StorageClass", "")
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
var reservedSecrets = []string{"database", "drupal", "mediawiki", "mysql-root", "registry", "wordpress"}

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
		c.secretName(path+".name", secret.Name)
		if len(secret.For) == 0 {
			c.problem(path+".for", "expected at least one reader, found none", "leave the key out for all: "+oneOf(secretReaders))
		}
		for j, reader := range secret.For {
			c.expect(slices.Contains(secretReaders, reader), joinIndex(path+".for", j), reader, oneOf(secretReaders), suggest(reader, secretReaders))
		}
		c.unique(indexed(path+".for", len(secret.For), ""), secret.For)
	}
	paths := indexed("secrets", len(names), ".name")
	if files := c.site.Files; files != nil && files.S3 != nil {
		paths, names = append(paths, "files.s3.secret"), append(names, files.S3.Secret)
	}
	if ingress := c.site.Ingress; ingress != nil && ingress.BasicAuth != "" {
		paths, names = append(paths, "ingress.basicAuth"), append(names, ingress.BasicAuth)
	}
	c.unique(paths, names)
}

// secretName checks the name of a Secret that exists.
func (c *check) secretName(path, name string) {
	c.expect(isLabel(name) && len(name) <= maxSecretName, path, name,
		fmt.Sprintf("the name of a Secret, a DNS label of at most %d characters", maxSecretName), "")
	if slices.Contains(reservedSecrets, name) {
		c.problem(path, fmt.Sprintf("%q is the name of a Secret that sitectl makes itself", name), "choose another name")
	}
}

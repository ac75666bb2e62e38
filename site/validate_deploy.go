package site

import (
	"fmt"
	"slices"
)

// deploy checks patch mode, and that the file does not ask for what only
// whoever has laid out the namespace can give.
func (c *check) deploy() {
	d := c.site.Deploy
	if d == nil {
		return
	}
	c.expect(d.Mode == DeployPatch, "deploy.mode", string(d.Mode), string(DeployPatch), "leave deploy out to have sitectl lay out the namespace")
	c.expect(isLabel(d.Container), "deploy.container", d.Container, "the name of a container", "")
	c.objectNames("deploy.deployments", d.Deployments)
	c.objectNames("deploy.cronJobs", d.CronJobs)
	if !slices.Contains(d.Deployments, mainDeployment) {
		c.problem("deploy.deployments", fmt.Sprintf("expected %q among them, where a release is verified and recorded", mainDeployment), "")
	}
	for _, key := range ownLayout {
		c.notPatched(key)
	}
	if c.site.Migrate == nil || c.site.Migrate.Backup == nil {
		c.notPatched("database.external")
	}
	for _, key := range ownValues {
		c.notPatchedUnlessDefault(key)
	}
}

func (c *check) objectNames(path string, names []string) {
	paths := indexed(path, len(names), "")
	for i, name := range names {
		c.expect(isObjectName(name), paths[i], name, "the name of an object", "")
	}
	c.unique(paths, names)
}

// ownLayout are the sections that stand for objects of sitectl's own.
var ownLayout = []string{
	"database.mariadb", "cache", "files", "writable", "secrets", "cron", "isolation", "web.varnish", "web.autoscale", "web.holdDrains",
	"ingress.class", "ingress.gateway", "ingress.redirects", "ingress.hsts", "ingress.basicAuth", "ingress.uploadSize", "ingress.annotations",
}

// ownValues are keys that every site has, and that have no effect.
var ownValues = []string{
	"web.replicas", "web.resources.cpu", "web.resources.memory", "web.health.path", "web.rollout.drainDelay", "web.rollout.drainTimeout",
}

// notPatched reports a key of the file. A null is no reason: it asks for
// nothing.
func (c *check) notPatched(key string) {
	if v := c.places[key]; v != nil && v.kind != absent && v.origin.inFile() {
		hint := "leave it out, it is up to whoever has laid out the namespace"
		switch key {
		case "cron":
			hint = "name the CronJobs of the namespace under deploy.cronJobs"
		case "database.external":
			hint = "leave it out, or set migrate.backup: it is asked for dumps, and nothing else"
		}
		c.problem(key, "has no effect with deploy.mode patch", hint)
	}
}

// notPatchedUnlessDefault lets pass what `sitectl config` prints for every
// site.
func (c *check) notPatchedUnlessDefault(key string) {
	v := c.places[key]
	if v == nil || v.kind != scalar {
		return
	}
	if standard := defaultLayer().at(key); standard == nil || standard.scalar.Interface() != v.scalar.Interface() {
		c.notPatched(key)
	}
}

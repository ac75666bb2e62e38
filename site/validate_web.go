package site

import (
	"fmt"
	"math"
	"strings"
	"time"
)

func (c *check) web() {
	w := c.site.Web
	c.atLeast("web.replicas", int64(w.Replicas), 1)
	if w.Autoscale != nil {
		c.atLeast("web.autoscale.min", int64(w.Autoscale.Min), 1)
		c.atLeast("web.autoscale.max", int64(w.Autoscale.Max), int64(max(1, w.Autoscale.Min)))
		c.atLeast("web.autoscale.cpu", int64(w.Autoscale.CPU), 1)
	}
	c.expect(isCPU(w.Resources.CPU), "web.resources.cpu", w.Resources.CPU, "an amount of CPU, such as 50m or 2", "")
	c.size("web.resources.memory", w.Resources.Memory)
	if w.Varnish != nil {
		c.pinned("web.varnish.image", w.Varnish.Image)
		c.size("web.varnish.memory", w.Varnish.Memory)
	}
	c.rollout()
	c.urlPath("web.health.path", w.Health.Path)
	c.urlPath("web.verify.path", w.Verify.Path)
	if w.Verify.Status < 100 || w.Verify.Status > 599 {
		c.problem("web.verify.status", fmt.Sprintf("expected an HTTP status from 100 to 599, found %d", w.Verify.Status), "")
	}
}

func (c *check) atLeast(path string, number, least int64) {
	if number < least {
		c.problem(path, fmt.Sprintf("expected a number of at least %d, found %d", least, number), "")
	}
}

// size checks an amount of memory or disk. 512 and 512m are slips for 512Mi
// that Kubernetes would take for 512 bytes and for half a byte.
func (c *check) size(path, size string) {
	hint := ""
	if number := strings.TrimRight(size, "mM"); number != "" && strings.Trim(number, "0123456789") == "" {
		hint = fmt.Sprintf("did you mean %q?", shorten(number)+"Mi")
	}
	c.expect(isSize(size), path, size, "a size of at least 1Mi, such as 512Mi or 10Gi", hint)
}

func (c *check) urlPath(path, value string) {
	c.expect(isURLPath(value), path, value, "a path that begins with / and has no spaces or quotes", "")
}

// maxDrain keeps a pod that stops from holding up rollouts and the drain of
// its node for longer than anybody waits.
const maxDrain = time.Hour

func (c *check) rollout() {
	rollout := c.site.Web.Rollout
	c.atLeast("web.rollout.maxSurge", int64(rollout.MaxSurge), 0)
	c.atLeast("web.rollout.maxUnavailable", int64(rollout.MaxUnavailable), 0)
	c.atLeast("web.rollout.minReadySeconds", int64(rollout.MinReadySeconds), 0)
	c.span("web.rollout.progressDeadline", rollout.ProgressDeadline)
	c.span("web.rollout.drainDelay", rollout.DrainDelay)
	c.span("web.rollout.drainTimeout", rollout.DrainTimeout)
	before := int32(0)
	for i, step := range rollout.Steps {
		c.atLeast(joinIndex("web.rollout.steps", i)+".pods", int64(step.Pods), int64(before)+1)
		before = max(before, step.Pods)
	}
	if rollout.MaxSurge == 0 && rollout.MaxUnavailable == 0 {
		c.conflict(c.written("web.rollout.maxSurge", "web.rollout.maxUnavailable"),
			"maxSurge and maxUnavailable are both 0, so that no pod could ever be replaced", "set one of them to 1")
	}
	// Kubernetes refuses a Deployment otherwise.
	if rollout.ProgressDeadline > 0 && rollout.ProgressDeadline.Seconds() <= int64(rollout.MinReadySeconds) {
		c.conflict(c.written("web.rollout.progressDeadline", "web.rollout.minReadySeconds"),
			fmt.Sprintf("the progress deadline of %s is not longer than minReadySeconds, %d", rollout.ProgressDeadline, rollout.MinReadySeconds), "")
	}
	if total := rollout.DrainDelay.Duration() + rollout.DrainTimeout.Duration(); total > maxDrain {
		c.conflict(c.written("web.rollout.drainTimeout", "web.rollout.drainDelay"),
			fmt.Sprintf("a pod would take %s to stop (drainDelay and drainTimeout), expected at most %s", Duration(total), Duration(maxDrain)), "")
	}
}

// written returns the first of the paths that the file sets: a problem of two
// keys together is shown where somebody can change it.
func (c *check) written(paths ...string) string {
	for _, path := range paths {
		if v := c.places[path]; v != nil && v.origin.inFile() {
			return path
		}
	}
	return paths[0]
}

// span checks a time span that ends up in a field of 32-bit seconds.
func (c *check) span(path string, d Duration) {
	whole := d.Duration()%time.Second == 0
	c.expect(whole && d > 0 && d.Seconds() <= math.MaxInt32, path, d.String(), "a time span of whole seconds above 0", "")
}

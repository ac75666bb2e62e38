package site

import (
	"fmt"
	"slices"
)

func (c *check) migrate() {
	migrate := c.site.Migrate
	if migrate == nil {
		return
	}
	orders := []string{string(MigrateBefore), string(MigrateAfter)}
	c.expect(slices.Contains(orders, string(migrate.Order)), "migrate.order", string(migrate.Order), oneOf(orders),
		suggest(string(migrate.Order), orders))
	c.span("migrate.timeout", migrate.Timeout)
	c.span("migrate.cronWait", migrate.CronWait)
	c.backup()
	if len(migrate.Steps) == 0 {
		c.problem("migrate.steps", "expected at least one step, found none", "leave migrate out for a site without migrations")
	}
	names := make([]string, len(migrate.Steps))
	for i, step := range migrate.Steps {
		path := joinIndex("migrate.steps", i)
		names[i] = step.Name
		c.expect(isLabel(step.Name), path+".name", step.Name, "a DNS label", "")
		c.command(path+".command", step.Command)
	}
	c.unique(indexed("migrate.steps", len(names), ".name"), names)
}

func (c *check) backup() {
	backup := c.site.Migrate.Backup
	if backup == nil {
		return
	}
	places := []string{backupVolume, backupS3}
	c.expect(slices.Contains(places, backup.To), "migrate.backup.to", backup.To, oneOf(places), suggest(backup.To, places))
	c.atLeast("migrate.backup.keep", int64(backup.Keep), 1)
	c.size("migrate.backup.size", backup.Size)
	c.expect(backup.StorageClass == "" || isObjectName(backup.StorageClass), "migrate.backup.storageClass", backup.StorageClass,
		"the name of a StorageClass", "")
	c.span("migrate.backup.timeout", backup.Timeout)
	c.backupBucket(backup)
	switch {
	case c.site.Database != nil:
	case c.site.Deploy != nil:
		c.conflict("migrate.backup", "there is no database to back up", "say in database.external where that of the namespace is, or leave migrate.backup out")
	default:
		c.conflict("migrate.backup", "there is no database to back up", "set database, or leave migrate.backup out")
	}
}

// The places of dumps.
const (
	backupVolume = "volume"
	backupS3     = "s3"
)

func (c *check) backupBucket(backup *Backup) {
	const path = "migrate.backup.s3"
	s3 := backup.S3
	switch {
	case s3 == nil && backup.To == backupS3:
		c.problem(path, "expected a bucket, found nothing", "write s3: {bucket: NAME, endpoint: URL, secret: NAME}")
		return
	case s3 == nil:
		return
	case backup.To == backupVolume:
		c.conflict("migrate.backup.to", "the dumps cannot go to a volume and to a bucket", "leave one of to and s3 out")
	}
	c.expect(isBucket(s3.Bucket), path+".bucket", s3.Bucket, "the name of a bucket", "")
	c.expect(isEndpoint(s3.Endpoint), path+".endpoint", s3.Endpoint, "a URL without a path, such as https://s3.example.com", "")
	c.expect(isLabel(s3.Region), path+".region", s3.Region, "the name of a region, such as us-east-1", "")
	c.secretName(path+".secret", s3.Secret)
	c.pinned(path+".image", s3.Image)
}

func (c *check) command(path string, command []string) {
	if len(command) == 0 || command[0] == "" {
		c.problem(path, "expected a command, found nothing", "write it as a list: [php, index.php]")
	}
}

// schedule says what of a schedule is wrong, and nothing more about none.
func (c *check) schedule(path string, cron Cron) {
	reason := ""
	resolved, err := cron.resolve(c.site.Namespace)
	if err == nil {
		err = checkSchedule(resolved)
	}
	if err != nil && cron.Schedule != "" {
		reason = printable(shorten(err.Error()))
	}
	c.expect(err == nil, path, cron.Schedule, `a schedule of five fields, such as "*/5 * * * *", "H * * * *" or "M H(2-4) * * *"`, reason)
}

// maxCronName is the limit that Kubernetes has for CronJobs: their Jobs get
// eleven characters more.
const maxCronName = 52

func (c *check) cron() {
	names := make([]string, len(c.site.Cron))
	for i, cron := range c.site.Cron {
		path := joinIndex("cron", i)
		names[i] = cron.Name
		c.expect(isLabel(cron.Name) && len(cron.Name) <= maxCronName, path+".name", cron.Name,
			fmt.Sprintf("a DNS label of at most %d characters", maxCronName), "")
		c.schedule(path+".schedule", cron)
		c.expect(isTimeZone(cron.TimeZone), path+".timeZone", cron.TimeZone, "the name of a time zone, such as Europe/Berlin", "")
		c.command(path+".command", cron.Command)
		c.span(path+".timeout", cron.Timeout)
	}
	c.unique(indexed("cron", len(names), ".name"), names)
}

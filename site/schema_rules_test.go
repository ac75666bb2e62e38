package site

import (
	"math"
	"slices"
	"strings"
)

// The grammars of texts, as far as a regular expression can tell them, and in
// the words of the checks that know the rest.
const (
	labelForm      = `[a-z0-9]([a-z0-9-]*[a-z0-9])?`
	subdomainForm  = labelForm + `(\.` + labelForm + `)*`
	pathForm       = `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`
	registryForm   = `(localhost(:[0-9]+)?|[a-z0-9.-]+:[0-9]+|[a-z0-9-]*\.[a-z0-9.-]*)`
	repositoryForm = registryForm + "/" + pathForm
	digestForm     = `@sha256:[0-9a-f]{64}`
	tagForm        = `:[A-Za-z0-9_.-]{1,128}`
	numberForm     = `\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)`
	quantityForm   = numberForm + `([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?`
	// With too few digits for bytes the unit was forgotten.
	sizeForm = numberForm + `([kMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)|[0-9]{7,}(\.[0-9]*)?m?`
	// Of a path: all but "." and "..", and at its beginning no dash.
	segmentForm      = `(\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]*|\.{3}[A-Za-z0-9._-]*)`
	firstSegmentForm = `(([A-Za-z0-9_]|\.{1,2}[A-Za-z0-9_-])[A-Za-z0-9._-]*|\.{3}[A-Za-z0-9._-]*)`
	insideForm       = firstSegmentForm + "(/" + segmentForm + ")*"
)

func label(expected string) Schema {
	return Schema{Pattern: "^" + labelForm + "$", MaxLength: 63, Expected: "expected " + expected}
}

func subdomain(expected string) Schema {
	return Schema{Pattern: "^" + subdomainForm + "$", MaxLength: 253, Expected: "expected " + expected}
}

// orNothing lets a text be empty, which is as good as leaving it out.
func orNothing(s Schema) Schema {
	s.Pattern = "^(" + strings.TrimSuffix(strings.TrimPrefix(s.Pattern, "^"), "$") + ")?$"
	return s
}

func secretName() Schema {
	s := label("the name of a Secret, a DNS label of at most 52 characters")
	s.MaxLength = maxSecretName
	s.Not = &Schema{Enum: anySlice(reservedSecrets)}
	return s
}

func inside(expected string) Schema {
	return Schema{Pattern: `^(\.|` + insideForm + ")$", Expected: "expected " + expected}
}

func choice(values ...string) Schema { return Schema{Enum: anySlice(values)} }

func atLeast(least int64) Schema { return between(least, math.MaxInt32) }

func between(least, most int64) Schema { return Schema{Minimum: &least, Maximum: &most} }

func anySlice[T any](values []T) []any {
	out := make([]any, len(values))
	for i, value := range values {
		out[i] = value
	}
	return out
}

var (
	span         = Schema{Pattern: `^\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`, Expected: "expected a time span of whole seconds above 0, such as 30s, 5m or 1h30m"}
	host         = Schema{Pattern: "^" + subdomainForm + "$", MaxLength: 253, Expected: "expected a host name in lower case, such as www.example.com"}
	anyHost      = Schema{Pattern: `^(\*\.)?` + subdomainForm + "$", MaxLength: 253, Expected: host.Expected}
	pinned       = Schema{Pattern: "^([a-z0-9.-]+(:[0-9]+)?/)?" + pathForm + "(" + tagForm + "|(" + tagForm + ")?" + digestForm + ")$", Expected: "expected an image with a tag or digest, such as debian:trixie-slim"}
	repository   = Schema{Pattern: "^" + repositoryForm + "$", Expected: "expected a repository with its registry and without a tag, such as registry.example.com/agency/example-com"}
	folder       = inside("a path inside the repository, of letters, digits and ._-/")
	urlPath      = Schema{Pattern: "^/([A-Za-z0-9._~!$&()*+,;=:@%?-][A-Za-z0-9._~!$&()*+,;=:@%/?-]*)?$", Expected: "expected a path that begins with / and has no spaces or quotes"}
	iniValue     = Schema{Pattern: `^([^"\\$]|\$+[^"\\${])*\$*$`, Expected: "expected a value without quotes, backslashes and ${"}
	filled       = Schema{MinLength: 1}
	set          = Schema{UniqueItems: true}
	filledSet    = Schema{MinItems: 1, UniqueItems: true}
	size         = Schema{Pattern: "^(" + sizeForm + ")$", Minimum: ptr(1 << 20), Expected: "expected a size of at least 1Mi, such as 512Mi or 10Gi"}
	cpu          = Schema{Pattern: "^" + quantityForm + "$", Not: &Schema{Type: Types{"string"}, Pattern: "^0*$"}, Expected: "expected an amount of CPU, such as 50m or 2"}
	bucket       = Schema{Pattern: bucketName.String(), Expected: "expected the name of a bucket"}
	endpoint     = Schema{Pattern: `^https?://[^/?#@\s]+$`, Expected: "expected a URL without a path, such as https://s3.example.com"}
	region       = label("the name of a region, such as us-east-1")
	storageClass = orNothing(subdomain("the name of a StorageClass"))
	prefix       = Schema{Pattern: "^(/|(/" + segmentForm + ")+)$", Expected: "expected a path such as / or /blog"}
)

func ptr(n int64) *int64 { return &n }

// schemaRules are the limits of values by the path of their key: "[]" stands
// for each item of a list, "*" for each key that can be chosen freely, and
// "(name)" for what that may be called. A time span needs none.
var schemaRules = map[string]Schema{
	"site":        host,
	"environment": label("a DNS label"),
	"context":     {},
	"namespace": func() Schema {
		s := label("a DNS label of at most 63 characters")
		s.Not = &Schema{Type: Types{"string"}, Pattern: "^(default$|kube-)"}
		return s
	}(),
	"image":  repository,
	"preset": choice(presets...),

	"build.base":                 pinned,
	"build.platform":             choice(platforms...),
	"build.runtime":              repository,
	"build.docroot":              folder,
	"build.fallback":             {Pattern: "^(/" + insideForm + ")?$", Expected: "expected a path below the docroot, such as /index.php"},
	"build.php.extensions":       set,
	"build.php.extensions[]":     {Pattern: "^[a-z0-9][a-z0-9_.+-]*$", Not: &Schema{Type: Types{"string"}, Pattern: "^(php[0-9.]*|ext)-"}, Expected: "expected a PHP extension as Debian names it, such as gd"},
	"build.php.ini.*":            iniValue,
	"build.php.ini.(name)":       {Pattern: iniKey.String()},
	"build.composer.include[]":   folder,
	"build.frontend.image":       pinned,
	"build.frontend.dir":         folder,
	"build.frontend.script":      {Pattern: scriptName.String(), Expected: "expected the name of a script in package.json, such as build"},
	"build.frontend.include[]":   folder,
	"build.dockerfile":           {Pattern: "^" + insideForm + "$", Expected: "expected the path of a file"},
	"build.audit.allow[].rule":   label("the name of a rule, as a finding has it"),
	"build.audit.allow[].path":   {Pattern: "^/", Expected: "expected an absolute path in the image, or a pattern with * and **"},
	"build.audit.allow[].reason": filled,

	"web.replicas":                atLeast(1),
	"web.autoscale.min":           atLeast(1),
	"web.autoscale.max":           atLeast(1),
	"web.autoscale.cpu":           atLeast(1),
	"web.resources.cpu":           cpu,
	"web.resources.memory":        size,
	"web.varnish.image":           pinned,
	"web.varnish.memory":          size,
	"web.rollout.maxSurge":        atLeast(0),
	"web.rollout.maxUnavailable":  atLeast(0),
	"web.rollout.minReadySeconds": atLeast(0),
	"web.rollout.steps[].pods":    atLeast(1),
	"web.health.path":             urlPath,
	"web.verify.path":             urlPath,
	"web.verify.status":           between(100, 599),

	"database.mariadb.image":        pinned,
	"database.mariadb.storage":      size,
	"database.mariadb.storageClass": storageClass,
	"database.mariadb.memory":       size,
	"database.external.host":        {Pattern: "^[a-z0-9.:-]+$|^[0-9A-Fa-f:.]+$", Expected: "expected a host name or an IP address"},
	"database.external.port":        between(1, math.MaxUint16),
	"database.external.name":        {Pattern: databaseName.String(), Expected: "expected the name of a database, of letters, digits and _$-"},
	"database.external.secret": func() Schema {
		s := secretName()
		s.Not = &Schema{Enum: anySlice(slices.DeleteFunc(slices.Clone(reservedSecrets), func(name string) bool { return name == "database" }))}
		return s
	}(),
	"cache.memcached.image":    pinned,
	"cache.memcached.replicas": atLeast(1),
	"cache.memcached.memory":   size,
	"cache.redis.image":        pinned,
	"cache.redis.memory":       size,

	"files.volume.path":         folder,
	"files.volume.also[]":       folder,
	"files.volume.size":         size,
	"files.volume.accessMode":   choice(accessModes...),
	"files.volume.storageClass": storageClass,
	"files.s3.bucket":           bucket,
	"files.s3.endpoint":         endpoint,
	"files.s3.region":           region,
	"files.s3.secret":           secretName(),
	"writable":                  set,
	"writable[]":                folder,
	"secrets[].name":            secretName(),
	"secrets[].for":             filledSet,
	"secrets[].for[]":           choice(secretReaders...),

	"migrate.order":               choice(string(MigrateBefore), string(MigrateAfter)),
	"migrate.backup.to":           choice(backupVolume, backupS3),
	"migrate.backup.keep":         atLeast(1),
	"migrate.backup.size":         size,
	"migrate.backup.storageClass": storageClass,
	"migrate.backup.s3.bucket":    bucket,
	"migrate.backup.s3.endpoint":  endpoint,
	"migrate.backup.s3.region":    region,
	"migrate.backup.s3.secret":    secretName(),
	"migrate.backup.s3.image":     pinned,
	"migrate.steps":               {MinItems: 1},
	"migrate.steps[].name":        label("a DNS label"),
	"migrate.steps[].command":     {MinItems: 1},
	"cron[].name": func() Schema {
		s := label("a DNS label of at most 52 characters")
		s.MaxLength = maxCronName
		return s
	}(),
	"cron[].schedule": {
		Pattern: `^\s*(@[a-z]+(\s+\S+)?|[^\s@]\S*(\s+\S+){4})\s*$`, Not: &Schema{Type: Types{"string"}, Pattern: "TZ"},
		Expected: `expected a schedule of five fields, such as "*/5 * * * *", "H * * * *" or "M H(2-4) * * *"`,
	},
	"cron[].timeZone": {Pattern: "^[A-Za-z0-9_+/-]*$", Expected: "expected the name of a time zone, such as Europe/Berlin"},
	"cron[].command":  {MinItems: 1},

	"ingress.class":              orNothing(subdomain("the name of an IngressClass")),
	"ingress.gateway.name":       subdomain("the name of a Gateway"),
	"ingress.gateway.namespace":  orNothing(label("the name of a namespace")),
	"ingress.gateway.section":    orNothing(subdomain("the name of a listener")),
	"ingress.hosts":              filledSet,
	"ingress.hosts[]":            anyHost,
	"ingress.paths":              filledSet,
	"ingress.paths[]":            prefix,
	"ingress.redirects[].from":   host,
	"ingress.redirects[].to":     host,
	"ingress.redirects[].status": {Enum: anySlice(redirectStatuses), Minimum: ptr(0)},
	"ingress.tls.issuer":         orNothing(subdomain("the name of a ClusterIssuer")),
	"ingress.tls.secret":         orNothing(subdomain("the name of a Secret")),
	"ingress.basicAuth":          orNothing(secretName()),
	"ingress.uploadSize":         size,
	"ingress.annotations.(name)": {Pattern: "^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"},

	"deploy.mode":          choice(string(DeployPatch)),
	"deploy.deployments":   set,
	"deploy.deployments[]": subdomain("the name of a Deployment"),
	"deploy.cronJobs":      set,
	"deploy.cronJobs[]":    subdomain("the name of a CronJob"),
	"deploy.container":     label("the name of a container"),

	"notify[].type":        choice(notifyTypes...),
	"notify[].urlFrom.env": {Pattern: variableName.String(), Expected: "expected the name of an environment variable, such as SLACK_WEBHOOK"},
	"notify[].on":          filledSet,
	"notify[].on[]":        choice(notifyEvents...),
	"notify[].template":    {Pattern: `^\.sitectl/notify/[A-Za-z0-9._-]+\.json\.mustache$`, Expected: "expected a file of the commit such as .sitectl/notify/ours.json.mustache"},

	"isolation.namespaces":   set,
	"isolation.namespaces[]": label("the name of a namespace"),
	"isolation.networks":     set,
	"isolation.networks[]":   {Pattern: "^[0-9a-f.:]+/[0-9]{1,3}$", Expected: "expected a network, such as 10.0.0.0/8"},
}

// rule returns the limits of a key; none if it has no rule.
func rule(path string) Schema { return schemaRules[path] }

// Package site holds what sitectl knows about a site before it touches
// anything: the site file, the git commit, and the image they lead to.
//
// A Site is read once, checked once, and is a plain value from then on.
package site

// Preset names a set of defaults for a kind of site.
type Preset string

// The presets. A preset only fills in what the site file leaves out;
// `sitectl config` prints the result in full.
const (
	PHP       Preset = "php"
	WordPress Preset = "wordpress"
	Drupal    Preset = "drupal"
)

// Site is a site file resolved for one environment: defaults of the preset,
// then the file, then the environment's own section. Mappings are merged key
// by key, lists are replaced, and an explicit null removes what a lower layer
// gives.
//
// The yaml and json tags are the keys of the site file. A pointer that is nil
// stands for a section that the site does without.
type Site struct {
	Address     string `yaml:"site" json:"site"`                                   // host name that names the site, for example "example.com"
	Environment string `yaml:"environment,omitempty" json:"environment,omitempty"` // name of the environment it was resolved for; empty if the file declares none
	Context     string `yaml:"context,omitempty" json:"context,omitempty"`         // kubeconfig context; empty for the current one
	// Namespace has the default Address with dots as dashes, and
	// "-<environment>" unless there is none or it is "production".
	Namespace string `yaml:"namespace" json:"namespace"`
	Image     string `yaml:"image" json:"image"`   // repository with its registry, without tag or digest
	Preset    Preset `yaml:"preset" json:"preset"` // default: php

	Build    Build     `yaml:"build" json:"build"`
	Web      Web       `yaml:"web" json:"web"`
	Database *Database `yaml:"database,omitempty" json:"database,omitempty"`
	Cache    *Cache    `yaml:"cache,omitempty" json:"cache,omitempty"`
	Files    *Files    `yaml:"files,omitempty" json:"files,omitempty"`
	// Writable are folders, relative to the repository, that each pod can
	// write to: empty when it starts, and gone when it ends.
	Writable []string `yaml:"writable,omitempty" json:"writable,omitempty"`
	Secrets  []Secret `yaml:"secrets,omitempty" json:"secrets,omitempty"` // that exist in the namespace
	Migrate  *Migrate `yaml:"migrate,omitempty" json:"migrate,omitempty"`
	Cron     []Cron   `yaml:"cron,omitempty" json:"cron,omitempty"`
	Ingress  *Ingress `yaml:"ingress,omitempty" json:"ingress,omitempty"`
	// Deploy is nil for a site whose namespace sitectl lays out.
	Deploy *Deploy `yaml:"deploy,omitempty" json:"deploy,omitempty"`
	// Isolation is nil for a site without network policies.
	Isolation *Isolation `yaml:"isolation,omitempty" json:"isolation,omitempty"`
}

// Secret is an existing Secret whose values the site reads as files,
// /secrets/<name>/<key>. In the site file its name alone will do.
type Secret struct {
	Name string `yaml:"name" json:"name"`
	// For names those that read it: web, migrate, cron. Nobody else has the
	// files. Default: all three.
	For []string `yaml:"for,omitempty" json:"for,omitempty"`
}

// Build says how the code becomes an image. It cannot differ between
// environments: one commit is one image.
type Build struct {
	Base     string `yaml:"base" json:"base"`         // Debian slim image the runtime is built on; default "debian:trixie-slim"
	Platform string `yaml:"platform" json:"platform"` // as os/architecture; default "linux/amd64"
	// Runtime is the repository of the runtime images, without tag or digest.
	// Sites that name the same one share them. Default: "runtime" next to
	// Image, for example "registry.example.com/agency/runtime".
	Runtime    string            `yaml:"runtime" json:"runtime"`
	Docroot    string            `yaml:"docroot" json:"docroot"`                           // folder served by Apache, relative to the repository; default "."
	Fallback   string            `yaml:"fallback,omitempty" json:"fallback,omitempty"`     // path below the docroot that answers for every path without a file, for example "/index.php"; empty for the status 404
	PHP        BuildPHP          `yaml:"php" json:"php"`                                   // extensions and ini values
	Composer   *Composer         `yaml:"composer,omitempty" json:"composer,omitempty"`     // nil to leave Composer alone
	Frontend   *Frontend         `yaml:"frontend,omitempty" json:"frontend,omitempty"`     // nil to leave npm alone
	Dockerfile string            `yaml:"dockerfile,omitempty" json:"dockerfile,omitempty"` // the site's own Dockerfile instead of the generated one, relative to the repository
	Args       map[string]string `yaml:"args,omitempty" json:"args,omitempty"`             // build arguments of the site's own Dockerfile; never secrets
	Audit      *Audit            `yaml:"audit,omitempty" json:"audit,omitempty"`
}

// BuildPHP configures PHP in the image.
type BuildPHP struct {
	// Extensions are named as in Debian without "php-", or by PHP: gd, intl,
	// mysql or pdo_mysql, apcu. Which there are, and which version of PHP,
	// depends on the release of Debian that Base is. Default: those of the
	// preset, then mysql, memcached and redis if any environment has such a
	// database or cache.
	Extensions []string          `yaml:"extensions,omitempty" json:"extensions,omitempty"`
	Ini        map[string]string `yaml:"ini,omitempty" json:"ini,omitempty"` // php.ini values
}

// Composer has Composer install what composer.lock names. Besides
// composer.json and composer.lock it sees what composer.json names itself:
// the folders of its autoload section, path and artifact repositories.
type Composer struct {
	// Include names the other files and folders that the installation needs,
	// such as local patches and what scripts run; "." for all. Whenever one of
	// them changes, Composer runs again.
	Include []string `yaml:"include,omitempty" json:"include,omitempty"`
}

// Frontend has npm install what package-lock.json names, and run a script.
type Frontend struct {
	Image  string `yaml:"image" json:"image"`                       // Node.js with npm; default "node:22-slim"
	Dir    string `yaml:"dir" json:"dir"`                           // folder of package.json, relative to the repository; default "."
	Script string `yaml:"script" json:"script"`                     // of package.json; default "build"
	Output string `yaml:"output,omitempty" json:"output,omitempty"` // folder that the script fills, relative to Dir; empty for all that it adds or changes outside of node_modules
	// Include names the files and folders of the repository that the script
	// reads besides package.json, package-lock.json and .npmrc. Whenever one
	// of them changes, the script runs again. Default: Dir.
	Include []string `yaml:"include,omitempty" json:"include,omitempty"`
}

// Audit is what the check of a pushed image lets pass.
type Audit struct {
	Allow []AuditException `yaml:"allow,omitempty" json:"allow,omitempty"`
}

// AuditException lets single files of an image break a rule.
type AuditException struct {
	Rule   string `yaml:"rule" json:"rule"`     // the rule as a finding names it, for example "private-key"
	Path   string `yaml:"path" json:"path"`     // in the image, absolute; "*" matches within a folder, "**" across folders
	Reason string `yaml:"reason" json:"reason"` // why it is right all the same
}

// Web is the Deployment that serves the site.
type Web struct {
	Replicas  int32      `yaml:"replicas" json:"replicas"`                       // default 2; means nothing with Autoscale
	Autoscale *Autoscale `yaml:"autoscale,omitempty" json:"autoscale,omitempty"` // nil for Replicas pods, always
	Resources Resources  `yaml:"resources" json:"resources"`
	Varnish   *Varnish   `yaml:"varnish,omitempty" json:"varnish,omitempty"` // nil for Apache alone
	Rollout   Rollout    `yaml:"rollout" json:"rollout"`
	Health    Health     `yaml:"health" json:"health"`
	Verify    Verify     `yaml:"verify" json:"verify"`
}

// Pods returns the least and the greatest number of web pods.
func (w Web) Pods() (least, most int32) {
	if w.Autoscale != nil {
		return w.Autoscale.Min, w.Autoscale.Max
	}
	return w.Replicas, w.Replicas
}

// Autoscale leaves the number of web pods to a HorizontalPodAutoscaler.
type Autoscale struct {
	Min int32 `yaml:"min" json:"min"` // default 2
	Max int32 `yaml:"max" json:"max"`
	// CPU is what the Apache containers use on average, in percent of their
	// request, above which there are more pods; default 80.
	CPU int32 `yaml:"cpu" json:"cpu"`
}

// Resources are the requests and limits of the Apache container, as
// Kubernetes quantities. There is no CPU limit: throttling a web server makes
// every request slow to save nothing.
type Resources struct {
	CPU    string `yaml:"cpu" json:"cpu"`       // request; default "50m"
	Memory string `yaml:"memory" json:"memory"` // request and limit; default "512Mi"
}

// Varnish is the cache in front of Apache, in the same pod.
type Varnish struct {
	Image  string `yaml:"image" json:"image"`   // default "varnish:7.7"
	Memory string `yaml:"memory" json:"memory"` // size of the cache, a Kubernetes quantity; default "128Mi"
}

// Rollout says how the web pods are replaced.
type Rollout struct {
	MaxSurge         int32    `yaml:"maxSurge" json:"maxSurge"`                 // default 1
	MaxUnavailable   int32    `yaml:"maxUnavailable" json:"maxUnavailable"`     // default 0
	MinReadySeconds  int32    `yaml:"minReadySeconds" json:"minReadySeconds"`   // default 5
	ProgressDeadline Duration `yaml:"progressDeadline" json:"progressDeadline"` // default 5m
	// DrainDelay is how long a pod that is about to stop goes on serving
	// until every ingress and node has heard that it is going; default 10s.
	DrainDelay Duration `yaml:"drainDelay" json:"drainDelay"`
	// DrainTimeout is how long requests under way may take to finish after
	// DrainDelay; default 30s.
	DrainTimeout Duration `yaml:"drainTimeout" json:"drainTimeout"`
	// Steps let a few new pods serve beside all the old ones first. When they
	// have answered as Verify says, the next step comes, and then the rest.
	Steps []RolloutStep `yaml:"steps,omitempty" json:"steps,omitempty"`
}

// RolloutStep is one step on the way to a whole release.
type RolloutStep struct {
	Pods int32 `yaml:"pods" json:"pods"` // new ones; more than in the step before
}

// Health is what the readiness and startup probes ask for.
type Health struct {
	Path string `yaml:"path" json:"path"` // default "/.sitectl/health", answered by PHP without the site's code
}

// Verify is the request made through the Service after a rollout.
type Verify struct {
	Path     string `yaml:"path" json:"path"`                             // default "/"
	Status   int    `yaml:"status" json:"status"`                         // default 200
	Contains string `yaml:"contains,omitempty" json:"contains,omitempty"` // text that the body must contain; empty for any
}

// Database is the site's database; exactly one of its fields is set.
type Database struct {
	MariaDB  *MariaDB          `yaml:"mariadb,omitempty" json:"mariadb,omitempty"`
	External *ExternalDatabase `yaml:"external,omitempty" json:"external,omitempty"`
}

// MariaDB is a database of the site's own: one replica, one volume.
type MariaDB struct {
	Image        string `yaml:"image" json:"image"`                                   // default "mariadb:11.8"
	Storage      string `yaml:"storage" json:"storage"`                               // size of the volume; default "10Gi"
	StorageClass string `yaml:"storageClass,omitempty" json:"storageClass,omitempty"` // empty for the cluster's default
	Memory       string `yaml:"memory" json:"memory"`                                 // request and limit; default "512Mi"
}

// ExternalDatabase is a MySQL or MariaDB server that somebody else runs. The
// site finds it in the same files as one of its own.
type ExternalDatabase struct {
	Host   string `yaml:"host" json:"host"`     // name or IP address
	Port   int32  `yaml:"port" json:"port"`     // default 3306
	Name   string `yaml:"name" json:"name"`     // of the database
	Secret string `yaml:"secret" json:"secret"` // an existing Secret with the keys user and password
}

// Cache is the site's object cache; exactly one of its fields is set.
type Cache struct {
	Memcached *Memcached `yaml:"memcached,omitempty" json:"memcached,omitempty"`
	Redis     *Redis     `yaml:"redis,omitempty" json:"redis,omitempty"`
}

// Memcached servers are addressed one by one: memcache-0.memcache, …
type Memcached struct {
	Image    string `yaml:"image" json:"image"`       // default "memcached:1.6"
	Replicas int32  `yaml:"replicas" json:"replicas"` // default 1
	Memory   string `yaml:"memory" json:"memory"`     // item memory of each server; default "64Mi"
}

// Redis is a single server that keeps nothing on disk: redis:6379.
type Redis struct {
	Image  string `yaml:"image" json:"image"`   // default "redis:8.0"
	Memory string `yaml:"memory" json:"memory"` // of all keys and values, the least recently used of which have to go; default "64Mi"
}

// Files is where uploads live; exactly one of its fields is set.
type Files struct {
	Volume *FilesVolume `yaml:"volume,omitempty" json:"volume,omitempty"`
	S3     *FilesS3     `yaml:"s3,omitempty" json:"s3,omitempty"`
}

// FilesS3 is a bucket of an S3-compatible store, in which the site's own code
// puts the uploads. It finds all this in files, /config/s3/<key>.
type FilesS3 struct {
	Bucket   string `yaml:"bucket" json:"bucket"`
	Endpoint string `yaml:"endpoint" json:"endpoint"` // URL
	Region   string `yaml:"region" json:"region"`     // default "us-east-1"
	Secret   string `yaml:"secret" json:"secret"`     // an existing Secret, mounted at /secrets/<name>/<key>
}

// FilesVolume is a PersistentVolumeClaim mounted into the site's tree.
type FilesVolume struct {
	Path string `yaml:"path" json:"path"` // mount point, relative to the repository
	// Also are further mount points. Each shows a folder of its own of the
	// volume: .sitectl/<mount point>.
	Also         []string `yaml:"also,omitempty" json:"also,omitempty"`
	Size         string   `yaml:"size" json:"size"`                                     // default "10Gi"
	AccessMode   string   `yaml:"accessMode" json:"accessMode"`                         // ReadWriteMany (default) or ReadWriteOnce
	StorageClass string   `yaml:"storageClass,omitempty" json:"storageClass,omitempty"` // empty for the cluster's default
}

// Migrate is the Job that runs from the new image, once for each ship.
type Migrate struct {
	Order   MigrateOrder `yaml:"order" json:"order"`     // default before
	Timeout Duration     `yaml:"timeout" json:"timeout"` // for all steps together; default 10m
	// CronWait is how long the migration waits for Jobs of CronJobs that are
	// running; default 10m. The CronJobs are suspended meanwhile.
	CronWait Duration      `yaml:"cronWait" json:"cronWait"`
	Backup   *Backup       `yaml:"backup,omitempty" json:"backup,omitempty"` // nil for none
	Steps    []MigrateStep `yaml:"steps" json:"steps"`
	// Reversible says that the release before runs on what the migration
	// leaves, so that the site may be put back after it; default false.
	Reversible bool `yaml:"reversible" json:"reversible"`
}

// Backup is a dump of the site's own database that is made before each
// migration, and verified.
type Backup struct {
	To           string   `yaml:"to" json:"to"`                                         // "volume" (default): a volume for nothing else
	Keep         int32    `yaml:"keep" json:"keep"`                                     // how many dumps stay; default 3
	Size         string   `yaml:"size" json:"size"`                                     // of the volume; default "10Gi"
	StorageClass string   `yaml:"storageClass,omitempty" json:"storageClass,omitempty"` // empty for the cluster's default
	Timeout      Duration `yaml:"timeout" json:"timeout"`                               // for one dump; default 30m
}

// MigrateOrder places the migration before or after the rollout.
type MigrateOrder string

// The places of the migration.
const (
	MigrateBefore MigrateOrder = "before"
	MigrateAfter  MigrateOrder = "after"
)

// MigrateStep is one command of the migration; the next one runs only if it
// exits with status 0.
type MigrateStep struct {
	Name    string   `yaml:"name" json:"name"` // a DNS label: the container is called so
	Command []string `yaml:"command" json:"command"`
}

// Cron is a CronJob that runs a command from the site's image.
type Cron struct {
	Name     string   `yaml:"name" json:"name"`                             // a DNS label of at most 52 characters: the CronJob is called so
	Schedule string   `yaml:"schedule" json:"schedule"`                     // as written; see ResolvedSchedule
	TimeZone string   `yaml:"timeZone,omitempty" json:"timeZone,omitempty"` // IANA name; empty for the cluster's
	Command  []string `yaml:"command" json:"command"`
	Timeout  Duration `yaml:"timeout" json:"timeout"` // default 1h
}

// Deploy has a release set into a namespace that somebody else has laid out,
// by Helm, by Ansible or by hand. Nothing is rendered there: the objects that
// it names get the image, and the Deployments the rollout strategy.
type Deploy struct {
	Mode        DeployMode `yaml:"mode" json:"mode"`                             // always patch
	Deployments []string   `yaml:"deployments" json:"deployments"`               // that run the site's image, "web" among them; default [web]
	CronJobs    []string   `yaml:"cronJobs,omitempty" json:"cronJobs,omitempty"` // that run it, too
	// Container is the one that runs the site's image; default "web". In a
	// pod with only one container, that is it, whatever it is called.
	Container string `yaml:"container" json:"container"`
}

// DeployMode is how a release gets into its namespace.
type DeployMode string

// DeployPatch changes what is there.
const DeployPatch DeployMode = "patch"

// Ingress is how the site is reached from outside: through an Ingress or, if
// Gateway is set, an HTTPRoute. What only some controllers can do is done in
// the site's own pods, by Apache, so that it is the same behind each of them.
// An image that is built by the site's own Dockerfile has to include
// /config/apache/*.conf for it.
type Ingress struct {
	Class   string   `yaml:"class,omitempty" json:"class,omitempty"` // empty for the cluster's default
	Gateway *Gateway `yaml:"gateway,omitempty" json:"gateway,omitempty"`
	// Hosts is never empty and its first item has no wildcard. Default:
	// Address; "<environment>.<address>" if there is an environment other
	// than "production".
	Hosts     []string   `yaml:"hosts" json:"hosts"`
	Paths     []string   `yaml:"paths" json:"paths"`                             // prefixes that lead to the site at each host; default "/"
	Redirects []Redirect `yaml:"redirects,omitempty" json:"redirects,omitempty"` // of further hosts
	TLS       *TLS       `yaml:"tls,omitempty" json:"tls,omitempty"`             // nil for plain HTTP
	HSTS      *HSTS      `yaml:"hsts,omitempty" json:"hsts,omitempty"`
	// BasicAuth names a Secret with the key "htpasswd", a file of users and
	// passwords as Apache reads it; empty for a site that anybody may see.
	BasicAuth string `yaml:"basicAuth,omitempty" json:"basicAuth,omitempty"`
	// Noindex asks search engines to leave the site out. Default: true in
	// every environment but "production".
	Noindex bool `yaml:"noindex" json:"noindex"`
	// UploadSize is the largest file that can be uploaded, a Kubernetes
	// quantity; empty for what PHP is configured to take (build.php.ini).
	UploadSize string   `yaml:"uploadSize,omitempty" json:"uploadSize,omitempty"`
	Timeout    Duration `yaml:"timeout" json:"timeout"` // how long the site may take for an answer; default 5m
	// Annotations are further ones for the controller.
	Annotations map[string]string `yaml:"annotations,omitempty" json:"annotations,omitempty"`
}

// Gateway is the one that an HTTPRoute is attached to.
type Gateway struct {
	Name      string `yaml:"name" json:"name"`
	Namespace string `yaml:"namespace,omitempty" json:"namespace,omitempty"` // empty for the site's own
	Section   string `yaml:"section,omitempty" json:"section,omitempty"`     // name of a listener; empty for all that admit the hosts
}

// Redirect sends the visitors of one host to the same page of another.
type Redirect struct {
	From   string `yaml:"from" json:"from"`     // a host that is none of Hosts
	To     string `yaml:"to" json:"to"`         // a host
	Status int    `yaml:"status" json:"status"` // 301 (default), 302, 307 or 308
}

// TLS says that visitors use HTTPS. The certificate is that of cert-manager,
// one in a Secret, or, with neither, what the controller or the Gateway has.
type TLS struct {
	Issuer   string `yaml:"issuer,omitempty" json:"issuer,omitempty"` // name of a ClusterIssuer of cert-manager
	Secret   string `yaml:"secret,omitempty" json:"secret,omitempty"` // name of an existing Secret of the type kubernetes.io/tls
	Redirect bool   `yaml:"redirect" json:"redirect"`                 // send plain HTTP to HTTPS; default true
}

// HSTS has browsers use HTTPS only (RFC 6797).
type HSTS struct {
	MaxAge     Duration `yaml:"maxAge" json:"maxAge"`         // default 8760h, a year
	Subdomains bool     `yaml:"subdomains" json:"subdomains"` // and for every host below
	Preload    bool     `yaml:"preload" json:"preload"`       // consent to the lists that browsers bring along (hstspreload.org)
}

// Isolation says from where the site's pods can be reached. Those of the site
// reach each other, and nobody else reaches the database and the cache. With
// neither namespaces nor networks the web pods can be reached from
// everywhere: an ingress controller in the host's network has the addresses of
// the nodes, which no policy knows by name.
type Isolation struct {
	Namespaces []string `yaml:"namespaces,omitempty" json:"namespaces,omitempty"` // whose pods reach web: that of the ingress controller
	Networks   []string `yaml:"networks,omitempty" json:"networks,omitempty"`     // that reach web, in CIDR notation
}

// Folders inside the site's image and pods.
const (
	CodeDir    = "/var/www/site" // the commit's tree
	SecretsDir = "/secrets"      // /secrets/<name>/<key>, one value a file
	ConfigDir  = "/config"       // /config/<name>/<key>
)

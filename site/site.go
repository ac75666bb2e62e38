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
	PHP         Preset = "php"
	WordPress   Preset = "wordpress"
	Drupal      Preset = "drupal"
	MediaWiki   Preset = "mediawiki"
	CodeIgniter Preset = "codeigniter"
	Grav        Preset = "grav"
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
	Environment string `yaml:"environment,omitempty" json:"environment,omitempty"` // name of the environment it was resolved for, in a file without environments: as `sitectl config` prints it
	Context     string `yaml:"context,omitempty" json:"context,omitempty"`         // kubeconfig context; without it the current one
	// Namespace is where the site lives in the cluster. Default: [Site.Address]
	// with dots as dashes, and "-<environment>" unless there is none or it is
	// "production".
	Namespace string `yaml:"namespace" json:"namespace"`
	Image     string `yaml:"image" json:"image"`   // repository with its registry, without tag or digest: the tag is the commit
	Preset    Preset `yaml:"preset" json:"preset"` // defaults for this kind of site; default: php

	Build    Build     `yaml:"build" json:"build"`
	Web      Web       `yaml:"web" json:"web"`
	Database *Database `yaml:"database,omitempty" json:"database,omitempty"`
	Cache    *Cache    `yaml:"cache,omitempty" json:"cache,omitempty"`
	Files    *Files    `yaml:"files,omitempty" json:"files,omitempty"`
	// Writable are folders, relative to the repository, that each pod can
	// write to: empty when it starts, and gone when it ends.
	Writable []string `yaml:"writable,omitempty" json:"writable,omitempty"`
	Secrets  []Secret `yaml:"secrets,omitempty" json:"secrets,omitempty"` // existing Secrets of the namespace that the site reads as files; the name alone will do
	Migrate  *Migrate `yaml:"migrate,omitempty" json:"migrate,omitempty"`
	Cron     []Cron   `yaml:"cron,omitempty" json:"cron,omitempty"` // CronJobs that run a command from the site's image
	Ingress  *Ingress `yaml:"ingress,omitempty" json:"ingress,omitempty"`
	// Without it sitectl lays out the namespace.
	Deploy *Deploy `yaml:"deploy,omitempty" json:"deploy,omitempty"`
	// Without it the site has no network policies.
	Isolation *Isolation `yaml:"isolation,omitempty" json:"isolation,omitempty"`
	Notify    []Notify   `yaml:"notify,omitempty" json:"notify,omitempty"` // who is told of a ship
}

// Secret is an existing Secret whose values the site reads as files,
// /secrets/<name>/<key>. In the site file its name alone will do.
type Secret struct {
	Name string `yaml:"name" json:"name"` // name of the Secret
	// For names those that read it: web, migrate, cron. Nobody else has the
	// files. Default: all three.
	For []string `yaml:"for,omitempty" json:"for,omitempty"`
}

// Build says how the code becomes an image. It cannot differ between
// environments: one commit is one image.
type Build struct {
	Base     string `yaml:"base" json:"base"`         // Debian slim image the runtime is built on; default "debian:trixie-slim"
	Platform string `yaml:"platform" json:"platform"` // operating system and architecture; default "linux/amd64"
	// Runtime is the repository of the runtime images, without tag or digest.
	// Sites that name the same one share them. Default: "runtime" next to
	// [Site.Image], for example "registry.example.com/agency/runtime".
	Runtime    string            `yaml:"runtime" json:"runtime"`
	Docroot    string            `yaml:"docroot" json:"docroot"`                       // folder served by Apache, relative to the repository; default "."
	Fallback   string            `yaml:"fallback,omitempty" json:"fallback,omitempty"` // path below the docroot that answers for every path without a file, for example "/index.php"; without it the status is 404
	PHP        BuildPHP          `yaml:"php" json:"php"`
	Composer   *Composer         `yaml:"composer,omitempty" json:"composer,omitempty"`     // without it Composer does not run
	Frontend   *Frontend         `yaml:"frontend,omitempty" json:"frontend,omitempty"`     // without it npm does not run
	Dockerfile string            `yaml:"dockerfile,omitempty" json:"dockerfile,omitempty"` // the site's own Dockerfile instead of the generated one, relative to the repository
	Args       map[string]string `yaml:"args,omitempty" json:"args,omitempty"`             // build arguments of the site's own Dockerfile; never secrets
	Audit      *Audit            `yaml:"audit,omitempty" json:"audit,omitempty"`
}

// BuildPHP configures PHP in the image.
type BuildPHP struct {
	// Extensions are named as in Debian without "php-", or by PHP: gd, intl,
	// mysql or pdo_mysql, apcu. Which there are, and which version of PHP,
	// depends on the release of Debian that [Build.Base] is. Default: those of the
	// preset, then mysql, memcached and redis if any environment has such a
	// database or cache.
	Extensions []string          `yaml:"extensions,omitempty" json:"extensions,omitempty"`
	Ini        map[string]string `yaml:"ini,omitempty" json:"ini,omitempty"` // values of php.ini
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
	Script string `yaml:"script" json:"script"`                     // script of package.json that npm runs; default "build"
	Output string `yaml:"output,omitempty" json:"output,omitempty"` // folder that the script fills, relative to [Frontend.Dir]; without it, all that the script adds or changes outside of node_modules
	// Include names the files and folders of the repository that the script
	// reads besides package.json, package-lock.json and .npmrc. Whenever one
	// of them changes, the script runs again. Default: [Frontend.Dir].
	Include []string `yaml:"include,omitempty" json:"include,omitempty"`
}

// Audit is what the check of a pushed image lets pass.
type Audit struct {
	Allow []AuditException `yaml:"allow,omitempty" json:"allow,omitempty"` // exceptions, each with its reason
}

// AuditException lets single files of an image break a rule.
type AuditException struct {
	Rule   string `yaml:"rule" json:"rule"`     // the rule as a finding names it, for example "private-key"
	Path   string `yaml:"path" json:"path"`     // path in the image, absolute; "*" matches within a folder, "**" across folders
	Reason string `yaml:"reason" json:"reason"` // why it is right all the same
}

// Web is the Deployment that serves the site.
type Web struct {
	Replicas  int32      `yaml:"replicas" json:"replicas"`                       // number of pods; means nothing with [Web.Autoscale]; default 2
	Autoscale *Autoscale `yaml:"autoscale,omitempty" json:"autoscale,omitempty"` // without it there are always as many pods as [Web.Replicas] says
	// HoldDrains holds up the drain of a node that has the site's only pod,
	// which would interrupt the site, until somebody has it replaced (kubectl
	// rollout restart deployment/web): the next pod starts elsewhere before it
	// goes. An upgrade of the cluster waits as well. Default false. A site of
	// several pods is never interrupted, and holds up no drain.
	HoldDrains bool      `yaml:"holdDrains,omitempty" json:"holdDrains,omitempty"`
	Resources  Resources `yaml:"resources" json:"resources"`
	Varnish    *Varnish  `yaml:"varnish,omitempty" json:"varnish,omitempty"` // without it Apache answers alone
	Rollout    Rollout   `yaml:"rollout" json:"rollout"`
	Health     Health    `yaml:"health" json:"health"`
	Verify     Verify    `yaml:"verify" json:"verify"`
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
	Min int32 `yaml:"min" json:"min"` // least number of pods; default 2
	Max int32 `yaml:"max" json:"max"` // greatest number of pods
	// CPU is what the Apache containers use on average, in percent of their
	// request, above which there are more pods; default 80.
	CPU int32 `yaml:"cpu" json:"cpu"`
}

// Resources are the requests and limits of the Apache container, as
// Kubernetes quantities. There is no CPU limit: throttling a web server makes
// every request slow to save nothing.
type Resources struct {
	CPU    string `yaml:"cpu" json:"cpu"`       // request, in CPUs; default "50m"
	Memory string `yaml:"memory" json:"memory"` // request and limit; default "512Mi"
}

// Varnish is the cache in front of Apache, in the same pod.
type Varnish struct {
	Image  string `yaml:"image" json:"image"`   // image with Varnish; default "varnish:7.7"
	Memory string `yaml:"memory" json:"memory"` // size of the cache, a Kubernetes quantity; default "128Mi"
}

// Rollout says how the web pods are replaced.
type Rollout struct {
	MaxSurge         int32    `yaml:"maxSurge" json:"maxSurge"`                 // how many pods there may be above the wanted number; default 1
	MaxUnavailable   int32    `yaml:"maxUnavailable" json:"maxUnavailable"`     // how many pods may be missing from the wanted number; default 0
	MinReadySeconds  int32    `yaml:"minReadySeconds" json:"minReadySeconds"`   // how many seconds a new pod has to stay ready before an old one goes; default 5
	ProgressDeadline Duration `yaml:"progressDeadline" json:"progressDeadline"` // how long it may take until the next pod is ready, before the rollout has failed; default 5m
	// DrainDelay is how long a pod that is about to stop goes on serving
	// until every ingress and node has heard that it is going; default 10s.
	DrainDelay Duration `yaml:"drainDelay" json:"drainDelay"`
	// DrainTimeout is how long requests under way may take to finish after
	// [Rollout.DrainDelay]; default 30s.
	DrainTimeout Duration `yaml:"drainTimeout" json:"drainTimeout"`
	// Steps are taken one by one: a few new pods serve beside all the old ones
	// first. When they have answered as [Web.Verify] says, the next step comes,
	// and then the rest.
	Steps []RolloutStep `yaml:"steps,omitempty" json:"steps,omitempty"`
}

// RolloutStep is one step on the way to a whole release.
type RolloutStep struct {
	Pods int32 `yaml:"pods" json:"pods"` // number of new pods; more than in the step before
}

// Health is what the readiness and startup probes ask for.
type Health struct {
	Path string `yaml:"path" json:"path"` // path that answers with a status from 200 to 399 when the pod can serve; the default is answered by PHP without the site's code; default "/.sitectl/health"
}

// Verify is the request made through the Service after a rollout.
type Verify struct {
	Path     string `yaml:"path" json:"path"`                             // path of the page; default "/"
	Status   int    `yaml:"status" json:"status"`                         // HTTP status of the answer; default 200
	Contains string `yaml:"contains,omitempty" json:"contains,omitempty"` // text that the body must contain; without it any body will do
}

// Database is the site's database; exactly one of its keys is set.
type Database struct {
	MariaDB  *MariaDB          `yaml:"mariadb,omitempty" json:"mariadb,omitempty"`
	External *ExternalDatabase `yaml:"external,omitempty" json:"external,omitempty"`
}

// MariaDB is a database of the site's own: one replica, one volume.
type MariaDB struct {
	Image        string `yaml:"image" json:"image"`                                   // image with MariaDB; default "mariadb:11.8"
	Storage      string `yaml:"storage" json:"storage"`                               // size of the volume; default "10Gi"
	StorageClass string `yaml:"storageClass,omitempty" json:"storageClass,omitempty"` // name of a StorageClass; without it the cluster's default
	Memory       string `yaml:"memory" json:"memory"`                                 // request and limit; default "512Mi"
}

// ExternalDatabase is a MySQL or MariaDB server that somebody else runs. The
// site finds it in the same files as one of its own; in patch mode ([Deploy])
// it is only backed up.
type ExternalDatabase struct {
	Host string `yaml:"host" json:"host"` // name or IP address
	Port int32  `yaml:"port" json:"port"` // TCP port; default 3306
	Name string `yaml:"name" json:"name"` // name of the database
	// Secret is an existing Secret with the keys user and password. If it has the
	// key ca.crt, too, backups are made only over TLS, and from a server whose
	// certificate is of one of those authorities (PEM).
	Secret string `yaml:"secret" json:"secret"`
	// Image has bash, gzip and the programs for backups: mariadb and
	// mariadb-dump or, for a server of MySQL, mysql and mysqldump, as "mysql:8.4"
	// has them; default "mariadb:11.8".
	Image string `yaml:"image" json:"image"`
}

// Cache is the site's object cache; exactly one of its keys is set.
type Cache struct {
	Memcached *Memcached `yaml:"memcached,omitempty" json:"memcached,omitempty"`
	Redis     *Redis     `yaml:"redis,omitempty" json:"redis,omitempty"`
}

// Memcached is a number of servers that are addressed one by one, as
// memcache-0.memcache and so on.
type Memcached struct {
	Image    string `yaml:"image" json:"image"`       // image with memcached; default "memcached:1.6"
	Replicas int32  `yaml:"replicas" json:"replicas"` // number of servers; default 1
	Memory   string `yaml:"memory" json:"memory"`     // item memory of each server; default "64Mi"
}

// Redis is a single server that keeps nothing on disk: redis:6379.
type Redis struct {
	Image  string `yaml:"image" json:"image"`   // image with Redis; default "redis:8.0"
	Memory string `yaml:"memory" json:"memory"` // size of all keys and values; if there is no room, the least recently used go; default "64Mi"
}

// Files is where uploads live; exactly one of its keys is set.
type Files struct {
	Volume *FilesVolume `yaml:"volume,omitempty" json:"volume,omitempty"`
	S3     *FilesS3     `yaml:"s3,omitempty" json:"s3,omitempty"`
}

// FilesS3 is a bucket of an S3-compatible store, in which the site's own code
// puts the uploads. It finds all this in files, /config/s3/<key>.
type FilesS3 struct {
	Bucket   string `yaml:"bucket" json:"bucket"`     // name of the bucket
	Endpoint string `yaml:"endpoint" json:"endpoint"` // URL of the store, without a path
	Region   string `yaml:"region" json:"region"`     // name of the region; default "us-east-1"
	Secret   string `yaml:"secret" json:"secret"`     // an existing Secret, mounted at /secrets/<name>/<key>
}

// FilesVolume is a PersistentVolumeClaim mounted into the site's tree.
type FilesVolume struct {
	Path string `yaml:"path" json:"path"` // mount point, relative to the repository
	// Also are further mount points. Each shows a folder of its own of the
	// volume: .sitectl/<mount point>.
	Also         []string `yaml:"also,omitempty" json:"also,omitempty"`
	Size         string   `yaml:"size" json:"size"`                                     // size of the volume; default "10Gi"
	AccessMode   string   `yaml:"accessMode" json:"accessMode"`                         // ReadWriteMany, or ReadWriteOnce for a site of one pod; default "ReadWriteMany"
	StorageClass string   `yaml:"storageClass,omitempty" json:"storageClass,omitempty"` // name of a StorageClass; without it the cluster's default
}

// Migrate is the Job that runs from the new image, once for each ship.
type Migrate struct {
	Order   MigrateOrder `yaml:"order" json:"order"`     // before or after the rollout; default before
	Timeout Duration     `yaml:"timeout" json:"timeout"` // how long all steps may take together; default 10m
	// CronWait is how long the migration waits for Jobs of CronJobs that are
	// running. The CronJobs are suspended meanwhile. Default 10m.
	CronWait Duration      `yaml:"cronWait" json:"cronWait"`
	Backup   *Backup       `yaml:"backup,omitempty" json:"backup,omitempty"` // without it no dump is made
	Steps    []MigrateStep `yaml:"steps" json:"steps"`                       // commands, one after the other; the next one runs only if this one exits with status 0
	// Reversible says that the release before runs on what the migration
	// leaves, so that the site may be put back after it; default false.
	Reversible bool `yaml:"reversible" json:"reversible"`
}

// Backup is a dump of the site's database that is made before each migration,
// and verified.
type Backup struct {
	// To is where the dumps are: on a volume for nothing else, or in a bucket;
	// default "s3" if there is one, otherwise "volume".
	To           string    `yaml:"to" json:"to"`
	Keep         int32     `yaml:"keep" json:"keep"`                                     // how many dumps stay; default 3
	Size         string    `yaml:"size" json:"size"`                                     // size of the volume; default "10Gi"
	StorageClass string    `yaml:"storageClass,omitempty" json:"storageClass,omitempty"` // name of a StorageClass; without it the cluster's default
	Timeout      Duration  `yaml:"timeout" json:"timeout"`                               // how long one dump may take; default 30m
	S3           *BackupS3 `yaml:"s3,omitempty" json:"s3,omitempty"`                     // the bucket for the dumps; without it a volume
}

// BackupS3 is a bucket of an S3-compatible store, in which the dumps are below
// the name of the site's namespace. Endpoint, Region and Secret are those of
// Files.S3 unless they are set. The bucket is not: that of the uploads may be
// open to everybody.
type BackupS3 struct {
	Bucket   string `yaml:"bucket" json:"bucket"`     // name of the bucket
	Endpoint string `yaml:"endpoint" json:"endpoint"` // URL of the store; default that of files.s3
	Region   string `yaml:"region" json:"region"`     // region of the store; default that of files.s3, otherwise "us-east-1"
	// Secret is an existing one with the keys access-key-id and
	// secret-access-key; default that of files.s3. If it has the key ca.crt,
	// too, the certificate of the store must be of one of those authorities
	// (PEM).
	Secret string `yaml:"secret" json:"secret"`
	// Image has in its PATH a statically linked rclone, which reads and
	// writes the bucket; default "rclone/rclone:1.76".
	Image string `yaml:"image" json:"image"`
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
	Name    string   `yaml:"name" json:"name"`       // a DNS label: the container is called so
	Command []string `yaml:"command" json:"command"` // program and arguments; a shell only where one is written: [sh, -c, …]
}

// Cron is a CronJob that runs a command from the site's image.
type Cron struct {
	Name     string   `yaml:"name" json:"name"`                             // a DNS label of at most 52 characters: the CronJob is called so
	Schedule string   `yaml:"schedule" json:"schedule"`                     // when it runs, in five fields; H stands for a minute or an hour of this site's own: "H * * * *", "M H(2-4) * * *"
	TimeZone string   `yaml:"timeZone,omitempty" json:"timeZone,omitempty"` // IANA name, for example "Europe/Berlin"; without it the cluster's
	Command  []string `yaml:"command" json:"command"`                       // program and arguments; a shell only where one is written: [sh, -c, …]
	Timeout  Duration `yaml:"timeout" json:"timeout"`                       // how long it may run; default 1h
}

// Deploy has a release set into a namespace that somebody else has laid out,
// by Helm, by Ansible or by hand. Nothing is rendered there but what a backup
// needs: the objects that it names get the image, and the Deployments the
// rollout strategy.
type Deploy struct {
	Mode        DeployMode `yaml:"mode" json:"mode"`                             // how a release gets into its namespace: always patch; default patch
	Deployments []string   `yaml:"deployments" json:"deployments"`               // names of the Deployments that run the site's image, "web" among them; default: [web]
	CronJobs    []string   `yaml:"cronJobs,omitempty" json:"cronJobs,omitempty"` // names of the CronJobs that run it, too
	// Container is the one that runs the site's image. In a pod with only one
	// container, that is it, whatever it is called. Default "web".
	Container string `yaml:"container" json:"container"`
}

// DeployMode is how a release gets into its namespace.
type DeployMode string

// DeployPatch changes what is there.
const DeployPatch DeployMode = "patch"

// Ingress is how the site is reached from outside: through an Ingress or, if
// [Ingress.Gateway] is set, an HTTPRoute. What only some controllers can do is done in
// the site's own pods, by Apache, so that it is the same behind each of them.
// An image that is built by the site's own Dockerfile has to include
// /config/apache/*.conf for it.
type Ingress struct {
	Class   string   `yaml:"class,omitempty" json:"class,omitempty"`     // name of an IngressClass; without it the cluster's default
	Gateway *Gateway `yaml:"gateway,omitempty" json:"gateway,omitempty"` // without it there is an Ingress
	// Hosts are the site's host names, at least one; the first has no wildcard. Default:
	// [Site.Address]; "<environment>.<address>" if there is an environment
	// other than "production".
	Hosts     []string   `yaml:"hosts" json:"hosts"`
	Paths     []string   `yaml:"paths" json:"paths"`                             // prefixes that lead to the site at each host; default: [/]
	Redirects []Redirect `yaml:"redirects,omitempty" json:"redirects,omitempty"` // further hosts, whose visitors are sent elsewhere
	TLS       *TLS       `yaml:"tls,omitempty" json:"tls,omitempty"`             // without it the site is served over plain HTTP
	HSTS      *HSTS      `yaml:"hsts,omitempty" json:"hsts,omitempty"`
	// BasicAuth names a Secret with the key "htpasswd", a file of users and
	// passwords as Apache reads it; without it anybody may see the site.
	BasicAuth string `yaml:"basicAuth,omitempty" json:"basicAuth,omitempty"`
	// Noindex asks search engines to leave the site out. Default: true in
	// every environment but "production".
	Noindex bool `yaml:"noindex" json:"noindex"`
	// UploadSize is the largest file that can be uploaded, a Kubernetes
	// quantity; without it what PHP is configured to take ([BuildPHP.Ini]).
	UploadSize string   `yaml:"uploadSize,omitempty" json:"uploadSize,omitempty"`
	Timeout    Duration `yaml:"timeout" json:"timeout"` // how long the site may take for an answer; default 5m
	// Annotations are further ones of the Ingress or HTTPRoute, for its controller.
	Annotations map[string]string `yaml:"annotations,omitempty" json:"annotations,omitempty"`
}

// Gateway is the one that an HTTPRoute is attached to.
type Gateway struct {
	Name      string `yaml:"name" json:"name"`                               // name of the Gateway
	Namespace string `yaml:"namespace,omitempty" json:"namespace,omitempty"` // namespace of the Gateway; without it the site's own
	Section   string `yaml:"section,omitempty" json:"section,omitempty"`     // name of a listener; without it all that admit the hosts
}

// Redirect sends the visitors of one host to the same page of another.
type Redirect struct {
	From   string `yaml:"from" json:"from"`     // a host that is none of [Ingress.Hosts]
	To     string `yaml:"to" json:"to"`         // a host
	Status int    `yaml:"status" json:"status"` // HTTP status: 301, 302, 307 or 308; default 301
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
	MaxAge     Duration `yaml:"maxAge" json:"maxAge"`         // how long browsers remember it; default 8760h, a year
	Subdomains bool     `yaml:"subdomains" json:"subdomains"` // also for every host below; default false
	Preload    bool     `yaml:"preload" json:"preload"`       // consent to the lists that browsers bring along (hstspreload.org); default false
}

// Isolation says from where the site's pods can be reached. Those of the site
// reach each other, and nobody else reaches the database and the cache. With
// neither namespaces nor networks the web pods can be reached from
// everywhere: an ingress controller in the host's network has the addresses of
// the nodes, which no policy knows by name.
type Isolation struct {
	Namespaces []string `yaml:"namespaces,omitempty" json:"namespaces,omitempty"` // namespaces whose pods reach web: that of the ingress controller
	Networks   []string `yaml:"networks,omitempty" json:"networks,omitempty"`     // networks that reach web, in CIDR notation
}

// Notify is a chat, or a program, that is told what becomes of a ship. That it
// cannot be told never fails one.
type Notify struct {
	Type NotifyType `yaml:"type" json:"type"` // slack, mattermost, teams or webhook
	// URLFrom says where the address of the webhook is. Whoever knows that can
	// write there, so that the site file does not hold it.
	URLFrom URLFrom `yaml:"urlFrom" json:"urlFrom"`
	// On are the events that are told: started, shipped, failed, rolled back.
	// Default: all but started.
	On []NotifyEvent `yaml:"on,omitempty" json:"on,omitempty"`
	// Template is a file of the commit that the message is made with instead
	// of sitectl's own, for example ".sitectl/notify/slack.json.mustache".
	Template string `yaml:"template,omitempty" json:"template,omitempty"`
}

// URLFrom is where an address is that nobody may read; exactly one of its
// fields is set.
type URLFrom struct {
	Env  string `yaml:"env,omitempty" json:"env,omitempty"`   // name of an environment variable, for example "SLACK_WEBHOOK"
	File string `yaml:"file,omitempty" json:"file,omitempty"` // path of a file, relative to where sitectl runs
}

// NotifyType is what a webhook takes.
type NotifyType string

// The types of webhooks.
const (
	Slack      NotifyType = "slack"      // an incoming webhook of Slack
	Mattermost NotifyType = "mattermost" // an incoming webhook of Mattermost
	Teams      NotifyType = "teams"      // a workflow of Microsoft Teams that posts an adaptive card
	Webhook    NotifyType = "webhook"    // anything that takes a JSON document
)

// NotifyEvent is what somebody can be told of.
type NotifyEvent string

// The events.
const (
	Started    NotifyEvent = "started"     // all is checked, and there is something to do
	Shipped    NotifyEvent = "shipped"     // it is the running site
	Failed     NotifyEvent = "failed"      // or it was cancelled, or killed
	RolledBack NotifyEvent = "rolled back" // by a person, or by a ship that has failed
)

// Folders inside the site's image and pods.
const (
	CodeDir    = "/var/www/site" // the commit's tree
	SecretsDir = "/secrets"      // /secrets/<name>/<key>, one value a file
	ConfigDir  = "/config"       // /config/<name>/<key>
)

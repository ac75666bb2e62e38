package deployer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sitectl/sitectl/site"
	"github.com/sitectl/sitectl/templates"
)

// view is what the templates render: plain strings and numbers. A pointer
// that is nil leaves out what it stands for.
type view struct {
	templates templates.Own // of the site

	Namespace      string
	Address        string
	Host           string // first ingress host
	Hosts          string // every ingress host, one a line
	URL            string
	Environment    string
	Tag            string
	Image          string // reference by tag and digest
	ChangeCause    string
	ConfigChecksum string
	Apache         string // configuration
	// SecretsChecksum is that of the site's own Secrets; empty while they are
	// not known.
	SecretsChecksum string
	Secrets         []secretView
	ServicePort     int32
	Web             webView
	Autoscale       *autoscaleView
	Disruptions     *disruptionsView
	Varnish         *varnishView
	MySQL           *mysqlView
	External        *externalView
	Memcache        *memcacheView
	Redis           *redisView
	Store           *storeView
	Files           *filesView
	Writable        *writableView
	Ingress         *ingressView
	Isolation       *isolationView
	TLS             bool // cert-manager gets a certificate
	Migrate         *migrateView
	Backup          *backupView
}

// own are the templates of the site that a view is rendered with.
func (v view) own() templates.Own { return v.templates }

// secretView is a Secret mounted as files into the site's containers.
type secretView struct {
	Name    string
	Volume  string
	Path    string
	readers []string // "web", "migrate", "cron"
}

type webView struct {
	Replicas                int32
	CPU                     string
	Memory                  string
	PortName                string
	HealthPath              string
	MaxSurge                int32
	MaxUnavailable          int32
	MinReadySeconds         int32
	ProgressDeadlineSeconds int64
	DrainDelaySeconds       int64
	DrainTimeoutSeconds     int64
	HasShell                bool // the image is made by sitectl
	GracePeriodSeconds      int64
}

type autoscaleView struct {
	Min     int32
	Max     int32
	Percent int32 // of the requested CPU
}

type varnishView struct {
	Image   string
	Storage string
	Limit   string
	VCL     string
}

type mysqlView struct {
	Image        string
	Memory       string
	Storage      string
	StorageClass string
	BufferPool   string
}

// externalView is a database outside: where it is from the site file, the
// login from a Secret.
type externalView struct {
	Secret   string
	Hostname string
	Port     string
	Database string
}

type memcacheView struct {
	Image     string
	Replicas  int32
	Megabytes string
	Limit     string
	Servers   string
}

type redisView struct {
	Image  string
	Bytes  string
	Limit  string
	Server string
}

type storeView struct {
	Bucket   string
	Endpoint string
	Region   string
}

type filesView struct {
	Mounts       []mountView
	Size         string
	AccessMode   string
	StorageClass string
}

// writableView is the volume that each pod has for itself.
type writableView struct {
	Mounts []mountView
}

// mountView is a folder of a volume at a place of the site's code.
type mountView struct {
	Path    string
	SubPath string // empty for the whole volume
}

type isolationView struct {
	Everywhere bool // from where web can be reached
	Namespaces []string
	Networks   []string
}

type migrateView struct {
	Name           string
	TimeoutSeconds int64
	Several        bool
	First          []stepView
	Last           stepView
}

type stepView struct {
	Name    string
	Command []string
}

// disruptionsView is the budget for disruptions of the web pods.
type disruptionsView struct {
	Most int32 // that are missing at a time
}

// backupView is where the dumps of the database are: a volume, unless there
// is a bucket.
type backupView struct {
	Image          string // with programs that dump the database and read it back
	Size           string
	StorageClass   string
	TimeoutSeconds int64
	Bucket         *bucketView
}

type bucketView struct {
	Image    string // with rclone
	Bucket   string
	Endpoint string
	Region   string
	Secret   string
}

// backupJobView is the view of a Job that makes a dump or reads one back.
type backupJobView struct {
	view
	Job backupJob
}

type backupJob struct {
	Name      string
	Of        string // backup or restore
	Script    string
	Arguments []string
}

// cronView is the view of one CronJob.
type cronView struct {
	view
	Cron cronJobView
}

type cronJobView struct {
	Name           string
	Schedule       string
	TimeZone       string
	Command        []string
	TimeoutSeconds int64
}

func newView(s site.Site, image site.Image) (view, error) { return newOwnView(s, image, nil) }

// newOwnView is the view of a site that has templates of its own.
func newOwnView(s site.Site, image site.Image, own templates.Own) (view, error) {
	v := view{
		templates:   own,
		Namespace:   s.Namespace,
		Address:     s.Address,
		Host:        host(s),
		Hosts:       hosts(s),
		URL:         address(s),
		Environment: s.Environment,
		Tag:         image.Tag,
		Image:       reference(image),
		ChangeCause: changeCause(image),
		Secrets:     mountedSecrets(s),
		ServicePort: servicePort(s.Web),
		Web:         newWebView(s.Web, s.Build),
		Autoscale:   newAutoscaleView(s.Web.Autoscale),
		Disruptions: disruptions(s.Web),
		External:    newExternalView(s.Database),
		Store:       newStoreView(s.Files),
		Files:       newFilesView(s.Files),
		Writable:    newWritableView(s.Writable),
		Ingress:     newIngressView(s),
		Isolation:   newIsolationView(s.Isolation),
		TLS:         https(s) && s.Ingress.TLS.Issuer != "",
		Migrate:     newMigrateView(s.Migrate, image.Tag),
		Backup:      newBackupView(s),
	}
	var err error
	if v.Apache, err = apacheConfiguration(s, own); err != nil {
		return view{}, err
	}
	if v.Varnish, err = newVarnishView(s, own); err != nil {
		return view{}, err
	}
	if v.MySQL, err = newMySQLView(s.Database); err != nil {
		return view{}, err
	}
	if v.Memcache, err = newMemcacheView(s.Cache); err != nil {
		return view{}, err
	}
	if v.Redis, err = newRedisView(s.Cache); err != nil {
		return view{}, err
	}
	v.ConfigChecksum, err = checksum(configuration(v))
	return v, err
}

// changeCause is what kubectl rollout history shows.
func changeCause(image site.Image) string {
	return strings.TrimSpace(image.Tag + " " + image.Commit.Subject)
}

// reference names the image. While there is no digest, before the build, the
// tag has to do.
func reference(image site.Image) string {
	if image.Digest == "" {
		return image.Repository + ":" + image.Tag
	}
	return image.Reference()
}

func host(s site.Site) string {
	if s.Ingress != nil && len(s.Ingress.Hosts) > 0 {
		return s.Ingress.Hosts[0]
	}
	return s.Address
}

func hosts(s site.Site) string {
	if s.Ingress == nil {
		return s.Address + "\n"
	}
	return strings.Join(s.Ingress.Hosts, "\n") + "\n"
}

func address(s site.Site) string {
	if https(s) {
		return "https://" + host(s)
	}
	return "http://" + host(s)
}

func https(s site.Site) bool { return s.Ingress != nil && s.Ingress.TLS != nil }

// mountedSecrets are the generated Secrets that the site reads, and its own.
func mountedSecrets(s site.Site) []secretView {
	var secrets []secretView
	for _, c := range credentials(s) {
		if c.mounted {
			secrets = append(secrets, newSecretView(c.name, everyReader))
		}
	}
	for _, secret := range ownSecrets(s) {
		if !secret.elsewhere {
			secrets = append(secrets, newSecretView(secret.name, secret.readers))
		}
	}
	return secrets
}

func newSecretView(name string, readers []string) secretView {
	return secretView{
		Name:    name,
		Volume:  "secret-" + name,
		Path:    path.Join(site.SecretsDir, name),
		readers: readers,
	}
}

// readBy is the view with those Secrets alone that one of the readers reads.
func (v view) readBy(reader string) view {
	v.Secrets = slices.DeleteFunc(slices.Clone(v.Secrets), func(s secretView) bool {
		return !slices.Contains(s.readers, reader)
	})
	return v
}

func newWebView(web site.Web, build site.Build) webView {
	// Varnish is told to stop when Apache has gone; 5 seconds are plenty.
	const margin = 5
	v := webView{
		Replicas:                web.Replicas,
		CPU:                     web.Resources.CPU,
		Memory:                  web.Resources.Memory,
		PortName:                "http",
		HealthPath:              web.Health.Path,
		MaxSurge:                web.Rollout.MaxSurge,
		MaxUnavailable:          web.Rollout.MaxUnavailable,
		MinReadySeconds:         web.Rollout.MinReadySeconds,
		ProgressDeadlineSeconds: web.Rollout.ProgressDeadline.Seconds(),
		DrainDelaySeconds:       web.Rollout.DrainDelay.Seconds(),
		DrainTimeoutSeconds:     web.Rollout.DrainTimeout.Seconds(),
		HasShell:                build.Dockerfile == "",
	}
	v.GracePeriodSeconds = v.DrainDelaySeconds + v.DrainTimeoutSeconds + margin
	if web.Varnish != nil {
		v.PortName = "apache"
	}
	return v
}

func newAutoscaleView(autoscale *site.Autoscale) *autoscaleView {
	if autoscale == nil {
		return nil
	}
	return &autoscaleView{Min: autoscale.Min, Max: autoscale.Max, Percent: autoscale.CPU}
}

// disruptions says how many web pods may go at a time when nodes are drained,
// while others serve. A single one may, unless the site file says otherwise.
func disruptions(web site.Web) *disruptionsView {
	least, _ := web.Pods()
	switch {
	case least > 1:
		return &disruptionsView{Most: 1}
	case web.HoldDrains:
		return &disruptionsView{Most: 0}
	default:
		return nil
	}
}

func newVarnishView(s site.Site, own templates.Own) (*varnishView, error) {
	varnish := s.Web.Varnish
	if varnish == nil {
		return nil, nil
	}
	memory, err := resource.ParseQuantity(varnish.Memory)
	if err != nil {
		return nil, fmt.Errorf("web.varnish.memory %q: %w", varnish.Memory, err)
	}
	vcl, err := varnishConfiguration(s, own)
	if err != nil {
		return nil, err
	}
	// Each object costs about a kilobyte besides its content; threads, the
	// compiler of the VCL and answers that are not cached come on top.
	const overhead = 128 << 20
	limit := memory.Value() + memory.Value()/4 + overhead
	return &varnishView{
		Image:   varnish.Image,
		Storage: fmt.Sprintf("malloc,%d", memory.Value()),
		Limit:   quantity(limit),
		VCL:     vcl,
	}, nil
}

func newMySQLView(database *site.Database) (*mysqlView, error) {
	if database == nil || database.MariaDB == nil {
		return nil, nil
	}
	mariadb := database.MariaDB
	memory, err := resource.ParseQuantity(mariadb.Memory)
	if err != nil {
		return nil, fmt.Errorf("database.mariadb.memory %q: %w", mariadb.Memory, err)
	}
	return &mysqlView{
		Image:        mariadb.Image,
		Memory:       mariadb.Memory,
		Storage:      mariadb.Storage,
		StorageClass: mariadb.StorageClass,
		BufferPool:   fmt.Sprintf("--innodb-buffer-pool-size=%d", memory.Value()/2),
	}, nil
}

func newMemcacheView(cache *site.Cache) (*memcacheView, error) {
	if cache == nil || cache.Memcached == nil {
		return nil, nil
	}
	memcached := cache.Memcached
	memory, err := resource.ParseQuantity(memcached.Memory)
	if err != nil {
		return nil, fmt.Errorf("cache.memcached.memory %q: %w", memcached.Memory, err)
	}
	// Connections and the hash table are not part of the item memory.
	const overhead = 64 << 20
	var servers strings.Builder
	for i := range memcached.Replicas {
		fmt.Fprintf(&servers, "memcache-%d.memcache:11211\n", i)
	}
	return &memcacheView{
		Image:     memcached.Image,
		Replicas:  memcached.Replicas,
		Megabytes: fmt.Sprint(max(1, memory.Value()>>20)),
		Limit:     quantity(memory.Value() + overhead),
		Servers:   servers.String(),
	}, nil
}

func newExternalView(database *site.Database) *externalView {
	if database == nil || database.External == nil {
		return nil
	}
	external := database.External
	return &externalView{
		Secret:   external.Secret,
		Hostname: external.Host,
		Port:     fmt.Sprint(external.Port),
		Database: external.Name,
	}
}

func newRedisView(cache *site.Cache) (*redisView, error) {
	if cache == nil || cache.Redis == nil {
		return nil, nil
	}
	redis := cache.Redis
	memory, err := resource.ParseQuantity(redis.Memory)
	if err != nil {
		return nil, fmt.Errorf("cache.redis.memory %q: %w", redis.Memory, err)
	}
	// What maxmemory does not count: fragmentation, which grows with what is
	// kept, and the buffers of clients.
	const buffers = 64 << 20
	return &redisView{
		Image:  redis.Image,
		Bytes:  fmt.Sprint(memory.Value()),
		Limit:  quantity(memory.Value() + memory.Value()/2 + buffers),
		Server: "redis:6379\n",
	}, nil
}

func newStoreView(files *site.Files) *storeView {
	if files == nil || files.S3 == nil {
		return nil
	}
	return &storeView{Bucket: files.S3.Bucket, Endpoint: files.S3.Endpoint, Region: files.S3.Region}
}

func newFilesView(files *site.Files) *filesView {
	if files == nil || files.Volume == nil {
		return nil
	}
	volume := files.Volume
	v := &filesView{Size: volume.Size, AccessMode: volume.AccessMode, StorageClass: volume.StorageClass}
	v.Mounts = append(v.Mounts, mountView{Path: path.Join(site.CodeDir, volume.Path)})
	for _, folder := range volume.Also {
		// Apache serves nothing below a name that begins with a dot.
		v.Mounts = append(v.Mounts, mountView{path.Join(site.CodeDir, folder), path.Join(".sitectl", folder)})
	}
	return v
}

func newWritableView(folders []string) *writableView {
	if len(folders) == 0 {
		return nil
	}
	v := &writableView{}
	for _, folder := range folders {
		v.Mounts = append(v.Mounts, mountView{path.Join(site.CodeDir, folder), folder})
	}
	return v
}

func newIsolationView(isolation *site.Isolation) *isolationView {
	if isolation == nil {
		return nil
	}
	return &isolationView{
		Everywhere: len(isolation.Namespaces)+len(isolation.Networks) == 0,
		Namespaces: isolation.Namespaces,
		Networks:   isolation.Networks,
	}
}

func newMigrateView(migrate *site.Migrate, tag string) *migrateView {
	if migrate == nil || len(migrate.Steps) == 0 {
		return nil
	}
	var steps []stepView
	for _, step := range migrate.Steps {
		steps = append(steps, stepView{Name: step.Name, Command: verbatim(step.Command)})
	}
	last := len(steps) - 1
	return &migrateView{
		Name:           jobName(tag, 1),
		TimeoutSeconds: migrate.Timeout.Seconds(),
		Several:        last > 0,
		First:          steps[:last],
		Last:           steps[last],
	}
}

func newBackupView(s site.Site) *backupView {
	backup := backupOf(s)
	if backup == nil || s.Database == nil {
		return nil
	}
	image := ""
	switch {
	case s.Database.MariaDB != nil:
		image = s.Database.MariaDB.Image
	case s.Database.External != nil:
		image = s.Database.External.Image
	}
	v := &backupView{Image: image, Size: backup.Size, StorageClass: backup.StorageClass, TimeoutSeconds: backup.Timeout.Seconds()}
	if s3 := backup.S3; s3 != nil {
		v.Bucket = &bucketView{Image: s3.Image, Bucket: s3.Bucket, Endpoint: s3.Endpoint, Region: s3.Region, Secret: s3.Secret}
	}
	return v
}

func newCronView(v view, cron site.Cron) cronView {
	return cronView{v, cronJobView{
		Name:           cron.Name,
		Schedule:       cron.ResolvedSchedule(v.Namespace),
		TimeZone:       cron.TimeZone,
		Command:        verbatim(cron.Command),
		TimeoutSeconds: cron.Timeout.Seconds(),
	}}
}

// verbatim keeps Kubernetes from expanding $(NAME) in a command: $$ stands
// for one $ there (the container's field command in the API reference).
func verbatim(command []string) []string {
	out := make([]string, len(command))
	for i, argument := range command {
		out[i] = strings.ReplaceAll(argument, "$", "$$")
	}
	return out
}

// jobName names one attempt at the migration of a tag. A Job's name is a
// label of its pods, of at most 63 characters, and so must leave room for
// the number.
func jobName(tag string, attempt int) string {
	const longest = 48
	if len(tag) > longest {
		tag = strings.TrimRight(tag[:longest], "-")
	}
	return fmt.Sprintf("migrate-%s-%d", tag, attempt)
}

// configuration is what running containers have read from ConfigMaps and do
// not read again: when it changes, the pods have to be replaced.
func configuration(v view) []string {
	values := []string{v.Address, v.Hosts, v.URL, v.Environment, v.Apache}
	if v.Memcache != nil {
		values = append(values, v.Memcache.Servers)
	}
	if v.Redis != nil {
		values = append(values, v.Redis.Server)
	}
	if v.External != nil {
		values = append(values, v.External.Hostname, v.External.Port, v.External.Database)
	}
	if v.Store != nil {
		values = append(values, v.Store.Bucket, v.Store.Endpoint, v.Store.Region)
	}
	if v.Varnish != nil {
		values = append(values, v.Varnish.VCL)
	}
	return values
}

// checksum identifies a value by its JSON.
func checksum(value any) (string, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// quantity writes a number of bytes as a Kubernetes quantity.
func quantity(n int64) string { return resource.NewQuantity(n, resource.BinarySI).String() }

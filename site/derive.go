package site

import (
	"path"
	"slices"
	"strings"
)

// derive sets the defaults that follow from other values.
func (r *resolution) derive(extensions []string) {
	if r.environment != "" {
		r.site.Environment = r.environment
		r.noteDerived("environment")
	}
	if r.places["namespace"] == nil {
		r.site.Namespace = defaultNamespace(r.site.Address, r.site.Environment)
		r.noteDerived("namespace")
	}
	if r.places["build.runtime"] == nil {
		r.site.Build.Runtime = defaultRuntime(r.site.Image)
		r.noteDerived("build.runtime")
	}
	r.deriveIngress()
	r.deriveFilesPath()
	r.deriveBackup()
	r.deriveReaders()
	r.deriveEvents()
	r.deriveDeploy()
	if place := r.places[extensionsKey]; place != nil && !place.origin.inFile() {
		for _, extension := range extensions {
			r.noteDerived(joinIndex(extensionsKey, len(r.site.Build.PHP.Extensions)))
			r.site.Build.PHP.Extensions = append(r.site.Build.PHP.Extensions, extension)
		}
	}
}

func (r *resolution) deriveIngress() {
	if r.site.Ingress == nil {
		return
	}
	if r.places["ingress.hosts"] == nil {
		r.site.Ingress.Hosts = []string{defaultHost(r.site.Address, r.site.Environment)}
		r.noteDerived("ingress.hosts")
	}
	if r.places["ingress.paths"] == nil {
		r.site.Ingress.Paths = []string{"/"}
		r.noteDefault("ingress.paths")
	}
	if r.places["ingress.noindex"] == nil {
		r.site.Ingress.Noindex = r.site.Environment != "" && r.site.Environment != production
		r.noteDerived("ingress.noindex")
	}
}

// deriveFilesPath moves the uploads of a preset along with the docroot: they
// are in it.
func (r *resolution) deriveFilesPath() {
	const key = "files.volume.path"
	place := r.places[key]
	if r.site.Files == nil || r.site.Files.Volume == nil || place == nil || place.origin.inFile() {
		return
	}
	usual := defaultDocroot(r.site.Preset)
	if r.site.Build.Docroot == usual || !contains(usual, r.site.Files.Volume.Path) {
		return
	}
	below := strings.TrimPrefix(r.site.Files.Volume.Path, usual+"/")
	r.site.Files.Volume.Path = path.Join(r.site.Build.Docroot, below)
	r.noteDerived(key)
}

// defaultDocroot is the docroot of a site that sets none.
func defaultDocroot(preset Preset) string {
	layer := merge(defaultLayer(), presetLayer(preset))
	return layer.fields["build"].fields["docroot"].scalar.String()
}

// deriveBackup has the dumps go to a bucket if there is one for them, in the
// store of the uploads if the file names no other.
func (r *resolution) deriveBackup() {
	const section = "migrate.backup"
	migrate := r.site.Migrate
	if migrate == nil || migrate.Backup == nil || migrate.Backup.S3 == nil {
		return
	}
	set := func(key string, to *string, value string) {
		if place := r.places[join(section, key)]; place == nil || !place.origin.inFile() {
			*to = value
			r.noteDefault(join(section, key))
		}
	}
	backup := migrate.Backup
	set("to", &backup.To, backupS3)
	if files := r.site.Files; files != nil && files.S3 != nil {
		set("s3.endpoint", &backup.S3.Endpoint, files.S3.Endpoint)
		set("s3.region", &backup.S3.Region, files.S3.Region)
		set("s3.secret", &backup.S3.Secret, files.S3.Secret)
	}
}

// deriveReaders has everything read a Secret of which the file says nothing
// else.
func (r *resolution) deriveReaders() {
	for i := range r.site.Secrets {
		key := joinIndex("secrets", i) + ".for"
		if place := r.places[key]; place != nil && place.kind != absent {
			continue
		}
		r.site.Secrets[i].For = slices.Clone(secretReaders)
		r.noteDefault(key)
	}
}

// deriveEvents tells of all but the start of a ship whoever asks for nothing
// else.
func (r *resolution) deriveEvents() {
	for i := range r.site.Notify {
		key := joinIndex("notify", i) + ".on"
		if place := r.places[key]; place != nil && place.kind != absent {
			continue
		}
		r.site.Notify[i].On = []NotifyEvent{Shipped, Failed, RolledBack}
		r.noteDefault(key)
	}
}

// deriveDeploy leaves to whoever has laid out the namespace what the preset
// would have laid out. Only where the database is has to be known, to back it
// up.
func (r *resolution) deriveDeploy() {
	s := &r.site
	if s.Deploy == nil {
		return
	}
	if r.places["deploy.deployments"] == nil {
		s.Deploy.Deployments = []string{mainDeployment}
		r.noteDefault("deploy.deployments")
	}
	backedUp := s.Migrate != nil && s.Migrate.Backup != nil && s.Database != nil && s.Database.External != nil
	if backedUp {
		s.Database = &Database{External: s.Database.External}
	} else {
		s.Database = nil
	}
	s.Cache, s.Files, s.Isolation = nil, nil, nil
	s.Writable, s.Secrets, s.Cron = nil, nil, nil
	s.Web.Varnish, s.Web.Autoscale = nil, nil
	if s.Ingress != nil {
		s.Ingress.Noindex = false
	}
}

// mainDeployment is the Deployment on which a site is verified and recorded.
const mainDeployment = "web"

func (r *resolution) noteDefault(path string) { r.note(path, sourceDefault) }

// noteDerived is for a default that is another one where other keys are.
func (r *resolution) noteDerived(path string) { r.note(path, sourceDerived) }

func (r *resolution) note(path, source string) {
	r.places[path] = &value{kind: scalar, origin: Origin{Source: source}, key: path}
}

const extensionsKey = "build.php.extensions"

// impliedExtensions are the PHP extensions that speak to the site's services.
// One that any environment needs is in the image of all of them, for one
// commit is one image.
func impliedExtensions(resolutions []*resolution) []string {
	var extensions []string
	for _, implied := range []struct {
		section   []string
		extension string
	}{
		{[]string{"database"}, "mysql"},
		{[]string{"cache", "memcached"}, "memcached"},
		{[]string{"cache", "redis"}, "redis"},
	} {
		if slices.ContainsFunc(resolutions, func(r *resolution) bool { return r.tree.has(implied.section...) }) {
			extensions = append(extensions, implied.extension)
		}
	}
	return extensions
}

// defaultNamespace is the address with dots as dashes, and the environment
// unless that is production.
func defaultNamespace(address, environment string) string {
	name := strings.ReplaceAll(strings.ToLower(address), ".", "-")
	if environment == "" || environment == production {
		return name
	}
	return name + "-" + environment
}

// defaultRuntime is "runtime" next to the site's repository, where the other
// sites of the agency find it, too. A repository right below its registry has
// no such place.
func defaultRuntime(image string) string {
	parent := path.Dir(image)
	if !strings.Contains(parent, "/") {
		return image + "/runtime"
	}
	return parent + "/runtime"
}

// defaultHost is the address, below the environment's own name unless that is
// production: two environments must not answer for one host.
func defaultHost(address, environment string) string {
	if environment == "" || environment == production {
		return address
	}
	return environment + "." + address
}

// Package deployer makes an image the running site: it turns a site.Site and
// a site.Image into a Release on a Kubernetes cluster.
//
// A deploy is a row of steps, each a method of Deployer that can be repeated:
// Preflight, Lock, Apply, Data, Begin, Migrate, Roll, Cron, Verify, Record. None
// of them needs anything of the one before it but what is in the cluster, so a
// deploy that was killed anywhere is finished by the next one, or by whoever
// finds its Leftover.
package deployer

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/sitectl/sitectl/site"
)

// fieldManager owns, in server-side apply, the fields that sitectl sets.
const fieldManager = "sitectl"

// Options are what a deploy needs besides the site. The zero value takes the
// kubeconfig kubectl would take and reports nothing. Log, Progress and
// Rollout are called from several goroutines, but never at the same time.
type Options struct {
	Kubeconfig string    // path; empty for $KUBECONFIG, ~/.kube/config or the pod's own service account
	PullConfig []byte    // a .dockerconfigjson for the pods; empty if the image can be pulled without a login
	Own        site.Own  // what the site has besides its site file
	By         string    // who ships, for the record: a person or the address of a pipeline
	Log        io.Writer // receives the migration's log, line by line, each with the name of its step; nil for none
	// HasImage asks the registry, with sitectl's own login, whether it has an
	// image; nil if nobody can. It decides on nodes that do not get one.
	HasImage func(ctx context.Context, reference string) (bool, error)
	Progress func(string) // is told in one line, without a line feed, what happens; nil for nobody
	// Rollout is told how the pods of a Deployment stand while it is rolled
	// out, each time one of them changes; nil for nobody.
	Rollout func(Rollout)
	// Applied is told what became of each object that was applied; nil for nobody.
	Applied func(Object, Result)
	// Secret is told each value of a Secret of the site that was made or read,
	// so that no log shows it; nil for nobody. It must be safe for concurrent use.
	Secret func(value string)
}

// Deployer deploys one site to the cluster and namespace of one environment.
// Its methods may be called one after the other, not at the same time.
type Deployer struct {
	site     site.Site
	server   string // address of the API server
	context  string // of the kubeconfig; empty for none
	identity Identity
	silence  *silence // of it
	client   kubernetes.Interface
	dynamic  dynamic.Interface
	forward  forwarder
	execute  executor
	date     func(context.Context) (time.Time, error) // by the clock of the API server
	opts     Options
	mounted  *string               // see mountedChecksum; nil until it is asked for
	pulls    map[string]pullAnswer // by image; see consult
	earlier  *earlier              // what the steps take their objects from; nil for the site file
	mu       *sync.Mutex           // holds what is reported apart

	sighting sighting // of the lock
	fence    *fence   // between this Deployer and the API server
}

// Server returns the address of the API server.
func (d *Deployer) Server() string { return d.server }

func (d *Deployer) progress(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opts.Progress != nil {
		d.opts.Progress(line)
	}
}

// applied reports what became of an object.
func (d *Deployer) applied(object Object, result Result) {
	d.progress(fmt.Sprintf("%s %s", object, result))
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opts.Applied != nil {
		d.opts.Applied(object, result)
	}
}

// conceal keeps values of a Secret out of logs.
func (d *Deployer) conceal(data map[string][]byte, keys ...string) {
	if d.opts.Secret == nil {
		return
	}
	for _, key := range keys {
		d.opts.Secret(string(data[key]))
	}
}

// log passes on a line of a log. Whoever cannot write it down has no reason
// to fail because of it.
func (d *Deployer) log(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opts.Log != nil {
		_, _ = io.WriteString(d.opts.Log, line)
	}
}
